/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/map.h"
#include "perf/map_load.h"
#include "perf/map_row.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct handle {
	struct worker worker;
	struct dso_map *map;
};

static struct map_load load; /* too large for a stack */
static uint64_t memory_bytes;

static int explain(struct handle *handle, char why[static 256])
{
	snprintf(why, 256, "%s", dso_error(handle->worker.session));
	return -1;
}

static void map_name(const struct run *run, char name[static 80])
{
	snprintf(name, 80, "%s.map", run->object);
}

static int store_open(void *context, unsigned thread, void **ret_handle, char why[static 256])
{
	const struct run *run = context;
	struct handle *handle = calloc(1, sizeof *handle);
	char name[80];

	if (!handle) {
		snprintf(why, 256, "out of memory");
		return -1;
	}
	*ret_handle = handle;
	map_name(run, name);
	if (worker_open(&handle->worker, &run->settings, run->url, run->object, run->patterns,
			thread)) {
		snprintf(why, 256, "%.255s", handle->worker.error);
		return -1;
	}
	return dso_map_open(handle->worker.session, name, NULL, &handle->map) ? explain(handle, why)
									      : 0;
}

static void store_close(void *at)
{
	struct handle *handle = at;

	dso_map_close(handle->map);
	worker_close(&handle->worker);
	free(handle);
}

static int store_get(void *at, const char *key, size_t key_bytes, void *value, size_t room,
		     size_t *ret_bytes, char why[static 256])
{
	struct handle *handle = at;
	int r = dso_map_get(handle->map, key, key_bytes, value, room, ret_bytes, NULL);

	return r == -ENOENT ? 1 : r ? explain(handle, why) : 0;
}

static int store_put(void *at, const char *key, size_t key_bytes, const void *value,
		     size_t value_bytes, char why[static 256])
{
	struct handle *handle = at;

	return dso_map_put(handle->map, key, key_bytes, value, value_bytes, NULL)
		       ? explain(handle, why)
		       : 0;
}

static const struct map_store store = {store_open, store_close, store_get, store_put};

int measure_map(struct run *run, struct worker *worker)
{
	const struct settings *settings = &run->settings;
	struct dso_server_stat before, after;
	char name[80];
	int r = dso_server_stat(worker->session, &before);

	load = (struct map_load){.store = &store,
				 .context = run,
				 .value_bytes = settings->item_bytes,
				 .threads = (unsigned)settings->sessions,
				 .duration_ns = settings->duration_ns};
	workload_begin(&load.workload, settings->workload, settings->is_uniform, settings->keys);
	if (r)
		return worker_fail(worker, r);
	if (map_load_run(&load))
		return worker_wrong(worker, "%s", load.why);
	r = dso_server_stat(worker->session, &after);
	memory_bytes = r ? 0 : after.region_used_bytes - before.region_used_bytes;
	run->completed = load.completed;
	map_name(run, name);
	dso_object_delete(worker->session, name);
	return 0;
}

void report_map(const struct run *run, uint64_t errors)
{
	if (errors)
		return;
	if (run->settings.json)
		map_row_print_json(run->transport, &load, memory_bytes);
	else
		map_row_print_text(run->transport, &load, memory_bytes);
}
