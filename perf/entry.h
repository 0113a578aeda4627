/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of an entry of a map, beside a READ of as many bytes as its value has. */
#ifndef PERF_ENTRY_H
#define PERF_ENTRY_H

#include "perf/run.h"

/* Measure all rows in turns for --seconds, with values of --size bytes. Into run->figures. Every
 * value is compared. @worker is open. Returns as measure_latency(). */
int measure_entry(struct run *run, struct worker *worker);
void report_entry(const struct run *run, uint64_t errors);

#endif
