/* SPDX-License-Identifier: Apache-2.0 */
/*
 * k-means and logistic regression, as examples/ has them, with the workers' sums added up by
 * whatever is compared: perf/compare-functions. Each iteration ends with one reduction.
 */
#ifndef PERF_ITERATE_H
#define PERF_ITERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ITERATE_ITERATIONS_MAX 1000
#define ITERATE_WORKERS_MAX    64

struct iterate_job {
	bool is_kmeans; /* otherwise it is logistic regression */
	uint64_t points, iterations, workers;
};

/* What a worker found. */
struct iterate_times {
	int64_t loop_ns; /* of all iterations, from when all workers have their points */
	int64_t reduce_ns[ITERATE_ITERATIONS_MAX]; /* of each reduction */
	uint64_t hash;                             /* of the result */
};

/* Take WORK POINTS ITERATIONS WORKERS from the command line; say how it is used and exit where that
 * is not there. */
struct iterate_job iterate_job(int argc, char **argv);

/* How many doubles are added up. */
uint64_t iterate_length(const struct iterate_job *job);

/* Add @partial of all workers up, to @sums. Rounds are counted from 1. */
typedef void iterate_reduce(void *context, uint64_t round, const double *partial, double *sums);

/* Be worker @number. */
void iterate(const struct iterate_job *job, uint64_t number, iterate_reduce *reduce, void *context,
	     struct iterate_times *ret_times);

/*
 * Print a row of JSON: the mean of an iteration, of the slowest worker; and what the reduction
 * takes the last one to come, who waits for nobody, on average. Gives up where results differ.
 */
void iterate_print(const char *system, const struct iterate_job *job,
		   const struct iterate_times *times);

#endif
