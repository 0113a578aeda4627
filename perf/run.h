/* SPDX-License-Identifier: Apache-2.0 */
/* A run: what both modes need, and their results. */
#ifndef PERF_RUN_H
#define PERF_RUN_H

#include "perf/baseline.h"
#include "perf/daemon.h"
#include "perf/histogram.h"
#include "perf/operation.h"

struct figures;

struct run {
	struct settings settings;
	struct daemon daemon;
	struct baseline baseline;
	const char *url;
	uint8_t *patterns;
	char object[64];            /* the name of the memory */
	char transport[16];         /* the one in use */
	struct histogram latencies; /* ps */
	uint64_t completed, additions;
	uint64_t batch; /* the operations that a sample is the mean of */
	double rate;    /* operations a second */
	/* of the modes lock, queue and entry: perf/rows.h */
	struct figures *figures;
};

/*
 * Measure one operation at a time, alternating with the baseline. @worker is open. Returns 0, or a
 * negative errno with worker->error, which is empty where stderr was told.
 */
int measure_latency(struct run *run, struct worker *worker);

/*
 * Measure many operations at a time, in threads with sessions of their own, with the baseline
 * before and after. Returns as measure_latency() does.
 */
int measure_rate(struct run *run, struct worker *worker);

/* Print the results on stdout. */
void report(const struct run *run, uint64_t errors);

/* Show the progress on stderr, where that is a terminal. */
void report_progress(int64_t begin_ns, int64_t duration_ns);

#endif
