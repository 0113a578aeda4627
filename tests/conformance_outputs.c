/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs: those that are not wanted are NULL, and those of a call that failed are as they were. */
#include "proto/lists.h"
#include "tests/conformance.h"

#include <errno.h>
#include <string.h>

static struct dso_session *session;

static void setup(void)
{
	session = conformance_open();
}

static void teardown(void)
{
	dso_close(session);
}

START_TEST(of_a_session)
{
	struct dso_figure figures[DSO_FIGURES_MAX];
	struct dso_counter *counter;
	struct dso_completion completion;
	const char *name = conformance_name();

	OK(session, dso_ping(session, NULL));
	OK(session, dso_server_stat(session, NULL));
	OK(session, dso_transport_stat(session, figures, DSO_FIGURES_MAX, NULL));
	OK(session, dso_transport_stat(session, NULL, 0, NULL));
	OK(session, dso_counter_open(session, name, NULL, &counter));
	OK(session, dso_object_stat(session, name, NULL));
	OK(session, dso_counter_add_submit(counter, 1, 0));
	OK(session, dso_reap(session, &completion, 1, DSO_FOREVER, NULL));
	ck_assert_uint_gt(dso_transports(session, NULL, 0), 0);
}
END_TEST

START_TEST(of_values)
{
	struct dso_counter *counter;
	struct dso_register *reg;
	struct dso_memory *memory;
	char text[4];

	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	OK(session, dso_counter_add(counter, 1, NULL));
	OK(session, dso_counter_get(counter, NULL));
	OK(session, dso_counter_exchange(counter, 1, NULL));
	OK(session, dso_counter_cas(counter, 1, 2, NULL));
	OK(session, dso_counter_wait(counter, 2, DSO_NOWAIT, NULL));
	OK(session, dso_counter_wait_change(counter, 1, DSO_NOWAIT, NULL));
	OK(session, dso_register_open(session, conformance_name(), NULL, &reg));
	OK(session, dso_register_set(reg, "text", 4, NULL));
	OK(session, dso_register_get(reg, text, sizeof text, NULL, NULL));
	ck_assert_int_eq(dso_register_get(reg, text, 1, NULL, NULL), -EMSGSIZE);
	OK(session, dso_register_set_if_version(reg, 1, "more", 4, NULL));
	ck_assert_int_eq(dso_register_set_if_version(reg, 1, "x", 1, NULL), -EAGAIN);
	OK(session, dso_register_exchange(reg, "x", 1, text, sizeof text, NULL, NULL));
	OK(session, dso_register_wait(reg, 0, text, sizeof text, DSO_NOWAIT, NULL, NULL));
	OK(session, dso_register_version(reg, NULL));
	OK(session, dso_register_size(reg, NULL));
	OK(session, dso_memory_open(session, conformance_name(), NULL, &memory));
	OK(session, dso_memory_cas(memory, 0, 0, 1, NULL));
	OK(session, dso_memory_fetch_add(memory, 0, 1, NULL));
	OK(session, dso_memory_wake(memory, 0, 1, NULL));
	OK(session, dso_memory_wake(memory, 0, UINT32_MAX, NULL));
}
END_TEST

START_TEST(of_collections)
{
	struct dso_map *map;
	struct dso_set *set;
	char text[4];

	OK(session, dso_map_open(session, conformance_name(), NULL, &map));
	OK(session, dso_map_put(map, "key", 3, "text", 4, NULL));
	OK(session, dso_map_get(map, "key", 3, text, sizeof text, NULL, NULL));
	ck_assert_int_eq(dso_map_get(map, "key", 3, text, 1, NULL, NULL), -EMSGSIZE);
	OK(session, dso_map_wait(map, "key", 3, 0, text, sizeof text, DSO_NOWAIT, NULL, NULL));
	ck_assert_int_eq(dso_map_put_if_absent(map, "key", 3, "x", 1, NULL), -EEXIST);
	ck_assert_int_eq(dso_map_replace(map, "key", 3, 1, "x", 1, NULL), -EAGAIN);
	OK(session, dso_map_merge(map, "key", 3, DSO_APPEND, "x", 1, NULL));
	OK(session, dso_map_contains(map, "key", 3, NULL));
	OK(session, dso_map_size(map, NULL));
	OK(session, dso_set_open(session, conformance_name(), NULL, &set));
	OK(session, dso_set_add(set, "key", 3, NULL));
	OK(session, dso_set_contains(set, "key", 3, NULL));
	OK(session, dso_set_remove(set, "key", 3, NULL));
	OK(session, dso_set_size(set, NULL));
}
END_TEST

START_TEST(of_an_aggregator)
{
	const struct dso_aggregator_params one = {.length = 1, .contributors = 1};
	struct dso_aggregator *aggregator;
	double value = 1;

	OK(session, dso_aggregator_open(session, conformance_name(), &one, &aggregator));
	OK(session, dso_aggregator_stat(aggregator, NULL, NULL, NULL));
	OK(session,
	   dso_aggregator_contribute(aggregator, 0, &value, sizeof value, 0, DSO_FOREVER, NULL));
	OK(session,
	   dso_aggregator_round_wait(aggregator, 1, &value, sizeof value, DSO_FOREVER, NULL));
	OK(session, dso_aggregator_get(aggregator, &value, sizeof value, NULL, NULL));
	OK(session,
	   dso_aggregator_reduce_wait(aggregator, 1, &value, sizeof value, DSO_FOREVER, NULL));
	OK(session, dso_aggregator_all_reduce(aggregator, 0, &value, sizeof value, 0, &value,
					      DSO_FOREVER, NULL));
	OK(session,
	   dso_aggregator_contribute(aggregator, 0, &value, sizeof value, 0, DSO_FOREVER, NULL));
	ck_assert_int_eq(dso_aggregator_finish(aggregator, 1, NULL), -EALREADY);
}
END_TEST

START_TEST(of_what_blocks)
{
	const struct dso_semaphore_params permits = {.permits = 2};
	const struct dso_barrier_params parties = {.parties = 1};
	const struct dso_latch_params count = {.count = 1};
	struct dso_mutex *mutex;
	struct dso_semaphore *semaphore;
	struct dso_barrier *barrier;
	struct dso_latch *latch;
	struct dso_once *once;
	struct dso_future *future;
	char text[4];

	OK(session, dso_mutex_open(session, conformance_name(), NULL, &mutex));
	OK(session, dso_mutex_lock(mutex, DSO_NOWAIT, NULL));
	OK(session, dso_mutex_holder(mutex, NULL, NULL));
	OK(session, dso_semaphore_open(session, conformance_name(), &permits, &semaphore));
	OK(session, dso_semaphore_available(semaphore, NULL));
	OK(session, dso_barrier_open(session, conformance_name(), &parties, &barrier));
	OK(session, dso_barrier_wait(barrier, DSO_NOWAIT, NULL));
	OK(session, dso_barrier_stat(barrier, NULL, NULL, NULL));
	OK(session, dso_latch_open(session, conformance_name(), &count, &latch));
	OK(session, dso_latch_count(latch, NULL));
	OK(session, dso_latch_count_down(latch, 1, NULL));
	OK(session, dso_once_open(session, conformance_name(), NULL, &once));
	OK(session, dso_once_begin(once, DSO_NOWAIT, NULL));
	OK(session, dso_future_open(session, conformance_name(), NULL, &future));
	OK(session, dso_future_set(future, "text", 4));
	OK(session, dso_future_get(future, text, sizeof text, DSO_NOWAIT, NULL));
	ck_assert_int_eq(dso_future_get(future, NULL, 0, DSO_NOWAIT, NULL), -EMSGSIZE);
	OK(session, dso_future_is_done(future, NULL));
}
END_TEST

START_TEST(without_a_place_for_the_handle_nothing_is_opened)
{
	const char *name = conformance_name();
	struct dso_counter *counter;

	ck_assert_int_eq(dso_open(dso_url(session), NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_counter_open(session, NULL, NULL, &counter), -EINVAL);
#define X(NAME, type, number)                                                    \
	ck_assert_int_eq(dso_##type##_open(session, name, NULL, NULL), -EINVAL); \
	ck_assert_ptr_nonnull(strstr(dso_error(session), "nowhere to put the handle"));
	OBJECT_TYPES(X)
#undef X
	ck_assert_int_eq(dso_object_stat(session, name, NULL), -ENOENT);
}
END_TEST

/* ---- what failed has touched no output ---- */

static union {
	uint8_t bytes[4096];
	uint32_t n;
	int64_t count;
	uint64_t word;
	size_t length;
	int flag;
	void *handle;
	struct dso_stat stat;
	struct dso_session *session;
} out;

#define UNTOUCHED(call, error)                                                               \
	do {                                                                                 \
		int untouched;                                                               \
		memset(&out, 0x5a, sizeof out);                                              \
		untouched = (call);                                                          \
		ck_assert_msg(untouched == (error), "%s: %d, %s", #call, untouched,          \
			      dso_error(session));                                           \
		for (size_t byte = 0; byte < sizeof out; byte++)                             \
			ck_assert_msg(out.bytes[byte] == 0x5a, "%s: byte %zu", #call, byte); \
	} while (0)

/* Open one, delete it, and call what has outputs. */
#define STALE(type, params)                                                    \
	({                                                                     \
		const char *name = conformance_name();                         \
		struct dso_##type *stale;                                      \
		OK(session, dso_##type##_open(session, name, params, &stale)); \
		OK(session, dso_object_delete(session, name));                 \
		stale;                                                         \
	})

START_TEST(of_values_that_were_deleted)
{
	struct dso_counter *counter = STALE(counter, NULL);
	struct dso_register *reg = STALE(register, NULL);
	struct dso_memory *memory = STALE(memory, NULL);
	char text[4];

	UNTOUCHED(dso_counter_add(counter, 1, &out.count), -ESTALE);
	UNTOUCHED(dso_counter_get(counter, &out.count), -ESTALE);
	UNTOUCHED(dso_counter_exchange(counter, 1, &out.count), -ESTALE);
	UNTOUCHED(dso_counter_cas(counter, 0, 1, &out.count), -ESTALE);
	UNTOUCHED(dso_counter_wait(counter, 1, DSO_FOREVER, &out.count), -ESTALE);
	UNTOUCHED(dso_counter_wait_change(counter, 0, DSO_FOREVER, &out.count), -ESTALE);
	UNTOUCHED(dso_register_get(reg, text, 4, &out.length, &out.word), -ESTALE);
	UNTOUCHED(dso_register_set(reg, "x", 1, &out.word), -ESTALE);
	UNTOUCHED(dso_register_set_if_version(reg, 0, "x", 1, &out.word), -ESTALE);
	UNTOUCHED(dso_register_exchange(reg, "x", 1, text, 4, &out.length, &out.word), -ESTALE);
	UNTOUCHED(dso_register_wait(reg, 0, text, 4, DSO_FOREVER, &out.length, &out.word), -ESTALE);
	UNTOUCHED(dso_register_version(reg, &out.word), -ESTALE);
	UNTOUCHED(dso_register_size(reg, &out.length), -ESTALE);
	UNTOUCHED(dso_memory_cas(memory, 0, 0, 1, &out.word), -ESTALE);
	UNTOUCHED(dso_memory_cas(memory, 4, 0, 1, &out.word), -EINVAL);
	UNTOUCHED(dso_memory_fetch_add(memory, 0, 1, &out.word), -ESTALE);
	UNTOUCHED(dso_memory_wake(memory, 1 << 20, 1, &out.n), -ERANGE);
}
END_TEST

START_TEST(of_collections_that_were_deleted)
{
	struct dso_map *map = STALE(map, NULL);
	struct dso_set *set = STALE(set, NULL);
	struct dso_queue *queue = STALE(queue, NULL);

	UNTOUCHED(dso_map_get(map, "k", 1, out.bytes, 4, &out.length, &out.word), -ESTALE);
	UNTOUCHED(dso_map_wait(map, "k", 1, 0, out.bytes, 4, DSO_FOREVER, &out.length, &out.word),
		  -ESTALE);
	UNTOUCHED(dso_map_put(map, "k", 1, "v", 1, &out.word), -ESTALE);
	UNTOUCHED(dso_map_put_if_absent(map, "k", 1, "v", 1, &out.word), -ESTALE);
	UNTOUCHED(dso_map_replace(map, "k", 1, 1, "v", 1, &out.word), -ESTALE);
	UNTOUCHED(dso_map_merge(map, "k", 1, DSO_APPEND, "v", 1, &out.word), -ESTALE);
	UNTOUCHED(dso_map_contains(map, "k", 1, &out.flag), -ESTALE);
	UNTOUCHED(dso_map_size(map, &out.word), -ESTALE);
	UNTOUCHED(dso_set_add(set, "k", 1, &out.flag), -ESTALE);
	UNTOUCHED(dso_set_remove(set, "k", 1, &out.flag), -ESTALE);
	UNTOUCHED(dso_set_contains(set, "k", 1, &out.flag), -ESTALE);
	UNTOUCHED(dso_set_size(set, &out.word), -ESTALE);
	UNTOUCHED(dso_queue_pop(queue, out.bytes, 224, DSO_FOREVER, &out.length), -ESTALE);
	UNTOUCHED(dso_queue_length(queue, &out.word), -ESTALE);
}
END_TEST

START_TEST(of_an_aggregator_that_was_deleted)
{
	const struct dso_aggregator_params one = {.length = 1, .contributors = 1};
	struct dso_aggregator *aggregator = STALE(aggregator, &one);
	double value = 1;

	UNTOUCHED(dso_aggregator_contribute(aggregator, 0, &value, sizeof value, 0, DSO_FOREVER,
					    &out.word),
		  -ESTALE);
	UNTOUCHED(dso_aggregator_contribute(aggregator, 1, &value, sizeof value, 0, DSO_FOREVER,
					    &out.word),
		  -EINVAL);
	UNTOUCHED(dso_aggregator_contribute(aggregator, 0, &value, 4, 0, DSO_FOREVER, &out.word),
		  -EMSGSIZE);
	UNTOUCHED(dso_aggregator_round_wait(aggregator, 1, out.bytes, sizeof value, DSO_FOREVER,
					    &out.n),
		  -ESTALE);
	UNTOUCHED(dso_aggregator_reduce_wait(aggregator, 1, out.bytes, sizeof value, DSO_FOREVER,
					     &out.n),
		  -ESTALE);
	UNTOUCHED(dso_aggregator_all_reduce(aggregator, 0, &value, sizeof value, 0, out.bytes,
					    DSO_FOREVER, &out.word),
		  -ESTALE);
	UNTOUCHED(dso_aggregator_get(aggregator, out.bytes, sizeof value, &out.word, NULL),
		  -ESTALE);
	UNTOUCHED(dso_aggregator_finish(aggregator, 0, &out.word), -ESTALE);
	UNTOUCHED(dso_aggregator_stat(aggregator, &out.word, NULL, NULL), -ESTALE);
}
END_TEST

START_TEST(of_a_session_where_nothing_is_found)
{
	struct dso_register *reg;
	char text[4];

	UNTOUCHED(dso_open("nowhere:", NULL, &out.session), -EINVAL);
	UNTOUCHED(dso_counter_open(session, "", NULL, (void *)&out.handle), -EINVAL);
	UNTOUCHED(dso_delete_prefix(session, "", &out.word), -EINVAL);
	UNTOUCHED(dso_object_stat(session, conformance_name(), &out.stat), -ENOENT);
	OK(session, dso_register_open(session, conformance_name(), NULL, &reg));
	OK(session, dso_register_set(reg, "text", 4, NULL));
	/* A value that never fits is not the one that does not fit in the buffer. */
	UNTOUCHED(dso_register_exchange(reg, text, (64 << 10) + 1, text, 4, &out.length, &out.word),
		  -EMSGSIZE);
	UNTOUCHED(dso_register_set_if_version(reg, 1, text, (64 << 10) + 1, &out.word), -EMSGSIZE);
}
END_TEST

/* ---- inputs that are not there ---- */

START_TEST(no_handle_is_closed_without_harm)
{
	dso_close(NULL);
#define X(NAME, type, number) dso_##type##_close(NULL);
	OBJECT_TYPES(X)
#undef X
	OK(session, dso_ping(session, NULL));
}
END_TEST

START_TEST(a_buffer_that_is_not_there_has_no_bytes)
{
	struct dso_register *reg;
	size_t length = 9;

	OK(session, dso_register_open(session, conformance_name(), NULL, &reg));
	OK(session, dso_register_get(reg, NULL, 100, &length, NULL));
	ck_assert_uint_eq(length, 0);
	OK(session, dso_register_set(reg, "text", 4, NULL));
	ck_assert_int_eq(dso_register_get(reg, NULL, 100, &length, NULL), -EMSGSIZE);
	ck_assert_uint_eq(length, 4);
	ck_assert_int_eq(dso_register_exchange(reg, "x", 1, NULL, 100, &length, NULL), -EMSGSIZE);
	ck_assert_uint_eq(length, 4);
}
END_TEST

START_TEST(no_name_is_an_empty_one_and_no_sentence_too)
{
	const char *name = conformance_name();
	struct dso_future *future;
	struct dso_stat stat;
	char text[8];

	ck_assert_int_eq(dso_object_delete(session, NULL), -EINVAL);
	ck_assert_int_eq(dso_object_delete(session, ""), -EINVAL);
	ck_assert_int_eq(dso_delete_prefix(session, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_object_stat(session, NULL, &stat), -EINVAL);
	OK(session, dso_future_open(session, name, NULL, &future));
	OK(session, dso_future_set_error(future, NULL));
	ck_assert_int_eq(dso_future_get(future, text, sizeof text, DSO_FOREVER, NULL), -EREMOTEIO);
}
END_TEST

Suite *conformance_outputs_suite(void)
{
	Suite *suite = suite_create("outputs");
	TCase *tcase = tcase_create("outputs");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, of_a_session);
	tcase_add_test(tcase, of_values);
	tcase_add_test(tcase, of_collections);
	tcase_add_test(tcase, of_an_aggregator);
	tcase_add_test(tcase, of_what_blocks);
	tcase_add_test(tcase, of_values_that_were_deleted);
	tcase_add_test(tcase, of_collections_that_were_deleted);
	tcase_add_test(tcase, of_an_aggregator_that_was_deleted);
	tcase_add_test(tcase, of_a_session_where_nothing_is_found);
	tcase_add_test(tcase, no_handle_is_closed_without_harm);
	tcase_add_test(tcase, a_buffer_that_is_not_there_has_no_bytes);
	tcase_add_test(tcase, without_a_place_for_the_handle_nothing_is_opened);
	tcase_add_test(tcase, no_name_is_an_empty_one_and_no_sentence_too);
	suite_add_tcase(suite, tcase);
	return suite;
}
