/* SPDX-License-Identifier: Apache-2.0 */
/* How functions are declared, durations, limits. Included by dso/dso.h. */
#ifndef DSO_BASE_H
#define DSO_BASE_H

#include <stdint.h>

/* Around the functions: C linkage under a C++ compiler, and default visibility whatever the
 * program has chosen for its own functions. */
#ifdef __cplusplus
#define DSO_LINKAGE_BEGIN extern "C" {
#define DSO_LINKAGE_END   }
#else
#define DSO_LINKAGE_BEGIN
#define DSO_LINKAGE_END
#endif
#ifdef __GNUC__
#define DSO_DECLARATIONS_BEGIN DSO_LINKAGE_BEGIN _Pragma("GCC visibility push(default)")
#define DSO_DECLARATIONS_END   _Pragma("GCC visibility pop") DSO_LINKAGE_END
#else
#define DSO_DECLARATIONS_BEGIN DSO_LINKAGE_BEGIN
#define DSO_DECLARATIONS_END   DSO_LINKAGE_END
#endif

/* Durations are int64 nanoseconds. */
#define DSO_NOWAIT      INT64_C(0)
#define DSO_FOREVER     INT64_C(-1)
#define DSO_MILLISECOND INT64_C(1000000)
#define DSO_SECOND      INT64_C(1000000000)

/* Limits. */
#define DSO_NAME_BYTES_MAX              255                /* of an object's name */
#define DSO_COUNTER_STRIPES_MAX         64                 /* of a counter */
#define DSO_REGISTER_BYTES_MAX          (64ULL << 20)      /* capacity of a register */
#define DSO_REGISTER_VERSION_MAX        ((1ULL << 40) - 1) /* the last one */
#define DSO_OUTSTANDING_MAX             1024          /* submitted and not yet reaped, a session */
#define DSO_RWLOCK_READERS_MAX          4096          /* of a rwlock at a time */
#define DSO_SEMAPHORE_PERMITS_MAX       4096          /* of a semaphore */
#define DSO_BARRIER_PARTIES_MAX         65535         /* of a barrier */
#define DSO_FUTURE_BYTES_MAX            (64ULL << 20) /* capacity of a future */
#define DSO_QUEUE_CAPACITY_MAX          4096          /* items of a queue */
#define DSO_QUEUE_ITEM_BYTES_MAX        65536         /* of an item of a queue */
#define DSO_QUEUE_LEASES_MAX            1024          /* of a handle of a queue at a time */
#define DSO_MAP_KEY_BYTES_MAX           1024          /* of a key of a map or a set */
#define DSO_MAP_VALUE_BYTES_MAX         (1 << 20)     /* of a value of a map */
#define DSO_MAP_MEMBERS_MAX             1024          /* sessions that change a map at a time */
#define DSO_AGGREGATOR_LENGTH_MAX       (1ULL << 21)  /* elements of a vector */
#define DSO_AGGREGATOR_CONTRIBUTORS_MAX 1024          /* of a round of an aggregator */

/*
 * The member `ephemeral` of the parameters of every type. An ephemeral object is deleted with its
 * last handle, of whatever session: when that is closed, or its session ends in any way. 0: the
 * object stays until it is deleted; and any object will do that is there. DSO_EPHEMERAL, which
 * counts where the object is created: it goes by itself. Opening one that is there and stays is
 * refused then, with -EINVAL. Every other value is refused.
 *
 * A lost session keeps its handles as long as it keeps what it holds: for its linger, and over
 * transport shm until its process has ended or unmapped the memory. So an ephemeral object that no
 * other session has open is sure to survive a lost connection, or the time that a function is
 * frozen beyond the TTL, only where the session has a linger (struct dso_options) that lasts until
 * dso_renew(). Without one it may be gone by then, and its handle stale: dso_renew() says so.
 */
#define DSO_EPHEMERAL 1

/* The owner number of storaged itself, which no session has. */
#define DSO_OWNER_STORAGED 65535

struct dso_session;

#endif
