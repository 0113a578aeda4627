/* SPDX-License-Identifier: Apache-2.0 */
/* What a barrier of many parties costs, each a thread with a session of its own. */
#ifndef PERF_BARRIER_H
#define PERF_BARRIER_H

#include "perf/run.h"

/*
 * --sessions parties cross the barrier --rounds times. Into run: latencies, from each party's
 * coming to its going on; completed, the crossings; rate, the crossings a second. That nobody goes
 * ahead of the others and that just one is told to be the last is checked in every round. @worker
 * is open. Returns as measure_latency().
 */
int measure_barrier(struct run *run, struct worker *worker);

#endif
