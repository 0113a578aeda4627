/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of a mutex: alone, handed over, and contended, beside one fetch-and-add and one control
 * round trip. */
#ifndef PERF_LOCK_H
#define PERF_LOCK_H

#include "perf/run.h"

/* Into run->figures. @worker is open. Returns as measure_latency(). */
int measure_lock(struct run *run, struct worker *worker);

/* Print the rows on stdout. */
void report_lock(const struct run *run, uint64_t errors);

#endif
