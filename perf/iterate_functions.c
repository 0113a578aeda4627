/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iterate-functions WORK POINTS ITERATIONS WORKERS: perf/iterate.h in functions, over the transport
 * of the session. iterate-functions pi POINTS WORKERS: Monte Carlo, alone and in functions.
 */
#include "perf/iterate.h"

#include "examples/function.h"
#include "perf/clock.h"

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

struct shot {
	uint64_t seed, points;
};

static uint64_t count_inside(const struct shot *shot)
{
	uint64_t inside = 0;

	for (uint64_t i = 0; i < shot->points; i++) {
		double x = draw_unit(shot->seed, 2 * i), y = draw_unit(shot->seed, 2 * i + 1);

		inside += x * x + y * y < 1;
	}
	return inside;
}

DSO_FUNCTION(shoot)
{
	uint64_t inside = count_inside(dso_argument(call, NULL));

	return dso_return(call, &inside, sizeof inside);
}

static uint64_t shoot_all(uint64_t points, uint64_t workers)
{
	struct dso_thread *threads[ITERATE_WORKERS_MAX];
	uint64_t inside = 0;

	for (uint64_t i = 0; i < workers; i++) {
		struct shot shot = {i, points / workers};

		create(shoot, &shot, sizeof shot, &threads[i]);
	}
	for (uint64_t i = 0; i < workers; i++) {
		void *result;

		join(threads[i], &result);
		inside += *(uint64_t *)result;
		free(result);
	}
	return inside;
}

#define PI_ROUNDS 7

static int by_time(const void *left, const void *right)
{
	const int64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* The shots of one worker alone take as long as those of each worker should. Both are timed in
 * turns; the medians count. */
static void run_pi(uint64_t points, uint64_t workers)
{
	int64_t begin_ns, alone_ns[PI_ROUNDS], together_ns[PI_ROUNDS];
	struct shot shot = {0, points / workers};
	volatile uint64_t alone; /* so that it is computed */
	uint64_t inside = 0;

	shoot_all(workers, workers); /* so that all workers serve */
	for (unsigned i = 0; i < PI_ROUNDS; i++) {
		begin_ns = clock_ns();
		inside = shoot_all(points, workers);
		together_ns[i] = clock_ns() - begin_ns;
		begin_ns = clock_ns();
		alone = count_inside(&shot);
		(void)alone;
		alone_ns[i] = clock_ns() - begin_ns;
	}
	qsort(alone_ns, PI_ROUNDS, sizeof *alone_ns, by_time);
	qsort(together_ns, PI_ROUNDS, sizeof *together_ns, by_time);
	printf("{\"system\":\"%s\",\"work\":\"pi\",\"efficiency\":%.4f,\"pi\":%.6f}\n",
	       dso_transport(driver.session),
	       (double)alone_ns[PI_ROUNDS / 2] / (double)together_ns[PI_ROUNDS / 2],
	       4 * (double)inside / (double)points);
}

int main(int argc, char **argv)
{
	struct view view = {0};
	struct iterate_job job = {0};
	bool is_pi = argc == 4 && strcmp(argv[1], "pi") == 0;

	dso_function_main(argc, argv);
	if (!is_pi)
		job = iterate_job(argc, argv);
	driver_open(&view, is_pi ? strtoull(argv[3], NULL, 10) : job.workers);
	if (is_pi)
		run_pi(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
	else
		run_work(&job);
	driver_close();
	return EXIT_SUCCESS;
}
