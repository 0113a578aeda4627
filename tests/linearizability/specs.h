/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each object promises, as a sequential specification. An operation has its effect at one
 * instant between its call and its return; one that waits has it when it gets what it waited for.
 * What has its effect in two steps is two operations with the same call and return; they are told
 * apart below. Where an object promises less than an order of its operations explains, its step
 * says what and why.
 *
 * Left out, since they have no value and hold nothing: dso_memory_wait and wake. A striped
 * counter's get is a sum of words that were read at different instants, and explicitly not a value
 * that it had at one: there is no sequential specification of it.
 */
#ifndef TESTS_LINEARIZABILITY_SPECS_H
#define TESTS_LINEARIZABILITY_SPECS_H

#include <dso/dso.h>

#include "tests/linearizability/checker.h"

/* For what must come to pass: that it did not, in that time, is a failure of any specification. */
#define HANG_TIMEOUT (20 * DSO_SECOND)

/* The session of the client ends without a goodbye. Never known, kind 0 of every specification. */
#define DIE 0

/* Arguments -> results. A timeout is an argument. */

enum word_kind {
	WORD_FETCH_ADD = 1, /* delta -> before */
	WORD_CAS,           /* expected, value -> before */
};

enum counter_kind {
	COUNTER_ADD = 1,  /* delta -> before */
	COUNTER_GET,      /* -> value */
	COUNTER_SET,      /* value */
	COUNTER_EXCHANGE, /* value -> before */
	COUNTER_CAS,      /* expected, value -> before */
};

enum register_kind {
	REGISTER_GET = 1,  /* -> value, version; value 0: never set */
	REGISTER_SET,      /* value -> version */
	REGISTER_SET_IF,   /* expected version, value -> version; -EAGAIN too */
	REGISTER_EXCHANGE, /* value -> value before, version */
	REGISTER_VERSION,  /* -> version */
};

enum mutex_kind {
	MUTEX_LOCK = 1,   /* timeout -> token; -EOWNERDEAD, -ETIMEDOUT */
	MUTEX_UNLOCK,     /* -EPERM: it was taken away by force */
	MUTEX_CONSISTENT, /* -EINVAL: likewise */
	MUTEX_FORCE,      /* token; -EAGAIN */
	MUTEX_HOLDER,     /* -> held, token: which says by whom */
};

enum rwlock_kind {
	RWLOCK_RDLOCK = 1, /* timeout; -EOWNERDEAD, -ETIMEDOUT */
	RWLOCK_WRLOCK,     /* likewise */
	RWLOCK_UNLOCK,
	RWLOCK_CONSISTENT,
};

enum semaphore_kind {
	SEMAPHORE_ACQUIRE = 1, /* count, timeout; -ETIMEDOUT */
	SEMAPHORE_RELEASE,     /* count */
	SEMAPHORE_AVAILABLE,   /* -> count */
};

/* A wait at a barrier is an arrival and, when all have come, a leaving. */
enum barrier_kind {
	BARRIER_ARRIVE = 1, /* -> last */
	BARRIER_LEAVE,      /* timeout; -ETIMEDOUT, -ENOTRECOVERABLE */
	BARRIER_RESET_IT,
	BARRIER_JOIN, /* what comes before the first arrival: whose death breaks the barrier */
};

enum latch_kind {
	LATCH_COUNT_DOWN = 1, /* n -> left */
	LATCH_WAIT,           /* timeout; -ETIMEDOUT */
	LATCH_COUNT,          /* -> left */
};

enum once_kind {
	ONCE_BEGIN = 1, /* timeout -> mine; -ETIMEDOUT */
	ONCE_DONE,
	ONCE_ABANDON,
};

/* Setting is promising, from where on others have -EALREADY, and settling. A value below 0 is an
 * error. */
enum future_kind {
	FUTURE_PROMISE = 1, /* -EALREADY */
	FUTURE_SETTLE,      /* value; -EALREADY */
	FUTURE_GET,         /* timeout -> value; -EREMOTEIO, -EOWNERDEAD, -ETIMEDOUT */
	FUTURE_IS_DONE,     /* -> done */
};

/* A condition with its mutex, and a number of tickets that it is about. A wait lets the mutex
 * go, and takes it again. */
enum condition_kind {
	CONDITION_LOCK = 1,
	CONDITION_UNLOCK,
	CONDITION_SLEEP,
	CONDITION_AWAKE,   /* timeout; -ETIMEDOUT, and has the mutex */
	CONDITION_NOTIFY,  /* to all: a broadcast, else a signal */
	CONDITION_TICKETS, /* delta -> before */
};

enum queue_kind {
	QUEUE_PUSH = 1, /* value, timeout; -ETIMEDOUT */
	QUEUE_POP,      /* timeout -> value; -ETIMEDOUT */
	QUEUE_LEASE,    /* likewise; a client leases one at a time */
	QUEUE_ACKNOWLEDGE,
	QUEUE_GIVE_BACK,
};

/* No two writes have the same value, so the expected one stands for its version. */
enum map_kind {
	MAP_GET = 1,  /* key -> value; 0: the map has no such key */
	MAP_PUT,      /* key, value */
	MAP_ADD,      /* key, value: put_if_absent; -EEXIST */
	MAP_REPLACE,  /* expected, value, of key 0; -EAGAIN, -ENOENT */
	MAP_FIRST,    /* key, value: a merge that keeps what is there */
	MAP_REMOVE,   /* key; -ENOENT */
	MAP_CONTAINS, /* key -> whether */
};
#define MAP_KEYS 3

enum set_kind {
	SET_ADD = 1,  /* key -> whether it was not there */
	SET_REMOVE,   /* key -> whether it was there */
	SET_CONTAINS, /* key -> whether */
};
#define SET_KEYS 3

/*
 * The ids are 0 to contributors - 1, and client c contributes for id c % contributors. A sum has a
 * field for each id, with the value that was contributed for it.
 */
enum aggregator_kind {
	/* value, round, timeout -> round; -EALREADY, -ETIMEDOUT, -ENOTRECOVERABLE, -EUSERS */
	AGGREGATOR_CONTRIBUTE = 1,
	/* never known: to be a contributor, whose death breaks the round */
	AGGREGATOR_JOIN,
	/* round, timeout -> sum; -ETIMEDOUT, -ENOTRECOVERABLE, -ENODATA */
	AGGREGATOR_WAIT,
	AGGREGATOR_TAKE,   /* round, which has been waited for; -EALREADY */
	AGGREGATOR_GET,    /* -> sum, round; -ENODATA */
	AGGREGATOR_STAT,   /* -> round, contributed | AGGREGATOR_SHOWS_BROKEN */
	AGGREGATOR_FINISH, /* -> round; -EALREADY, -ENOTRECOVERABLE */
	AGGREGATOR_RESET,
	/* never known: the number of the client's reset before which it happens */
	AGGREGATOR_RESETTING,
	AGGREGATOR_END,
};
#define AGGREGATOR_SHOWS_BROKEN 256
/* In the parameter, beside the number of contributors. */
#define AGGREGATOR_HAS_RETRIES      256
#define AGGREGATOR_VALUE(id, value) ((value) << 20 * (id))
#define AGGREGATOR_FIELD(id)        AGGREGATOR_VALUE(id, UINT64_C(0xfffff))

/* What is called: a word in memory, and the objects. Of each there is a specification here and a
 * client in clients.h. */
#define OBJECT_KINDS(X) \
	X(word)         \
	X(counter)      \
	X(register)     \
	X(mutex)        \
	X(rwlock)       \
	X(semaphore)    \
	X(once)         \
	X(barrier)      \
	X(latch)        \
	X(condition)    \
	X(future)       \
	X(queue)        \
	X(map)          \
	X(set)          \
	X(aggregator)

#define X(name) extern const struct specification name##_specification;
OBJECT_KINDS(X)
#undef X

#endif
