/* SPDX-License-Identifier: Apache-2.0 */
/* Logistic regression in threads. logistic.c is the same program with functions. */
#include "logistic.h"
#include "thread.h"

static struct totals totals;

static void *descend(void *argument)
{
	const struct logistic_task *task = argument;
	const struct logistic *job = &task->job;
	struct logistic_worker *worker = logistic_begin(job, task->worker);

	for (uint64_t i = 1; i <= job->iterations; i++) {
		logistic_descend(worker);
		totals_reduce(&totals, worker->partial, worker->sums);
		logistic_step(worker, i);
	}
	return logistic_end(worker);
}

int main(int argc, char **argv)
{
	struct logistic_task tasks[LOGISTIC_WORKERS_MAX];
	pthread_t threads[LOGISTIC_WORKERS_MAX];
	void *results[LOGISTIC_WORKERS_MAX];
	struct view view = {0};
	struct logistic job;

	logistic_take(argc, argv, &job, &view);
	totals_open(&totals, logistic_length(&job), job.workers);
	for (uint64_t i = 0; i < job.workers; i++) {
		tasks[i] = (struct logistic_task){.job = job, .worker = i};
		create(&threads[i], descend, &tasks[i]);
	}
	for (uint64_t i = 0; i < job.workers; i++)
		pthread_join(threads[i], &results[i]);
	print_time(&view, job.workers);
	totals_close(&totals);
	return logistic_show(&job, &view, results[0]);
}
