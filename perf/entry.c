/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/entry.h"
#include "perf/clock.h"
#include "perf/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 16
#define IN_A_ROW  256 /* keys of a round */
#define IN_SAMPLE 16  /* operations that a sample is the mean of */

/* A row of the report. */
enum entry_row {
	ENTRY_READ,     /* of as many bytes, to compare with */
	ENTRY_GET_COLD, /* by a handle that has not seen the entry */
	ENTRY_GET_SEEN, /* by one that has */
	ENTRY_PUT_COLD, /* over the value that is there, likewise */
	ENTRY_PUT_SEEN,
	ENTRY_ROWS
};

static const struct row rows[] = {
	[ENTRY_READ] = {"read", "READ", ENTRY_READ, 1, true},
	[ENTRY_GET_COLD] = {"get-cold", "get, cold", ENTRY_READ, 1, true},
	[ENTRY_GET_SEEN] = {"get-seen", "get, seen", ENTRY_READ, 1, true},
	[ENTRY_PUT_COLD] = {"put-cold", "put, cold", ENTRY_READ, 1, true},
	[ENTRY_PUT_SEEN] = {"put-seen", "put, seen", ENTRY_READ, 1, true},
};

struct entries {
	struct worker *worker;
	struct dso_memory *memory;
	struct dso_map *map;
	char memory_name[80], map_name[80];
	size_t value_bytes;
	uint8_t *value;
	unsigned first; /* key of the round */
	struct figures *figures;
};

static size_t key_of(unsigned number, char key[static KEY_BYTES + 1])
{
	return (size_t)snprintf(key, KEY_BYTES + 1, "key%013u", number);
}

static int read_one(struct entries *entries, unsigned number)
{
	(void)number;
	return dso_memory_read(entries->memory, 0, entries->value, entries->value_bytes);
}

static int get_one(struct entries *entries, unsigned number)
{
	char key[KEY_BYTES + 1];
	size_t length;
	int r = dso_map_get(entries->map, key, key_of(number, key), entries->value,
			    entries->value_bytes, &length, NULL);

	if (r == 0 && (length != entries->value_bytes ||
		       (length && entries->value[length - 1] != (uint8_t)number)))
		return worker_wrong(entries->worker, "the value of %s is another one's", key);
	return r;
}

static int put_one(struct entries *entries, unsigned number)
{
	char key[KEY_BYTES + 1];

	memset(entries->value, (uint8_t)number, entries->value_bytes);
	return dso_map_put(entries->map, key, key_of(number, key), entries->value,
			   entries->value_bytes, NULL);
}

/* Over shm one operation is hardly longer than a look at the clock. */
static int sample(struct entries *entries, enum entry_row row, unsigned first,
		  int (*one)(struct entries *entries, unsigned number))
{
	int64_t begin_ns = clock_ns();
	int r = 0;

	for (unsigned i = 0; r == 0 && i < IN_SAMPLE; i++)
		r = one(entries, first + i);
	histogram_add(&entries->figures->latencies[row],
		      (uint64_t)(clock_ns() - begin_ns) * 1000 / IN_SAMPLE);
	return r;
}

static int in_a_row(struct entries *entries, enum entry_row row,
		    int (*one)(struct entries *entries, unsigned number))
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < IN_A_ROW; i += IN_SAMPLE)
		r = sample(entries, row, entries->first + i, one);
	return r;
}

/* With a handle that has seen no entry. */
static int begin_cold(struct entries *entries)
{
	dso_map_close(entries->map);
	entries->map = NULL;
	return dso_map_open(entries->worker->session, entries->map_name, NULL, &entries->map);
}

static int turn(struct entries *entries)
{
	int r = in_a_row(entries, ENTRY_READ, read_one);

	if (r == 0)
		r = begin_cold(entries);
	if (r == 0)
		r = in_a_row(entries, ENTRY_GET_COLD, get_one);
	if (r == 0)
		r = in_a_row(entries, ENTRY_GET_SEEN, get_one);
	if (r == 0)
		r = begin_cold(entries);
	if (r == 0)
		r = in_a_row(entries, ENTRY_PUT_COLD, put_one);
	if (r == 0)
		r = in_a_row(entries, ENTRY_PUT_SEEN, put_one);
	entries->first = (entries->first + IN_A_ROW) % ENTRY_KEYS; /* of which it is a part */
	return r;
}

static int open_and_load(struct entries *entries)
{
	struct dso_session *session = entries->worker->session;
	struct dso_memory_params params = {.size_bytes = entries->value_bytes};
	int r = entries->value ? begin_cold(entries) : -ENOMEM;

	/* Memory has one byte at least. */
	if (params.size_bytes == 0)
		params.size_bytes = 1;
	if (r == 0)
		r = dso_memory_open(session, entries->memory_name, &params, &entries->memory);
	for (unsigned number = 0; r == 0 && number < ENTRY_KEYS; number++)
		r = put_one(entries, number);
	return r;
}

int measure_entry(struct run *run, struct worker *worker)
{
	static struct figures figures;
	struct entries entries = {.worker = worker,
				  .value_bytes = run->settings.item_bytes,
				  .value = malloc(run->settings.item_bytes + 1),
				  .figures = &figures};
	int64_t begin_ns;
	int r;

	snprintf(entries.memory_name, sizeof entries.memory_name, "%s.read", run->object);
	snprintf(entries.map_name, sizeof entries.map_name, "%s.map", run->object);
	r = open_and_load(&entries);
	begin_ns = clock_ns();
	while (r == 0 && !stopped() && clock_ns() - begin_ns < run->settings.duration_ns) {
		r = turn(&entries);
		report_progress(begin_ns, run->settings.duration_ns);
	}
	if (r && !*worker->error)
		worker_fail(worker, r);
	run->figures = &figures;
	dso_map_close(entries.map);
	dso_memory_close(entries.memory);
	dso_object_delete(worker->session, entries.map_name);
	dso_object_delete(worker->session, entries.memory_name);
	free(entries.value);
	return r;
}

void report_entry(const struct run *run, uint64_t errors)
{
	report_rows(run, "entry", rows, ENTRY_ROWS, "every value is its key's", errors);
}
