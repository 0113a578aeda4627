/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map over an embedded store, from inside: a session stands still before each of its operations
 * while another one does something, or ends there. What comes of it has to be what some order of
 * the two would have made, and the map has to be whole.
 */
#include "lib/objects/map_snapshot.h"
#include "lib/objects/steered_test.h"
#include "lib/objects/stride.h"
#include "lib/objects/word.h"
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define OTHERS 8 /* entries beside the one that it is about */

/* ---- a session that stands still or ends ---- */

/* What it does when it stands still; NULL: it ends. */
static void (*pause_act)(void);

static int stop_at_limit(struct steered *steered, const struct op *op)
{
	(void)op;
	if (steered->executed < steered->limit)
		return 0;
	if (!pause_act)
		return -ENOTCONN;
	steered->limit = UINT64_MAX;
	pause_act();
	return 0;
}

static struct dso_map *begin(void)
{
	struct dso_session *session = steered_open("embedded:map");
	struct dso_map *map;

	steered_of(session)->before = stop_at_limit;
	ck_assert_msg(dso_map_open(session, "m", NULL, &map) == 0, "%s", dso_error(session));
	return map;
}

static struct steered *steered_in(struct dso_map *map)
{
	return steered_of(map->object.session);
}

static void end(struct dso_map *map)
{
	struct dso_session *session = map->object.session;

	dso_map_close(map);
	dso_close(session);
}

/* The session ends without giving anything back, and the sweep takes it out of the members. */
static void die(struct dso_map *map)
{
	struct dso_session *session = map->object.session;
	uint64_t members = map->object.parameters[MAP_PARAMETER_MEMBERS];

	steered_in(map)->limit = UINT64_MAX;
	space_lose(&map->space);
	map->later_count = 0;
	for (uint64_t i = 0; i < members; i++) {
		uint64_t word, before, offset = MAP_MEMBERS_OFFSET + 8 * i;

		ck_assert_int_eq(word_load(&map->object, offset, &word), 0);
		if (owned_word_owner(word) == session->owner)
			ck_assert_int_eq(word_cas(&map->object, offset, word,
						  owned_word_without_owner(word) | OWNED_DIED,
						  &before),
					 0);
	}
	object_close(&map->object);
	dso_close(session);
}

/* ---- what sessions do, and what it makes of the entry ---- */

enum verb { NOTHING, INSERT, PUT, REPLACE, REMOVE, SPLIT, GET, VERBS };

struct act {
	enum verb verb;
	bool is_large; /* the value lies in a block */
};

/* The entry: whose value it has, 0 where it is absent. */
struct model {
	unsigned value;
};

enum { BEFORE = 1, MINE = 2, THEIRS = 3 }; /* values */

static const char key[] = "the key";
static uint64_t version_before;

static size_t value_of(uint8_t *value, unsigned who, bool is_large)
{
	size_t length = is_large ? 200 : 8;

	memset(value, (int)who, length);
	return length;
}

static int get(struct dso_map *map, unsigned *ret_value)
{
	uint8_t value[200];
	size_t length;
	int r = dso_map_get(map, key, sizeof key, value, sizeof value, &length, NULL);

	*ret_value = 0;
	if (r)
		return r == -ENOENT ? 0 : r;
	ck_assert(length == 8 || length == 200);
	for (size_t i = 1; i < length; i++)
		ck_assert_uint_eq(value[i], value[0]);
	*ret_value = value[0];
	return 0;
}

/* GET: 0 or what it has found. */
static int do_it(struct dso_map *map, const struct act *act, unsigned who)
{
	uint8_t value[200];
	size_t length = value_of(value, who, act->is_large);
	unsigned found;
	int r;

	switch (act->verb) {
	case INSERT:
		return dso_map_put_if_absent(map, key, sizeof key, value, length, NULL);
	case PUT:
		return dso_map_put(map, key, sizeof key, value, length, NULL);
	case REPLACE:
		return dso_map_replace(map, key, sizeof key, version_before, value, length, NULL);
	case REMOVE:
		return dso_map_remove(map, key, sizeof key);
	case SPLIT:
		return map_split(map, map_key(map, key, sizeof key).hash);
	case GET:
		r = get(map, &found);
		return r ? r : (int)found;
	default:
		return 0;
	}
}

/* The same of the model. */
static int model_it(struct model *model, const struct act *act, unsigned who)
{
	unsigned before = model->value;

	switch (act->verb) {
	case INSERT:
		if (before)
			return -EEXIST;
		model->value = who;
		return 0;
	case PUT:
		model->value = who;
		return 0;
	case REPLACE:
		if (before == BEFORE)
			model->value = who;
		return before == BEFORE ? 0 : before ? -EAGAIN : -ENOENT;
	case REMOVE:
		model->value = 0;
		return before ? 0 : -ENOENT;
	case GET:
		return (int)before;
	default:
		return 0;
	}
}

/* ---- what must hold ---- */

static void prepare(struct dso_map *map, const struct act *before)
{
	for (unsigned i = 0; i < OTHERS; i++)
		ck_assert_int_eq(dso_map_put(map, &i, sizeof i,
					     "a value that may be long for a cell", i % 2 ? 35 : 4,
					     NULL),
				 0);
	version_before = 0;
	if (before->verb == PUT) {
		uint8_t value[200];
		size_t length = value_of(value, BEFORE, before->is_large);

		ck_assert_int_eq(dso_map_put(map, key, sizeof key, value, length, &version_before),
				 0);
	}
}

/* Nobody else has the map open. */
static void verify_count(struct dso_map *map, uint64_t entries)
{
	struct map_report report;

	space_close(&map->space);
	ck_assert_int_eq(map_check(map, &report), 0);
	ck_assert_uint_eq(report.entries, entries);
	ck_assert_uint_eq(report.damaged, 0);
	ck_assert_uint_eq(report.misplaced, 0);
	ck_assert_uint_eq(report.doubled, 0);
	ck_assert_uint_eq(report.space.unreferenced_blocks, 0);
	ck_assert_uint_eq(report.space.uncounted_spans, 0);
	ck_assert_uint_eq(report.space.leased_spans, 0);
	ck_assert_uint_eq(report.space.broken_pages, 0);
}

static void verify(struct dso_map *map, bool is_there)
{
	verify_count(map, OTHERS + is_there);
}

static void delete_map(struct dso_session *keeper)
{
	ck_assert_int_eq(dso_object_delete(keeper, "m"), 0);
}

/* ---- a session stands still while another one acts ---- */

static struct dso_map *rival;
static struct act rival_acts[2];
static int rival_results[2];

static void rival_acts_now(void)
{
	for (unsigned i = 0; i < 2; i++)
		rival_results[i] = do_it(rival, &rival_acts[i], THEIRS);
}

/* Whether mine, before or after some of theirs, makes of the entry what was seen. */
static bool explains(const struct act *before, const struct act *mine, int result, unsigned value)
{
	for (unsigned place = 0; place < 3; place++) {
		struct model model = {before->verb == PUT ? BEFORE : 0};
		bool fits = true;

		for (unsigned i = 0; i < 3; i++) {
			if (i == place)
				fits &= model_it(&model, mine, MINE) == result;
			if (i < 2)
				fits &= model_it(&model, &rival_acts[i], THEIRS) ==
					rival_results[i];
		}
		if (fits && model.value == value)
			return true;
	}
	return false;
}

static bool pause_at(struct dso_session *keeper, const struct act *before, const struct act *mine,
		     uint64_t limit)
{
	struct dso_map *map = begin();
	unsigned value;
	bool was_paused;
	int result;

	rival = begin();
	prepare(map, before);
	steered_in(map)->executed = 0;
	steered_in(map)->limit = limit;
	pause_act = rival_acts_now;
	result = do_it(map, mine, MINE);
	was_paused = steered_in(map)->limit == UINT64_MAX;
	steered_in(map)->limit = UINT64_MAX;
	if (!was_paused)
		rival_acts_now();
	ck_assert_int_eq(get(rival, &value), 0);
	ck_assert_msg(explains(before, mine, result, value),
		      "before %d %d; %d %d before its operation %ju: %d; theirs %d: %d, %d: %d; "
		      "in the end %u",
		      before->verb, before->is_large, mine->verb, mine->is_large, (uintmax_t)limit,
		      result, rival_acts[0].verb, rival_results[0], rival_acts[1].verb,
		      rival_results[1], value);
	end(map);
	verify(rival, value != 0);
	end(rival);
	delete_map(keeper);
	return was_paused;
}

static const struct act befores[] = {{NOTHING, false}, {PUT, false}, {PUT, true}};
static const struct act acts[] = {{INSERT, false}, {INSERT, true},  {PUT, false},   {PUT, true},
				  {REPLACE, true}, {REMOVE, false}, {SPLIT, false}, {GET, false}};
static const struct act theirs[][2] = {
	{{INSERT, false}},
	{{INSERT, true}},
	{{PUT, false}},
	{{PUT, true}},
	{{REMOVE, false}},
	{{SPLIT, false}},
	{{REPLACE, true}},
	{{REMOVE, false}, {INSERT, true}},
	{{PUT, false}, {PUT, false}},
	{{SPLIT, false}, {PUT, true}},
	{{SPLIT, false}, {REMOVE, false}},
	{{SPLIT, false}, {SPLIT, false}},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

START_TEST(a_session_that_stands_still_before_any_operation_finds_its_way)
{
	struct dso_session *keeper;
	uint64_t runs = 0;

	ck_assert_int_eq(dso_open("embedded:map", NULL, &keeper), 0);
	for (unsigned b = 0; b < COUNT(befores); b++)
		for (unsigned a = 0; a < COUNT(acts); a++) {
			/* A split has many operations, which are alike. */
			uint64_t stride = acts[a].verb == SPLIT ? 9 + (unsigned)_i % 3 : 1;

			memcpy(rival_acts, theirs[_i], sizeof rival_acts);
			for (uint64_t limit = 0; pause_at(keeper, &befores[b], &acts[a], limit);
			     limit += stride * step_stride())
				runs++;
		}
	printf("# %ju runs\n", (uintmax_t)runs);
	dso_close(keeper);
}
END_TEST

/* ---- a session ends ---- */

/* It goes on, and neither half is in the middle of one then. A new segment may be FRESH until a
 * writer comes to it, so one comes to each half. */
static void verify_split(struct dso_map *map)
{
	uint64_t hash = map_key(map, key, sizeof key).hash, word;

	for (unsigned half = 0; half < 2; half++)
		ck_assert_int_eq(map_split(map, hash ^ half), 0);
	for (unsigned half = 0; half < 2; half++) {
		const struct map_segment *segment = map_segment_of(map, hash ^ half);

		ck_assert_int_eq(map_load(map, segment->offset + MAP_SEGMENT_WORD_OFFSET, &word),
				 0);
		ck_assert_int_eq(map_segment_state(word), MAP_STABLE);
	}
}

static bool die_at(struct dso_session *keeper, const struct act *before, const struct act *mine,
		   uint64_t limit)
{
	struct dso_map *map = begin(), *survivor;
	struct model was = {before->verb == PUT ? BEFORE : 0}, is = was;
	unsigned value;
	uint32_t lease;
	bool ended;

	prepare(map, before);
	model_it(&is, mine, MINE);
	pause_act = NULL;
	steered_in(map)->executed = 0;
	steered_in(map)->limit = limit;
	do_it(map, mine, MINE);
	ended = steered_in(map)->executed == limit;
	die(map);

	survivor = begin();
	ck_assert_int_eq(get(survivor, &value), 0);
	ck_assert(value == was.value || value == is.value);
	ck_assert_int_eq(space_lease(&survivor->space, &lease), 0);
	verify(survivor, value != 0);
	/* And everything goes on: the split, too. */
	verify_split(survivor);
	ck_assert_int_eq(do_it(survivor, &(struct act){PUT, true}, THEIRS), 0);
	verify(survivor, true);
	end(survivor);
	delete_map(keeper);
	return ended;
}

START_TEST(a_session_that_ends_before_any_operation_leaves_a_whole_map)
{
	const struct act *mine = &acts[_i];
	struct dso_session *keeper;
	uint64_t runs = 0;

	ck_assert_int_eq(dso_open("embedded:map", NULL, &keeper), 0);
	for (unsigned b = 0; b < COUNT(befores); b++)
		for (uint64_t limit = 0; die_at(keeper, &befores[b], mine, limit);
		     limit += (mine->verb == SPLIT ? 3 : 1) * step_stride())
			runs++;
	printf("# %ju runs\n", (uintmax_t)runs);
	dso_close(keeper);
}
END_TEST

/* ---- a put without a look ---- */

/* What @map remembers of the key: the slot of @shown, which is at the same place for both keys. */
static void mislead(struct dso_map *map, const struct map_key *mine, const struct map_key *shown)
{
	struct map_look *look = &map->looks[0];
	unsigned place = 0;

	ck_assert_int_eq(map_look_for(map, shown->bytes, shown->length, true), 0);
	place = mine->bucket[1] == shown->bucket[look->side];
	ck_assert_uint_eq(mine->bucket[place], shown->bucket[look->side]);
	map_remember(map, mine, place, look->index, look->slot, look->block.state + 16);
}

/* A key that goes to a bucket of @of in an empty map. */
static uint64_t find_rival_key(struct dso_map *map, const struct map_key *of)
{
	for (uint64_t i = OTHERS;; i++) {
		struct map_key one = map_key(map, &i, sizeof i);

		if (one.fingerprint == of->fingerprint &&
		    (one.bucket[0] == of->bucket[0] || one.bucket[0] == of->bucket[1]))
			return i;
	}
}

static void put_mine(struct dso_map *map)
{
	uint8_t value[200];
	unsigned found;

	ck_assert_int_eq(
		dso_map_put(map, key, sizeof key, value, value_of(value, MINE, true), NULL), 0);
	ck_assert_int_eq(get(map, &found), 0);
	ck_assert_uint_eq(found, MINE);
}

START_TEST(a_put_without_a_look_frees_the_block_that_it_has_replaced)
{
	struct dso_map *map = begin();
	struct map_key mine = map_key(map, key, sizeof key);

	prepare(map, &(struct act){PUT, true});
	mislead(map, &mine, &mine);
	put_mine(map);
	verify(map, true);
	end(map);
}
END_TEST

START_TEST(a_put_without_a_look_leaves_the_entry_of_another_key_in_the_same_slot)
{
	struct dso_map *map = begin();
	struct map_key mine = map_key(map, key, sizeof key), other;
	uint64_t rival_key = find_rival_key(map, &mine);
	uint8_t value[200];
	size_t length;

	ck_assert_int_eq(dso_map_put(map, &rival_key, sizeof rival_key, value,
				     value_of(value, THEIRS, true), NULL),
			 0);
	prepare(map, &(struct act){NOTHING, false});
	other = map_key(map, &rival_key, sizeof rival_key);
	mislead(map, &mine, &other);
	put_mine(map);
	ck_assert_int_eq(
		dso_map_get(map, &rival_key, sizeof rival_key, value, sizeof value, &length, NULL),
		0);
	ck_assert(length == 200 && value[0] == THEIRS);
	ck_assert_int_eq(dso_map_remove(map, &rival_key, sizeof rival_key), 0);
	verify(map, true);
	end(map);
}
END_TEST

/* ---- a put of many that splits ---- */

#define CROWD        32 /* keys with the same two buckets, which have room for half of them */
#define BEFORE_CROWD 14 /* of them were put before */

static uint64_t crowd[CROWD];

static void give_seed(struct dso_map *map)
{
	const uint64_t seed = 4711;
	uint64_t before;

	ck_assert_int_eq(word_load(&map->object, MAP_SEED_OFFSET, &before), 0);
	ck_assert_int_eq(word_cas(&map->object, MAP_SEED_OFFSET, before, seed, &before), 0);
	map->seed = seed;
}

static void find_crowd(const struct dso_map *map)
{
	struct map_key first = map_key(map, crowd, sizeof *crowd);
	unsigned count = 1;

	for (uint64_t i = 1; count < CROWD; i++) {
		struct map_key key_ = map_key(map, &i, sizeof i);

		if (memcmp(key_.bucket, first.bucket, sizeof first.bucket) == 0)
			crowd[count++] = i;
	}
}

static int put_crowd(struct dso_map *map, unsigned from, unsigned to)
{
	static uint8_t value[200];
	struct dso_map_item items[CROWD];

	for (unsigned i = from; i < to; i++)
		items[i] = (struct dso_map_item){.key = &crowd[i],
						 .key_bytes = sizeof crowd[i],
						 .value = value,
						 .value_bytes = sizeof value};
	return dso_map_put_many(map, items + from, to - from);
}

static uint64_t bytes_used(struct dso_session *keeper)
{
	struct dso_server_stat stat;

	ck_assert_int_eq(dso_server_stat(keeper, &stat), 0);
	return stat.region_used_bytes;
}

static bool die_in_crowd(struct dso_session *keeper, uint64_t limit)
{
	struct dso_map *map = begin(), *survivor;
	struct map_report report;
	uint32_t lease;
	bool ended;

	give_seed(map);
	if (crowd[CROWD - 1] == 0)
		find_crowd(map);
	ck_assert_int_eq(put_crowd(map, 0, BEFORE_CROWD), 0);
	pause_act = NULL;
	steered_in(map)->executed = 0;
	steered_in(map)->limit = limit;
	put_crowd(map, BEFORE_CROWD, CROWD);
	ended = steered_in(map)->executed == limit;
	die(map);

	survivor = begin();
	ck_assert_int_eq(space_lease(&survivor->space, &lease), 0);
	space_close(&survivor->space);
	ck_assert_int_eq(map_check(survivor, &report), 0);
	ck_assert_uint_ge(report.entries, BEFORE_CROWD);
	verify_count(survivor, report.entries);
	ck_assert_int_eq(put_crowd(survivor, 0, CROWD), 0);
	verify_count(survivor, CROWD);
	end(survivor);
	delete_map(keeper);
	return ended;
}

START_TEST(a_session_that_ends_while_its_put_of_many_splits_leaves_no_block_behind)
{
	struct dso_session *keeper;
	uint64_t used, runs = 0;

	ck_assert_int_eq(dso_open("embedded:map", NULL, &keeper), 0);
	used = bytes_used(keeper);
	for (uint64_t limit = 0; die_in_crowd(keeper, limit); limit += 3 * step_stride(), runs++)
		ck_assert_uint_eq(bytes_used(keeper), used);
	printf("# %ju runs\n", (uintmax_t)runs);
	dso_close(keeper);
}
END_TEST

/* The segments of a map that the crowd is put into, so many at once. */
static uint64_t segments_by(unsigned many, struct dso_session *keeper)
{
	struct dso_map *map = begin();
	struct map_report report;

	give_seed(map);
	if (crowd[CROWD - 1] == 0)
		find_crowd(map);
	for (unsigned i = 0; i < CROWD; i += many)
		ck_assert_int_eq(put_crowd(map, i, i + many), 0);
	ck_assert_int_eq(map_check(map, &report), 0);
	ck_assert_uint_eq(report.entries, CROWD);
	end(map);
	delete_map(keeper);
	return report.segments;
}

START_TEST(a_put_of_many_splits_no_more_than_puts_of_one_key_do)
{
	struct dso_session *keeper;

	ck_assert_int_eq(dso_open("embedded:map", NULL, &keeper), 0);
	ck_assert_uint_eq(segments_by(CROWD, keeper), segments_by(1, keeper));
	dso_close(keeper);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("map");
	TCase *tests = tcase_create("map");

	tcase_add_loop_test(tests, a_session_that_ends_before_any_operation_leaves_a_whole_map, 0,
			    (int)COUNT(acts));
	tcase_add_loop_test(tests, a_session_that_stands_still_before_any_operation_finds_its_way,
			    0, (int)COUNT(theirs));
	tcase_add_test(tests,
		       a_session_that_ends_while_its_put_of_many_splits_leaves_no_block_behind);
	tcase_add_test(tests, a_put_of_many_splits_no_more_than_puts_of_one_key_do);
	tcase_add_test(tests, a_put_without_a_look_frees_the_block_that_it_has_replaced);
	tcase_add_test(tests,
		       a_put_without_a_look_leaves_the_entry_of_another_key_in_the_same_slot);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
