/* SPDX-License-Identifier: Apache-2.0 */
/* A random forest in threads. forest.c is the same program with functions. */
#include "forest.h"
#include "thread.h"

static struct tree *trees[FOREST_TREES_MAX];

static void *train(void *argument)
{
	const struct forest_task *task = argument;

	trees[task->number] = forest_grow(task);
	return NULL;
}

static void *classify(void *argument)
{
	const struct forest_task *task = argument;
	size_t bytes;

	return forest_classify(task, trees, &bytes);
}

int main(int argc, char **argv)
{
	static struct forest_task tasks[FOREST_TREES_MAX];
	pthread_t threads[FOREST_TREES_MAX];
	void *parts[FOREST_PARTS_MAX];
	struct view view = {0};
	struct forest job;

	forest_take(argc, argv, &job, &view);
	for (uint64_t i = 0; i < job.trees; i++) {
		tasks[i] = (struct forest_task){.job = job, .number = i};
		create(&threads[i], train, &tasks[i]);
	}
	for (uint64_t i = 0; i < job.trees; i++) {
		pthread_join(threads[i], NULL);
		forest_print(&job, i);
	}
	for (uint64_t i = 0; i < job.parts; i++) {
		tasks[i] = (struct forest_task){.job = job, .number = i};
		create(&threads[i], classify, &tasks[i]);
	}
	for (uint64_t i = 0; i < job.parts; i++)
		pthread_join(threads[i], &parts[i]);
	print_time(&view, job.workers);
	return forest_show(&job, &view, parts);
}
