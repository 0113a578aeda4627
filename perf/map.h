/* SPDX-License-Identifier: Apache-2.0 */
/* A map under one of YCSB's core workloads. */
#ifndef PERF_MAP_H
#define PERF_MAP_H

#include "perf/run.h"

/*
 * --sessions threads, each with a session of its own, load --keys values of --size bytes into a
 * map, and then run --workload on it for --seconds. @worker is open. Returns as measure_latency().
 */
int measure_map(struct run *run, struct worker *worker);

/* Print what measure_map has found. */
void report_map(const struct run *run, uint64_t errors);

#endif
