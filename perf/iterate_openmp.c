/* SPDX-License-Identifier: Apache-2.0 */
/* iterate-openmp WORK POINTS ITERATIONS WORKERS: perf/iterate.h in threads.
 * iterate-openmp pi POINTS WORKERS: perf/monte_carlo.h in threads. */
#include "perf/iterate.h"

#include "perf/monte_carlo.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct totals {
	uint64_t length;
	double *sums;
};

static void reduce(void *context, uint64_t round, const double *partial, double *sums)
{
	struct totals *totals = context;

#pragma omp critical
	for (uint64_t i = 0; i < totals->length; i++)
		totals->sums[i] += partial[i];
#pragma omp barrier
	memcpy(sums, totals->sums, totals->length * sizeof *sums);
#pragma omp barrier
#pragma omp single
	memset(totals->sums, 0, totals->length * sizeof *sums);
}

static uint64_t shoot_all(uint64_t points, uint64_t workers)
{
	uint64_t inside = 0;

#pragma omp parallel num_threads((int)workers) reduction(+ : inside)
	{
		struct shots shots = {(uint64_t)omp_get_thread_num(), points / workers};

		inside += monte_carlo(&shots);
	}
	return inside;
}

static int run_pi(const struct monte_carlo *asked)
{
	monte_carlo_run("openmp", asked, shoot_all);
	return EXIT_SUCCESS;
}

static int run_work(int argc, char **argv)
{
	static struct iterate_times times[ITERATE_WORKERS_MAX];
	struct iterate_job job = iterate_job(argc, argv);
	struct totals totals = {.length = iterate_length(&job)};

	totals.sums = calloc(totals.length, sizeof *totals.sums);
	if (!totals.sums)
		return EXIT_FAILURE;
#pragma omp parallel num_threads((int)job.workers)
	iterate(&job, (uint64_t)omp_get_thread_num(), reduce, &totals,
		&times[omp_get_thread_num()]);
	iterate_print("openmp", &job, times);
	free(totals.sums);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct monte_carlo asked;

	return monte_carlo_asked(argc, argv, &asked) ? run_pi(&asked) : run_work(argc, argv);
}
