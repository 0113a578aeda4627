/* SPDX-License-Identifier: Apache-2.0 */
/* Logistic regression in functions. logistic_threads.c is the program that was ported. */
#include "logistic.h"
#include "function.h"

static _Thread_local struct totals totals;

DSO_FUNCTION(descend)
{
	const struct logistic_task *task = dso_argument(call, NULL);
	const struct logistic *job = &task->job;
	struct logistic_worker *worker = logistic_begin(job, task->worker);

	totals_open(&totals, dso_call_session(call), job->run, logistic_length(job), job->workers);
	for (uint64_t i = totals_first_round(&totals); i <= job->iterations; i++) {
		logistic_descend(worker);
		totals_reduce(&totals, task->worker, i, worker->partial, worker->sums);
		logistic_step(worker, i);
	}
	totals_close(&totals);
	return return_freed(call, logistic_end(worker), logistic_result_bytes(job));
}

int main(int argc, char **argv)
{
	struct logistic_task tasks[LOGISTIC_WORKERS_MAX];
	struct dso_thread *threads[LOGISTIC_WORKERS_MAX];
	void *results[LOGISTIC_WORKERS_MAX];
	struct view view = {0};
	struct logistic job;

	dso_function_main(argc, argv);
	logistic_take(argc, argv, &job, &view);
	driver_open(&view, job.workers);
	totals_open(&totals, driver.session, job.run, logistic_length(&job), job.workers);
	for (uint64_t i = 0; i < job.workers; i++) {
		tasks[i] = (struct logistic_task){.job = job, .worker = i};
		create(descend, &tasks[i], sizeof tasks[i], &threads[i]);
	}
	for (uint64_t i = 0; i < job.workers; i++)
		join(threads[i], &results[i]);
	print_time(&view, job.workers);
	totals_close(&totals);
	driver_close();
	return logistic_show(&job, &view, results[0]);
}
