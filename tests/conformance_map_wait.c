/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a key of a map. */
#include "tests/await.h"
#include "tests/conformance_map.h"
#include "tests/conformance_party.h"

#include <pthread.h>
#include <stdatomic.h>

struct waiting {
	pthread_t thread;
	struct dso_session *session;
	struct dso_map *map;
	const char *key;
	uint64_t seen, version;
	size_t length;
	char text[16];
	int result;
	_Atomic bool done;
};

static void *wait_in_thread(void *argument)
{
	struct waiting *waiting = argument;

	waiting->result = dso_map_wait(waiting->map, waiting->key, strlen(waiting->key),
				       waiting->seen, waiting->text, sizeof waiting->text,
				       HANG_TIMEOUT, &waiting->length, &waiting->version);
	waiting->done = true;
	return NULL;
}

/* It has parked when this returns. */
static void begin(struct waiting *waiting, const char *key, uint64_t seen)
{
	uint64_t before = conformance_parked();

	*waiting =
		(struct waiting){.session = conformance_open_another(), .key = key, .seen = seen};
	waiting->map = map_in(waiting->session);
	ck_assert_int_eq(pthread_create(&waiting->thread, NULL, wait_in_thread, waiting), 0);
	conformance_until_parked(before + 1);
}

static void end(struct waiting *waiting, int result)
{
	pthread_join(waiting->thread, NULL);
	ck_assert_int_eq(waiting->result, result);
	dso_close(waiting->session);
}

static void end_with(struct waiting *waiting, const char *text)
{
	pthread_join(waiting->thread, NULL);
	OK(waiting->session, waiting->result);
	ck_assert_uint_eq(waiting->length, strlen(text));
	ck_assert(memcmp(waiting->text, text, strlen(text)) == 0);
	dso_close(waiting->session);
}

static int put(struct dso_map *map, const char *key, const char *value)
{
	return dso_map_put(map, key, strlen(key), value, strlen(value), NULL);
}

START_TEST(an_entry_that_is_there_is_not_waited_for)
{
	struct dso_map *map = map_in(session);
	uint64_t version = 99, put_as;
	size_t length = 99;
	char text[8];

	ck_assert_int_eq(dso_map_wait(map, "key", 3, 0, text, 8, DSO_NOWAIT, &length, &version),
			 -ETIMEDOUT);
	ck_assert(length == 99 && version == 99);
	OK(session, dso_map_put(map, "key", 3, "text", 4, &put_as));
	OK(session, dso_map_wait(map, "key", 3, 0, text, 8, DSO_NOWAIT, &length, &version));
	ck_assert(length == 4 && version == put_as && !memcmp(text, "text", 4));
	OK(session, dso_map_wait(map, "key", 3, put_as + 1, text, 8, DSO_NOWAIT, NULL, NULL));
	ck_assert_int_eq(dso_map_wait(map, "key", 3, put_as, text, 8, DSO_MILLISECOND, NULL, NULL),
			 -ETIMEDOUT);
	ck_assert_int_eq(dso_map_wait(map, "key", 3, 0, text, 3, DSO_NOWAIT, &length, NULL),
			 -EMSGSIZE);
	ck_assert_uint_eq(length, 4);
	ck_assert_int_eq(dso_map_wait(map, "key", 3, 0, text, 8, -2, NULL, NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "timeout is -2 ns"));
	ck_assert_int_eq(dso_map_wait(map, "key", 1025, 0, text, 8, DSO_FOREVER, NULL, NULL),
			 -EINVAL);
}
END_TEST

START_TEST(a_put_ends_the_wait_for_its_key_and_no_other)
{
	struct dso_map *map = map_in(session);
	struct waiting one, two;

	begin(&one, "one", 0);
	begin(&two, "two", 0);
	OK(session, put(map, "one", "1"));
	end_with(&one, "1");
	/* The other one was woken in vain, and waits again. */
	conformance_until_parked(1);
	ck_assert(!two.done);
	OK(session, put(map, "two", "2"));
	end_with(&two, "2");
	ck_assert_uint_eq(conformance_parked(), 0);
}
END_TEST

/* Each way to write an entry, over one that is there. */
START_TEST(every_way_to_write_an_entry_ends_a_wait_for_another_version)
{
	struct dso_map *map = map_in(session);
	struct dso_map_item item = {
		.key = "key", .key_bytes = 3, .value = (char[]){"many"}, .value_bytes = 4};
	struct waiting waiting;
	uint64_t version;

	begin(&waiting, "key", 0);
	OK(session, dso_map_put_if_absent(map, "key", 3, "absent", 6, &version));
	end_with(&waiting, "absent");
	begin(&waiting, "key", version);
	OK(session, dso_map_replace(map, "key", 3, version, "replaced", 8, &version));
	end_with(&waiting, "replaced");
	begin(&waiting, "key", version);
	OK(session, dso_map_merge(map, "key", 3, DSO_APPEND, "+", 1, &version));
	end_with(&waiting, "replaced+");
	begin(&waiting, "key", version);
	OK(session, dso_map_put_many(map, &item, 1));
	end_with(&waiting, "many");
	begin(&waiting, "key", item.version);
	OK(session, dso_map_remove(map, "key", 3));
	ck_assert(!waiting.done);
	OK(session, dso_map_put(map, "key", 3, "anew", 4, NULL));
	end_with(&waiting, "anew");
}
END_TEST

START_TEST(a_wait_lasts_through_splits)
{
	struct dso_map *map = map_in(session);
	struct waiting waiting;

	begin(&waiting, "key", 0);
	for (uint32_t key = 0; key < 1500; key++)
		OK(session, put_number(map, key, 0));
	ck_assert(!waiting.done);
	OK(session, put(map, "key", "late"));
	end_with(&waiting, "late");
}
END_TEST

START_TEST(a_wait_is_interrupted_and_ends_with_the_map)
{
	struct waiting waiting;

	map_in(session);
	begin(&waiting, "key", 0);
	dso_interrupt(waiting.session);
	end(&waiting, -ECANCELED);
	begin(&waiting, "key", 0);
	OK(session, dso_object_delete(session, name));
	end(&waiting, -ESTALE);
}
END_TEST

#define ROUNDS 100
#define TURNS  3

/* Each waits for the entry that the one before puts. */
static void put_in_turn(struct party *party)
{
	struct dso_map *map = map_in(party->session);

	for (uint32_t key = party->number; key < ROUNDS; key += TURNS) {
		uint32_t before = key - 1;

		if (key)
			OK(party->session, dso_map_wait(map, &before, sizeof before, 0, NULL, 0,
							HANG_TIMEOUT, NULL, NULL));
		OK(party->session, dso_map_put(map, &key, sizeof key, NULL, 0, NULL));
	}
	dso_map_close(map);
}

START_TEST(no_entry_of_many_is_missed)
{
	struct dso_map *map = map_in(session);

	parties_run(TURNS, put_in_turn);
	ck_assert_uint_eq(size_of(map), ROUNDS);
}
END_TEST

TCase *conformance_map_wait(void)
{
	TCase *tests = tcase_create("waiting for a key");

	tcase_set_timeout(tests, 240);
	tcase_add_checked_fixture(tests, pair_begin, pair_end);
	tcase_add_test(tests, an_entry_that_is_there_is_not_waited_for);
	tcase_add_test(tests, a_put_ends_the_wait_for_its_key_and_no_other);
	tcase_add_test(tests, every_way_to_write_an_entry_ends_a_wait_for_another_version);
	tcase_add_test(tests, a_wait_lasts_through_splits);
	tcase_add_test(tests, a_wait_is_interrupted_and_ends_with_the_map);
	tcase_add_test(tests, no_entry_of_many_is_missed);
	return tests;
}
