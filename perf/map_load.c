/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/map_load.h"
#include "perf/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct runner {
	struct map_load *load;
	pthread_t thread;
	pthread_barrier_t *barrier;
	unsigned number;
	void *handle;
	uint8_t *value;
	uint64_t random, completed, missing, load_pause_ns;
	struct histogram reads, writes;
	int failed;
	char why[256];
};

static void fill(struct runner *runner, uint64_t key)
{
	memcpy(runner->value, &key, runner->load->value_bytes < 8 ? runner->load->value_bytes : 8);
}

static void put(struct runner *runner, uint64_t key)
{
	char name[WORKLOAD_KEY_BYTES];
	unsigned bytes = workload_key(key, name);

	fill(runner, key);
	runner->failed = runner->load->store->put(runner->handle, name, bytes, runner->value,
						  runner->load->value_bytes, runner->why);
}

static void get(struct runner *runner, uint64_t key)
{
	size_t bytes = 0, expected = runner->load->value_bytes;
	char name[WORKLOAD_KEY_BYTES];
	unsigned key_bytes = workload_key(key, name);
	int r = runner->load->store->get(runner->handle, name, key_bytes, runner->value,
					 MAP_LOAD_VALUE_MAX, &bytes, runner->why);

	runner->missing += r == 1;
	runner->failed = r == 1 ? 0 : r;
	if (r == 0 &&
	    (bytes != expected || memcmp(runner->value, &key, expected < 8 ? expected : 8) != 0)) {
		snprintf(runner->why, sizeof runner->why, "key %s has a wrong value", name);
		runner->failed = -1;
	}
}

static void load_keys(struct runner *runner)
{
	struct map_load *load = runner->load;

	for (uint64_t key = runner->number; key < load->workload.keys; key += load->threads) {
		int64_t begin_ns = clock_ns();
		uint64_t took_ns;

		put(runner, key);
		if (runner->failed || stopped())
			return;
		took_ns = (uint64_t)(clock_ns() - begin_ns);
		if (took_ns > runner->load_pause_ns)
			runner->load_pause_ns = took_ns;
	}
}

static void step(struct runner *runner)
{
	uint64_t key;
	enum workload_operation operation =
		workload_next(&runner->load->workload, &runner->random, &key);
	int64_t begin_ns = clock_ns();

	if (operation == WORKLOAD_READ || operation == WORKLOAD_MODIFY)
		get(runner, key);
	if (operation != WORKLOAD_READ && !runner->failed)
		put(runner, key);
	histogram_add(operation == WORKLOAD_READ ? &runner->reads : &runner->writes,
		      (uint64_t)(clock_ns() - begin_ns) * 1000);
	runner->completed++;
}

static void *run(void *argument)
{
	struct runner *runner = argument;
	struct map_load *load = runner->load;
	int64_t until_ns;

	runner->failed =
		load->store->open(load->context, runner->number, &runner->handle, runner->why);
	pthread_barrier_wait(runner->barrier);
	if (!runner->failed)
		load_keys(runner);
	pthread_barrier_wait(runner->barrier);
	until_ns = clock_ns() + load->duration_ns;
	while (!runner->failed && !stopped() && clock_ns() < until_ns)
		step(runner);
	if (runner->failed)
		atomic_store(&run_stopped, true);
	pthread_barrier_wait(runner->barrier);
	if (runner->handle)
		load->store->close(runner->handle);
	return NULL;
}

static int collect(struct map_load *load, struct runner *runners)
{
	int r = 0;

	for (unsigned i = 0; i < load->threads; i++) {
		struct runner *runner = &runners[i];

		if (runner->failed && r == 0)
			memcpy(load->why, runner->why, sizeof load->why);
		r = r || runner->failed ? -1 : 0;
		histogram_merge(&load->reads, &runner->reads);
		histogram_merge(&load->writes, &runner->writes);
		load->completed += runner->completed;
		load->missing += runner->missing;
		if (runner->load_pause_ns > load->load_pause_ns)
			load->load_pause_ns = runner->load_pause_ns;
		free(runner->value);
	}
	return r;
}

/* The clock of the phases is that of the calling thread, which meets the others between them. */
static void time_phases(struct map_load *load, pthread_barrier_t *barrier)
{
	int64_t begin_ns, loaded_ns, ended_ns;

	pthread_barrier_wait(barrier);
	begin_ns = clock_ns();
	pthread_barrier_wait(barrier);
	loaded_ns = clock_ns();
	pthread_barrier_wait(barrier);
	ended_ns = clock_ns();
	load->load_rate = (double)load->workload.keys * 1e9 / (double)(loaded_ns - begin_ns);
	load->rate = 1e9 / (double)(ended_ns - loaded_ns);
}

int map_load_run(struct map_load *load)
{
	struct runner *runners = calloc(load->threads, sizeof *runners);
	pthread_barrier_t barrier;
	int r;

	if (!runners || pthread_barrier_init(&barrier, NULL, load->threads + 1)) {
		free(runners);
		snprintf(load->why, sizeof load->why, "out of memory");
		return -1;
	}
	for (unsigned i = 0; i < load->threads; i++) {
		runners[i] = (struct runner){.load = load, .number = i, .barrier = &barrier};
		runners[i].random = i * UINT64_C(0x9e3779b97f4a7c15) + 1;
		runners[i].value = calloc(1, MAP_LOAD_VALUE_MAX);
		if (!runners[i].value ||
		    pthread_create(&runners[i].thread, NULL, run, &runners[i])) {
			/* Those that were started wait for the others for ever. */
			fprintf(stderr, "cannot start %u threads\n", load->threads);
			exit(EXIT_FAILURE);
		}
	}
	time_phases(load, &barrier);
	for (unsigned i = 0; i < load->threads; i++)
		pthread_join(runners[i].thread, NULL);
	r = collect(load, runners);
	load->rate *= (double)load->completed;
	pthread_barrier_destroy(&barrier);
	free(runners);
	return r;
}
