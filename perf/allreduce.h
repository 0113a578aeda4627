/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of an all-reduce: participants contribute a vector each and wait for the sum. */
#ifndef PERF_ALLREDUCE_H
#define PERF_ALLREDUCE_H

#include "perf/run.h"

/*
 * --sessions participants, each a thread with a session of its own, sum up vectors of --size
 * doubles --rounds times. Into run: latencies, the times from a participant's contribution until it
 * has the result; completed, the rounds; rate, the rounds a second. The first and the last element
 * of every result are checked. @worker is open. Returns as measure_latency().
 */
int measure_allreduce(struct run *run, struct worker *worker);

#endif
