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
#define DSO_AGGREGATOR_LENGTH_MAX       (1ULL << 21)  /* elements of a vector */
#define DSO_AGGREGATOR_CONTRIBUTORS_MAX 1024          /* of a round of an aggregator */

/* The owner number of storaged itself, which no session has. */
#define DSO_OWNER_STORAGED 65535

struct dso_session;

#endif
