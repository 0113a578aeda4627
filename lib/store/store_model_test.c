/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on a store and on a plain model of one, compared step by step. DSO_TEST_SEED
 * replays a run.
 */
#include "lib/store/store.h"
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define REGION_BYTES  (256 * 1024)
#define STEPS         50000
#define OBJECTS_MAX   40
#define OPENS_MAX     10
#define OPENERS       6
#define NAMES         48
#define ARENA_GRANULE 64
#define NAME_BYTES    48

/* An object of the model; exists while it has a name or a handle. */
struct model_object {
	int name; /* number of it, -1: deleted */
	unsigned type;
	uint32_t generation;
	uint64_t offset, length_bytes;
	uint64_t parameters[4];
	unsigned opens;
	uint8_t pattern; /* what its body was filled with */
};

struct model_open {
	struct model_object *object; /* NULL: vacant */
	uint32_t handle;
};

static struct store *store;
static struct store_opener openers[OPENERS];
static struct model_object objects[OBJECTS_MAX]; /* vacant: name -1 and no opens */
static struct model_open opens[OPENERS][OPENS_MAX];
static unsigned open_counts[OPENERS];
static unsigned notices[OPENERS]; /* that `deleted` brought in this step */
static unsigned long seed, step;
static unsigned long outcomes[WIRE_INTERNAL + 1]; /* of store_open, by status */

#define agree(condition) \
	ck_assert_msg(condition, "DSO_TEST_SEED=%lu: step %lu: %s", seed, step, #condition)

static unsigned pick(unsigned below)
{
	return (unsigned)random() % below;
}

/* ---- the model ---- */

static bool is_there(const struct model_object *object)
{
	return object->name >= 0 || object->opens > 0;
}

static struct model_object *named(int name)
{
	for (unsigned i = 0; i < OBJECTS_MAX; i++)
		if (objects[i].name == name)
			return &objects[i];
	return NULL;
}

static struct model_object *vacancy(void)
{
	for (unsigned i = 0; i < OBJECTS_MAX; i++)
		if (!is_there(&objects[i]))
			return &objects[i];
	return NULL;
}

static uint64_t used_bytes(void)
{
	uint64_t used = 0;

	for (unsigned i = 0; i < OBJECTS_MAX; i++)
		if (is_there(&objects[i]))
			used += objects[i].length_bytes;
	return used;
}

static uint64_t largest_gap(void)
{
	static bool taken[REGION_BYTES / ARENA_GRANULE];
	uint64_t run = 0, largest = 0;

	memset(taken, 0, sizeof taken);
	memset(taken, 1, LAYOUT_REGION_HEADER_BYTES / ARENA_GRANULE);
	for (unsigned i = 0; i < OBJECTS_MAX; i++)
		if (is_there(&objects[i]))
			memset(taken + objects[i].offset / ARENA_GRANULE, 1,
			       objects[i].length_bytes / ARENA_GRANULE);
	for (unsigned i = 0; i < sizeof taken; i++) {
		run = taken[i] ? 0 : run + ARENA_GRANULE;
		if (run > largest)
			largest = run;
	}
	return largest;
}

static uint64_t length_of(unsigned type, const uint64_t parameters[4])
{
	uint64_t lines = (parameters[0] + 63) / 64;

	switch (type) {
	case OBJECT_MEMORY:
		return 64 + 64 * lines;
	case OBJECT_COUNTER:
		return 64 + 64 * parameters[1];
	default:
		return 128 + 2 * (64 + 64 * lines);
	}
}

static void name_of(int number, char text[NAME_BYTES])
{
	/* Long and short ones, and prefixes of one another. */
	snprintf(text, NAME_BYTES, "%s%d", number % 2 ? "o" : "an object with a long name",
		 number / 2);
}

static uint8_t *body_of(const struct model_object *object)
{
	return (uint8_t *)store_base(store) + object->offset + LAYOUT_LINE_BYTES;
}

static void check_body(const struct model_object *object)
{
	const uint8_t *body = body_of(object);

	for (uint64_t i = 0; i < object->length_bytes - LAYOUT_LINE_BYTES; i++)
		if (body[i] != object->pattern)
			agree(body[i] == object->pattern);
}

/* ---- the steps ---- */

/* What a new object's memory must hold; then it is filled, so that a reuse that forgets to zero it,
 * or an object that overlaps it, shows. */
static void check_and_fill(struct model_object *object)
{
	const uint8_t *body = body_of(object);
	le64_t first;

	memcpy(&first, body, sizeof first);
	agree(le64_get(first) == (object->type == OBJECT_COUNTER ? object->parameters[0] : 0));
	for (uint64_t i = sizeof first; i < object->length_bytes - LAYOUT_LINE_BYTES; i++)
		if (body[i])
			agree(body[i] == 0);
	object->pattern = (uint8_t)(1 + pick(255));
	memset(body_of(object), object->pattern, object->length_bytes - LAYOUT_LINE_BYTES);
}

/* Random parameters, none without the flag, and what a new object makes of them. Returns whether
 * they are in range. */
static bool choose_parameters(unsigned type, unsigned flags, uint64_t asked[4],
			      uint64_t complete[4])
{
	static const uint64_t defaults[][4] = {
		[OBJECT_MEMORY] = {4096}, [OBJECT_COUNTER] = {0, 1}, [OBJECT_REGISTER] = {65536}};
	bool in_range = true;

	memset(asked, 0, 4 * sizeof asked[0]);
	memcpy(complete, defaults[type], sizeof defaults[type]);
	if (!(flags & CONTROL_OPEN_PARAMETERS))
		return true;
	if (type == OBJECT_COUNTER) {
		asked[0] = pick(3) ? 0 : (uint64_t)random();
		asked[1] = pick(3) ? 0 : pick(70);
		in_range = asked[1] <= 64;
	} else if (pick(4)) {
		asked[0] = pick(8) ? pick(1u << (4 + pick(12))) : UINT64_MAX - pick(100);
		in_range = asked[0] < UINT64_MAX - 100;
	}
	if (!pick(50)) {
		asked[2 + pick(2)] = 1;
		in_range = false;
	}
	for (unsigned i = 0; i < 4; i++)
		if (asked[i])
			complete[i] = asked[i];
	return in_range;
}

/* The status that the model expects, but for a full arena. */
static enum wire_status expect_open(const struct model_object *object, unsigned who, unsigned type,
				    unsigned flags, bool in_range, const uint64_t asked[4])
{
	if (open_counts[who] == OPENS_MAX)
		return WIRE_OPENS_MAX;
	if (object && object->type != type)
		return WIRE_TYPE;
	if (!object && !(flags & CONTROL_OPEN_CREATE))
		return WIRE_NOT_FOUND;
	if (!in_range)
		return WIRE_PARAMETERS;
	for (unsigned i = type == OBJECT_COUNTER; object && i < 4; i++)
		if (asked[i] && asked[i] != object->parameters[i])
			return WIRE_PARAMETERS;
	return object || vacancy() ? WIRE_OK : WIRE_OBJECTS_MAX;
}

static void add_open(unsigned who, struct model_object *object, uint32_t handle)
{
	unsigned at = 0;

	for (unsigned i = 0; i < OPENS_MAX; i++)
		agree(!opens[who][i].object || opens[who][i].handle != handle);
	while (opens[who][at].object)
		at++;
	opens[who][at] = (struct model_open){.object = object, .handle = handle};
	open_counts[who]++;
	object->opens++;
}

static void step_open(void)
{
	unsigned who = pick(OPENERS), type = 1 + pick(3), flags = pick(4);
	int number = (int)pick(NAMES);
	struct model_object *object = named(number);
	struct store_reference reference;
	uint64_t asked[4], complete[4];
	bool in_range = choose_parameters(type, flags, asked, complete);
	enum wire_status expected, status;
	char name[NAME_BYTES], detail[8]; /* too short for every sentence */

	expected = expect_open(object, who, type, flags, in_range, asked);
	name_of(number, name);
	status = store_open(&openers[who], type, name, strlen(name), flags,
			    flags & CONTROL_OPEN_PARAMETERS ? asked : NULL, &reference, detail,
			    sizeof detail);
	outcomes[status]++;
	if (status == WIRE_NO_MEMORY) {
		agree(expected == WIRE_OK && !object);
		agree(length_of(type, complete) > largest_gap());
		return;
	}
	agree(status == expected);
	if (status != WIRE_OK)
		return;
	if (!object) {
		object = vacancy();
		*object = (struct model_object){.name = number,
						.type = type,
						.generation = reference.generation,
						.offset = reference.offset,
						.length_bytes = length_of(type, complete)};
		memcpy(object->parameters, complete, sizeof complete);
		check_and_fill(object);
	}
	agree(reference.type == type && reference.generation == object->generation);
	agree(reference.offset == object->offset);
	agree(reference.length_bytes == object->length_bytes);
	agree(!memcmp(reference.parameters, object->parameters, sizeof object->parameters));
	add_open(who, object, reference.handle);
}

static void step_close(void)
{
	unsigned who = pick(OPENERS), which = pick(OPENS_MAX);
	struct model_open *open = &opens[who][which];
	/* Of a vacant entry the handle that it had last, or any number. */
	uint32_t handle = pick(20) ? open->handle : (uint32_t)random();

	for (unsigned i = 0; i < OPENS_MAX; i++)
		if (opens[who][i].object && opens[who][i].handle == handle)
			open = &opens[who][i];
	if (!open->object || open->handle != handle) {
		agree(store_close(&openers[who], handle) == WIRE_STALE);
		return;
	}
	check_body(open->object);
	agree(store_close(&openers[who], handle) == WIRE_OK);
	open->object->opens--;
	open->object = NULL;
	open_counts[who]--;
}

static bool note_deleted(struct store_opener *opener, uint32_t handle)
{
	unsigned who = (unsigned)(opener - openers);

	for (unsigned i = 0; i < OPENS_MAX; i++)
		if (opens[who][i].object && opens[who][i].handle == handle)
			notices[who]++;
	return true;
}

static void step_delete(void)
{
	int number = (int)pick(NAMES);
	struct model_object *object = named(number);
	char name[NAME_BYTES];

	name_of(number, name);
	memset(notices, 0, sizeof notices);
	agree(store_delete(store, name, strlen(name), NULL) == (object ? WIRE_OK : WIRE_NOT_FOUND));
	if (!object)
		return;
	while (store_tell(store, 1 + pick(3)))
		;
	for (unsigned who = 0; who < OPENERS; who++) {
		unsigned expected = 0;

		for (unsigned i = 0; i < OPENS_MAX; i++)
			expected += opens[who][i].object == object;
		agree(notices[who] == expected);
	}
	object->name = -1;
}

static void step_end(void)
{
	unsigned who = pick(OPENERS);

	store_opener_end(&openers[who]);
	store_opener_begin(store, &openers[who], note_deleted);
	for (unsigned i = 0; i < OPENS_MAX; i++)
		if (opens[who][i].object)
			opens[who][i].object->opens--;
	memset(opens[who], 0, sizeof opens[who]);
	open_counts[who] = 0;
}

static void step_stat(void)
{
	int number = (int)pick(NAMES);
	const struct model_object *object = named(number);
	struct store_object_stat stat;
	char name[NAME_BYTES];

	name_of(number, name);
	agree(store_stat(store, name, strlen(name), &stat) == (object ? WIRE_OK : WIRE_NOT_FOUND));
	if (!object)
		return;
	agree(stat.type == object->type && stat.generation == object->generation);
	agree(stat.offset == object->offset && stat.opens == object->opens);
	agree(!strcmp(stat.name, name));
}

/* The whole of it: every object, every handle, every byte. */
static void check_everything(void)
{
	struct store_object_stat stat;
	struct store_reference reference;
	unsigned count = 0, listed = 0;
	uint32_t cursor = 0;
	char name[NAME_BYTES];

	for (unsigned i = 0; i < OBJECTS_MAX; i++) {
		count += objects[i].name >= 0;
		if (is_there(&objects[i]))
			check_body(&objects[i]);
	}
	for (; store_next(store, &cursor, &stat); listed++) {
		unsigned at = 0;

		while (at < OBJECTS_MAX &&
		       (objects[at].name < 0 || objects[at].generation != stat.generation))
			at++;
		agree(at < OBJECTS_MAX);
		name_of(objects[at].name, name);
		agree(!strcmp(stat.name, name));
	}
	agree(listed == count);
	for (unsigned who = 0; who < OPENERS; who++) {
		count = 0;
		cursor = 0;
		while (store_opener_next(&openers[who], &cursor, &reference))
			for (unsigned i = 0; i < OPENS_MAX; i++)
				count += opens[who][i].object &&
					 opens[who][i].handle == reference.handle &&
					 opens[who][i].object->generation == reference.generation;
		agree(count == open_counts[who]);
	}
}

static void step_any(void)
{
	unsigned kind = pick(100);
	/* Long stretches of filling up, then of emptying. */
	bool fills = step / 2000 % 2 == 0;
	unsigned count = 0;

	if (kind < (fills ? 55u : 30u))
		step_open();
	else if (kind < 75)
		step_close();
	else if (kind < 90)
		step_delete();
	else if (kind < 98)
		step_stat();
	else if (!pick(4))
		step_end();
	for (unsigned i = 0; i < OBJECTS_MAX; i++)
		count += objects[i].name >= 0;
	agree(store_object_count(store) == count);
	agree(!store_clean(store, UINT64_MAX));
	agree(store_used_bytes(store) == used_bytes());
	if (step % 256 == 0)
		check_everything();
}

/* That a run was long and wild enough to see every outcome that an open may have. */
static void check_outcomes(void)
{
	static const enum wire_status possible[] = {
		WIRE_OK,        WIRE_NOT_FOUND,   WIRE_TYPE,     WIRE_PARAMETERS,
		WIRE_NO_MEMORY, WIRE_OBJECTS_MAX, WIRE_OPENS_MAX};

	for (unsigned i = 0; i < sizeof possible / sizeof possible[0]; i++)
		ck_assert_msg(outcomes[possible[i]] >= 20,
			      "DSO_TEST_SEED=%lu: status %d, %lu times", seed, possible[i],
			      outcomes[possible[i]]);
}

START_TEST(random_operations_agree_with_a_plain_model)
{
	const struct store_limits limits = {
		.region_bytes = REGION_BYTES, .objects_max = OBJECTS_MAX, .opens_max = OPENS_MAX};
	const char *given_seed = getenv("DSO_TEST_SEED");

	seed = given_seed ? strtoul(given_seed, NULL, 0) : 2004;
	srandom((unsigned)seed);
	for (unsigned i = 0; i < OBJECTS_MAX; i++)
		objects[i].name = -1;
	ck_assert_int_eq(store_new(&limits, &store), 0);
	for (unsigned who = 0; who < OPENERS; who++)
		store_opener_begin(store, &openers[who], note_deleted);
	for (step = 0; step < STEPS; step++)
		step_any();
	check_everything();
	check_outcomes();
	store_free(store);
	for (unsigned who = 0; who < OPENERS; who++)
		store_opener_end(&openers[who]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store model");
	TCase *tests = tcase_create("store model");

	tcase_add_test(tests, random_operations_agree_with_a_plain_model);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
