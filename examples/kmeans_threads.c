/* SPDX-License-Identifier: Apache-2.0 */
/* k-means in threads. kmeans.c is the same program with functions. */
#include "kmeans.h"
#include "thread.h"

static struct totals totals;

static void *cluster(void *argument)
{
	const struct kmeans_task *task = argument;
	const struct kmeans *job = &task->job;
	struct kmeans_worker *worker = kmeans_begin(job, task->worker);

	for (uint64_t i = 1; i <= job->iterations; i++) {
		kmeans_assign(worker);
		totals_reduce(&totals, worker->partial, worker->sums);
		kmeans_move(worker, i);
	}
	return kmeans_end(worker);
}

int main(int argc, char **argv)
{
	struct kmeans_task tasks[KMEANS_WORKERS_MAX];
	pthread_t threads[KMEANS_WORKERS_MAX];
	void *results[KMEANS_WORKERS_MAX];
	struct view view = {0};
	struct kmeans job;

	kmeans_take(argc, argv, &job, &view);
	totals_open(&totals, kmeans_length(&job), job.workers);
	for (uint64_t i = 0; i < job.workers; i++) {
		tasks[i] = (struct kmeans_task){.job = job, .worker = i};
		create(&threads[i], cluster, &tasks[i]);
	}
	for (uint64_t i = 0; i < job.workers; i++)
		pthread_join(threads[i], &results[i]);
	print_time(&view, job.workers);
	totals_close(&totals);
	return kmeans_show(&job, &view, results[0]);
}
