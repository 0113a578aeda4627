/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iterate-functions WORK POINTS ITERATIONS WORKERS: perf/iterate.h in functions, over the transport
 * of the session. iterate-functions pi POINTS WORKERS: Monte Carlo, alone and in functions.
 */
#include "perf/iterate.h"

#include "examples/function.h"
#include "perf/monte_carlo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct task {
	struct iterate_job job;
	uint64_t number;
	char run[NAME_BYTES];
};

struct worker {
	struct totals totals;
	uint64_t number;
};

static void reduce(void *context, uint64_t round, const double *partial, double *sums)
{
	struct worker *worker = context;

	totals_reduce(&worker->totals, worker->number, round, partial, sums);
}

DSO_FUNCTION(work)
{
	const struct task *task = dso_argument(call, NULL);
	struct worker worker = {.number = task->number};
	struct iterate_times times = {0};

	totals_open(&worker.totals, dso_call_session(call), task->run, iterate_length(&task->job),
		    task->job.workers);
	iterate(&task->job, task->number, reduce, &worker, &times);
	totals_close(&worker.totals);
	return dso_return(call, &times, sizeof times);
}

static void run_work(const struct iterate_job *job)
{
	static struct iterate_times times[ITERATE_WORKERS_MAX];
	struct dso_thread *threads[ITERATE_WORKERS_MAX];
	struct task task = {.job = *job};
	struct totals totals;

	name_run(task.run, "iterate");
	totals_open(&totals, driver.session, task.run, iterate_length(job), job->workers);
	for (; task.number < job->workers; task.number++)
		create(work, &task, sizeof task, &threads[task.number]);
	for (uint64_t i = 0; i < job->workers; i++) {
		void *result;

		join(threads[i], &result);
		memcpy(&times[i], result, sizeof times[i]);
		free(result);
	}
	totals_close(&totals);
	iterate_print(dso_transport(driver.session), job, times);
}

/* ---- Monte Carlo ---- */

DSO_FUNCTION(shoot)
{
	uint64_t inside = monte_carlo(dso_argument(call, NULL));

	return dso_return(call, &inside, sizeof inside);
}

static uint64_t shoot_all(uint64_t points, uint64_t workers)
{
	struct dso_thread *threads[ITERATE_WORKERS_MAX];
	uint64_t inside = 0;

	for (uint64_t i = 0; i < workers; i++) {
		struct shots shots = {i, points / workers};

		create(shoot, &shots, sizeof shots, &threads[i]);
	}
	for (uint64_t i = 0; i < workers; i++) {
		void *result;

		join(threads[i], &result);
		inside += *(uint64_t *)result;
		free(result);
	}
	return inside;
}

int main(int argc, char **argv)
{
	struct view view = {0};
	struct iterate_job job = {0};
	struct monte_carlo asked;
	bool is_pi = monte_carlo_asked(argc, argv, &asked);

	dso_function_main(argc, argv);
	if (!is_pi)
		job = iterate_job(argc, argv);
	driver_open(&view, is_pi ? asked.workers : job.workers);
	if (is_pi)
		monte_carlo_run(dso_transport(driver.session), &asked, shoot_all);
	else
		run_work(&job);
	driver_close();
	return EXIT_SUCCESS;
}
