/* SPDX-License-Identifier: Apache-2.0 */
/* A random forest in functions. forest_threads.c is the program that was ported. */
#include "forest.h"
#include "function.h"

/* Trees are values of a shared map, by their numbers. */
static _Thread_local struct dso_map *trees;

static void open_trees(struct dso_session *session, const char *run)
{
	struct dso_map_params params = {.ephemeral = DSO_EPHEMERAL};

	must(session, dso_map_open(session, run, &params, &trees));
}

DSO_FUNCTION(train)
{
	const struct forest_task *task = dso_argument(call, NULL);
	struct tree *tree = forest_grow(task);

	open_trees(dso_call_session(call), task->job.run);
	must(dso_call_session(call),
	     dso_map_put(trees, &task->number, sizeof task->number, tree, tree_bytes(tree), NULL));
	dso_map_close(trees);
	free(tree);
	return 0;
}

DSO_FUNCTION(classify)
{
	const struct forest_task *task = dso_argument(call, NULL);
	struct tree *copies[FOREST_TREES_MAX];
	size_t bytes;
	uint8_t *labels;

	open_trees(dso_call_session(call), task->job.run);
	for (uint64_t i = 0; i < task->job.trees; i++) {
		copies[i] = provide(1, sizeof *copies[i]);
		must(dso_call_session(call),
		     dso_map_get(trees, &i, sizeof i, copies[i], sizeof *copies[i], &bytes, NULL));
		if (!tree_is_whole(copies[i], bytes, task))
			return dso_fail(call, -EBADMSG, "what lies there is no tree");
	}
	dso_map_close(trees);
	labels = forest_classify(task, copies, &bytes);
	for (uint64_t i = 0; i < task->job.trees; i++)
		free(copies[i]);
	return return_freed(call, labels, bytes);
}

int main(int argc, char **argv)
{
	static struct forest_task tasks[FOREST_TREES_MAX];
	struct dso_thread *threads[FOREST_TREES_MAX];
	void *parts[FOREST_PARTS_MAX];
	struct view view = {0};
	struct forest job;

	dso_function_main(argc, argv);
	forest_take(argc, argv, &job, &view);
	driver_open(&view, job.workers);
	open_trees(driver.session, job.run);
	for (uint64_t i = 0; i < job.trees; i++) {
		tasks[i] = (struct forest_task){.job = job, .number = i};
		create(train, &tasks[i], sizeof tasks[i], &threads[i]);
	}
	for (uint64_t i = 0; i < job.trees; i++) {
		join(threads[i], NULL);
		forest_print(&job, i);
	}
	for (uint64_t i = 0; i < job.parts; i++) {
		tasks[i] = (struct forest_task){.job = job, .number = i};
		create(classify, &tasks[i], sizeof tasks[i], &threads[i]);
	}
	for (uint64_t i = 0; i < job.parts; i++)
		join(threads[i], &parts[i]);
	print_time(&view, job.workers);
	driver_close();
	return forest_show(&job, &view, parts);
}
