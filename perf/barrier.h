/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of a barrier with many parties, each a thread with a session of its own. */
#ifndef PERF_BARRIER_H
#define PERF_BARRIER_H

#include "perf/run.h"

/*
 * --sessions parties cross the barrier --rounds times. Into run: latencies, the times from a
 * party's arrival until it goes on; completed, the crossings; rate, the crossings a second. Every
 * round is checked: no party goes ahead of the others, and exactly one is told that it was the
 * last. @worker is open. Returns as measure_latency().
 */
int measure_barrier(struct run *run, struct worker *worker);

#endif
