/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of a mutex: alone, handed over, and contended, beside one fetch-and-add and one control
 * round trip. */
#ifndef PERF_LOCK_H
#define PERF_LOCK_H

#include "perf/run.h"

/* A row of the report. */
enum lock_row {
	LOCK_FAA,              /* fetch-and-add of a word that no other session touches */
	LOCK_PAIR,             /* lock and unlock, likewise */
	LOCK_PING,             /* round trips of the control connection, one after the other */
	LOCK_PING_COLD,        /* one after a pause, in which all threads have gone to sleep */
	LOCK_FAA_AWAY,         /* fetch-and-add of a word that another session has just changed */
	LOCK_SPINNING,         /* from the unlock to the return of a spinning waiter's lock */
	LOCK_PARKED,           /* likewise, of a parked waiter */
	LOCK_CONTENDED,        /* lock and unlock by 2 sessions, both calls */
	LOCK_CONTENDED_BY_ALL, /* likewise by all of --sessions */
	LOCK_ROWS
};

struct lock_figures {
	struct histogram latencies[LOCK_ROWS]; /* ps */
	/* CONTENDED and CROWDED: how many, and in which time */
	uint64_t pairs[LOCK_ROWS];
	int64_t took_ns[LOCK_ROWS];
};

/* Into run->lock. @worker is open. Returns as measure_latency(). */
int measure_lock(struct run *run, struct worker *worker);

/* Print the rows on stdout. */
void report_lock(const struct run *run, uint64_t errors);

#endif
