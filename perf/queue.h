/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of a queue: of one end at a time, from one end to the other, and of many at both. */
#ifndef PERF_QUEUE_H
#define PERF_QUEUE_H

#include "perf/run.h"

enum queue_row {
	QUEUE_FAA,       /* a fetch-and-add, to compare with */
	QUEUE_PUSH,      /* one item, into a queue that others do not use */
	QUEUE_POP,       /* one item, which is there */
	QUEUE_PUSH_MANY, /* an item of QUEUE_MANY that are pushed at once */
	QUEUE_POP_MANY,  /* an item of QUEUE_MANY that are popped at once */
	QUEUE_BLOCKED,   /* from the push of an item until a consumer has it that was parked */
	QUEUE_STREAM,    /* one producer and one consumer, QUEUE_MANY items at once */
	QUEUE_ALL,       /* half of --sessions at each end, one item at a time */
	QUEUE_ROWS
};

#define QUEUE_MANY 32

struct queue_figures {
	struct histogram latencies[QUEUE_ROWS]; /* ps */
	uint64_t items[QUEUE_ROWS];             /* of the rows that are rates */
	int64_t took_ns[QUEUE_ROWS];
};

/* Measure all rows in turns for --seconds, with items of --size bytes. Into run: queue. Every item
 * is checked: it comes out once, whole, and in its producer's order. @worker is open. Returns as
 * measure_latency(). */
int measure_queue(struct run *run, struct worker *worker);
void report_queue(const struct run *run, uint64_t errors);

#endif
