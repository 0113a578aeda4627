/* SPDX-License-Identifier: Apache-2.0 */
/* Parties: threads, each with a session of its own, that go through the rounds of an object
 * together. */
#ifndef PERF_PARTIES_H
#define PERF_PARTIES_H

#include "perf/run.h"

#include <pthread.h>

struct parties;

struct party {
	pthread_t thread;
	struct parties *parties;
	struct worker worker;
	uint32_t id;
	void *own;              /* what the kind needs */
	uint64_t *latencies_ns; /* a round each, those of the warm-up before the others */
	int error;
};

/* What parties do. Errors are the worker's, and explained there. */
struct parties_ops {
	const char *what; /* the end of the object's name */
	uint64_t warm_up; /* rounds before the clock runs */
	int (*open)(struct party *party);
	/* Go through @round, and set its latency. */
	int (*round)(struct party *party, uint64_t round);
	void (*close)(struct party *party); /* also of one that was not opened whole */
};

struct parties {
	const struct parties_ops *ops;
	const struct run *run;
	void *context; /* of the kind */
	unsigned count;
	char name[80]; /* of the object */
	struct party *party;
	pthread_barrier_t begin;
};

/*
 * --sessions parties go through --rounds rounds, after those of the warm-up. Into run: latencies;
 * completed, the rounds; rate, the rounds a second. The object is deleted. @worker is open, and has
 * the first error. Returns as measure_latency().
 */
int parties_measure(struct run *run, struct worker *worker, const struct parties_ops *ops,
		    void *context);

#endif
