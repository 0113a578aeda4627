/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that load a store of values by keys and run a workload on it: our maps, and peers. */
#ifndef PERF_MAP_LOAD_H
#define PERF_MAP_LOAD_H

#include "perf/histogram.h"
#include "perf/workload.h"

#include <stddef.h>

#define MAP_LOAD_VALUE_MAX (1 << 20)

/* A store. Each thread has a handle of its own. Functions return 0, or another number after writing
 * why to @why. */
struct map_store {
	int (*open)(void *context, unsigned thread, void **ret_handle, char why[static 256]);
	void (*close)(void *handle);
	/* The value, of which there is room for @room bytes. 1: there is no such key. */
	int (*get)(void *handle, const char *key, size_t key_bytes, void *value, size_t room,
		   size_t *ret_bytes, char why[static 256]);
	int (*put)(void *handle, const char *key, size_t key_bytes, const void *value,
		   size_t value_bytes, char why[static 256]);
};

struct map_load {
	const struct map_store *store;
	void *context;
	struct workload workload;
	size_t value_bytes;
	unsigned threads;
	int64_t duration_ns;
	/* the results, in ps and a second */
	struct histogram reads, writes;
	uint64_t completed, missing;
	double rate, load_rate;
	uint64_t load_pause_ns; /* the longest put while it was loaded */
	char why[256];
};

/* Load all keys, and run the workload. Returns 0, or -1 with load->why. */
int map_load_run(struct map_load *load);

#endif
