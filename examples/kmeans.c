/* SPDX-License-Identifier: Apache-2.0 */
/* k-means in functions. kmeans_threads.c is the program that was ported. */
#include "kmeans.h"
#include "function.h"

static _Thread_local struct totals totals;

DSO_FUNCTION(cluster)
{
	const struct kmeans_task *task = dso_argument(call, NULL);
	const struct kmeans *job = &task->job;
	struct kmeans_worker *worker = kmeans_begin(job, task->worker);

	totals_open(&totals, dso_call_session(call), job->run, kmeans_length(job), job->workers);
	for (uint64_t i = totals_first_round(&totals); i <= job->iterations; i++) {
		kmeans_assign(worker);
		totals_reduce(&totals, task->worker, i, worker->partial, worker->sums);
		kmeans_move(worker, i);
	}
	totals_close(&totals);
	return return_freed(call, kmeans_end(worker), kmeans_result_bytes(job));
}

int main(int argc, char **argv)
{
	struct kmeans_task tasks[KMEANS_WORKERS_MAX];
	struct dso_thread *threads[KMEANS_WORKERS_MAX];
	void *results[KMEANS_WORKERS_MAX];
	struct view view = {0};
	struct kmeans job;

	dso_function_main(argc, argv);
	kmeans_take(argc, argv, &job, &view);
	driver_open(&view, job.workers);
	totals_open(&totals, driver.session, job.run, kmeans_length(&job), job.workers);
	for (uint64_t i = 0; i < job.workers; i++) {
		tasks[i] = (struct kmeans_task){.job = job, .worker = i};
		create(cluster, &tasks[i], sizeof tasks[i], &threads[i]);
	}
	for (uint64_t i = 0; i < job.workers; i++)
		join(threads[i], &results[i]);
	print_time(&view, job.workers);
	totals_close(&totals);
	driver_close();
	return kmeans_show(&job, &view, results[0]);
}
