/* SPDX-License-Identifier: Apache-2.0 */
/* A mutex that one session hands over to another, which waits for it in a thread of its own. */
#ifndef PERF_HAND_OVER_H
#define PERF_HAND_OVER_H

#include "perf/run.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define PARKED_NS     (2 * DSO_MILLISECOND) /* long after a waiter stops spinning (SPIN_NS_MAX) */
#define HANG_TIMEOUT  (60 * DSO_SECOND)
#define EXCLUSION_ERR "two sessions were in the mutex at once"

/* The words of run->object. */
#define OWN_WORD    0
#define SHARED_WORD 64

/* A session with the mutex of the run. */
struct lane {
	struct worker worker;
	struct dso_mutex *mutex;
	int error;
};

/* Open a session and in it the mutex @name. lane_close() is due also after a failure, which is in
 * lane->worker.error. */
int lane_open(struct lane *lane, const struct run *run, const char *name);
void lane_close(struct lane *lane);

/* Two sessions, one of which hands the mutex over to the other. */
struct hand_over {
	struct lane *holder, *waiter;
	bool near; /* both reach the memory themselves */

	pthread_t thread; /* the waiter's */
	sem_t go, done;
	atomic_bool waits; /* it is about to call lock */
	bool over;
	int64_t got_ns, faa_ns; /* when the lock returned; how long its fetch-and-add took */
};

/* Start the waiter's thread. Returns 0, or a negative errno with the error of @waiter's worker. */
int hand_over_start(struct hand_over *hand_over, const struct run *run, struct lane *holder,
		    struct lane *waiter);
void hand_over_stop(struct hand_over *hand_over);

/*
 * Hold the mutex until the other has waited for @hold_ns, and hand it over: from the unlock to the
 * return of the waiter's lock goes into @latencies, and its fetch-and-add of a word that the holder
 * has just changed into @faa (may be NULL). Returns 0, or a negative errno with the error of the
 * holder's worker.
 */
int hand_over_once(struct hand_over *hand_over, int64_t hold_ns, struct histogram *latencies,
		   struct histogram *faa);

/* If no others take part, each thread has a processor of its own from here on, until the end. The
 * caller's thread is the holder's. */
void hand_over_pin(struct hand_over *hand_over, cpu_set_t *ret_allowed);
void hand_over_unpin(const cpu_set_t *allowed);

void pause_for(int64_t ns);

#endif
