/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of hold there are, each as a thing that is taken and given back. */
#ifndef TESTS_HOLDS_H
#define TESTS_HOLDS_H

#include <dso/dso.h>
#include <stdbool.h>
#include <stdint.h>

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define SURVIVORS    2 /* beside whom a victim takes and gives back */
#define PERMITS      2

/* In the memory: who is in, a word for each permit's place; then what must end exact. */
#define INSIDE(place) (64 * (uint64_t)(place))
#define DONE          1024
#define FUTURE        1088 /* the number of the one that is to be set next */

/* Everything that one session needs for any of the objects. */
struct hand {
	struct dso_session *session;
	struct dso_mutex *mutex;
	struct dso_rwlock *rwlock;
	struct dso_semaphore *semaphore;
	struct dso_once *once;
	struct dso_condition *condition;
	struct dso_barrier *barrier;
	struct dso_future *future; /* promised */
	uint64_t number;           /* of that */
	char name[32];             /* likewise */
	struct dso_memory *memory;
	uint64_t me;     /* never 0 */
	int64_t timeout; /* of the session; 0: HANG_TIMEOUT */
};

struct kind {
	const char *name;
	/* Take and give back; 0, or a negative errno. -EOWNERDEAD: taken from one who died. */
	int (*take)(struct hand *hand, int64_t timeout);
	int (*give)(struct hand *hand);
	bool tells; /* that the holder before died */
	unsigned places;
};

#define KINDS 6
extern const struct kind kinds[KINDS];

/* Open everything. Returns 0 or what dso_open and its like do. */
int open_hand(const char *url, const char *transport, struct hand *hand);

#endif
