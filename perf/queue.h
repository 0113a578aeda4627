/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of a queue: of one end at a time, from one end to the other, and of many at both. */
#ifndef PERF_QUEUE_H
#define PERF_QUEUE_H

#include "perf/run.h"

/* Measure all rows in turns for --seconds, with items of --size bytes. Into run->figures. Every
 * item is checked: it comes out once, whole, and in its producer's order. @worker is open. Returns
 * as measure_latency(). */
int measure_queue(struct run *run, struct worker *worker);
void report_queue(const struct run *run, uint64_t errors);

#endif
