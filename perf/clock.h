/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of all measurements, and the end of the run. */
#ifndef PERF_CLOCK_H
#define PERF_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Set by SIGINT and its like, and by a thread that fails: then all threads end soon. */
extern atomic_bool run_stopped;

static inline bool stopped(void)
{
	return atomic_load_explicit(&run_stopped, memory_order_relaxed);
}

#endif
