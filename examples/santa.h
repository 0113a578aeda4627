/* SPDX-License-Identifier: Apache-2.0 */
/*
 * J. A. Trono's Santa Claus problem: Santa, nine reindeer and ten elves are threads, or functions.
 *
 * Santa sleeps until all nine reindeer are back, or three elves want advice; reindeer go first. A
 * group and Santa begin together and end together, at two gates. After the last year he closes the
 * gate at his door, which sends home who waits there.
 */
#ifndef SANTA_H
#define SANTA_H

#include "application.h"

#include <stdbool.h>

#define REINDEER 9
#define ELVES    10
#define GROUP    3 /* of elves */
#define BEINGS   (1 + REINDEER + ELVES)

struct santa {
	uint64_t years, seed;
	char run[NAME_BYTES]; /* what the names of shared objects begin with */
};

/* What a being is told: 0 is Santa, then there are the reindeer and the elves. */
struct santa_task {
	struct santa job;
	uint64_t being;
};

struct report {
	uint64_t deliveries, advices;
};

void santa_take(int argc, char **argv, struct santa *job, struct view *view);

/* Be one of them. Of Santa it returns what was done. */
struct report santa_be(const struct santa_task *task);

/* Print the result and check it. Returns the exit status. */
int santa_show(const struct santa *job, const struct report *report);

/* ---- what they share, by threads or by functions ---- */

/* What is on the notice board. The first five change under the lock. */
enum notice {
	BACK,         /* reindeer */
	AT_DOOR,      /* elves */
	CLOSED,       /* for elves */
	ADVICES,      /* that have begun */
	ADVICES_THEN, /* when the last reindeer came back */
	WITH,         /* whom Santa is with: 0, REINDEER or GROUP */
	HITCHED,      /* reindeer that took part, all years together */
	ADVISED,      /* elves that did */
	NOTICES
};

/* Returns what was there before. */
uint64_t add(enum notice notice, uint64_t delta);

void lock(void);
void unlock(void);

/* With the lock: wait to be woken. May return for no reason. */
void sleep_until_woken(void);
void wake_santa(void);

/* Where a group and Santa wait for each other. */
enum gate { HITCH, UNHITCH, ENTER, LEAVE, GATES };
#define GATE_PARTIES(gate) ((gate) <= UNHITCH ? REINDEER + 1 : GROUP + 1)

/* Returns false where the gate was closed. */
bool meet(enum gate gate);
void close_gate(enum gate gate);

/* For the elves of the next group. */
void enter_anteroom(void);
void leave_anteroom(void);

#endif
