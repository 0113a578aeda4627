/* SPDX-License-Identifier: Apache-2.0 */
/* What a call that failed has left as it was, and which of two errors it tells. */
#include "proto/layout.h"
#include "proto/lists.h"
#include "tests/conformance_map.h"

#include <errno.h>
#include <string.h>

#define SIZE 4096

/* What is refused at once is not outstanding. */
static void nothing_is_outstanding(void)
{
	struct dso_completion completion;
	size_t count = 1;

	OK(session, dso_reap(session, &completion, 1, DSO_FOREVER, &count));
	ck_assert_uint_eq(count, 0);
}

START_TEST(submitted_operations_do_not_leave_their_object)
{
	const struct dso_memory_params params = {.size_bytes = SIZE};
	static const uint64_t outside[] = {SIZE - 7,       SIZE,       SIZE + 8,  UINT64_MAX - 8,
					   UINT64_MAX - 7, UINT64_MAX, 1ULL << 63};
	static uint8_t long_bytes[DSO_SUBMIT_BYTES_MAX + 1];
	struct dso_memory *memory;
	uint8_t bytes[16] = {0};

	OK(session, dso_memory_open(session, conformance_name(), &params, &memory));
	for (unsigned i = 0; i < sizeof outside / sizeof *outside; i++) {
		uint64_t at = outside[i];

		ck_assert_int_eq(dso_memory_read_submit(memory, at, bytes, 8, 0), -ERANGE);
		ck_assert_int_eq(dso_memory_write_submit(memory, at, bytes, 8, 0), -ERANGE);
		ck_assert_int_eq(dso_memory_fetch_add_submit(memory, at, 1, 0), -ERANGE);
		ck_assert_int_eq(dso_memory_cas_submit(memory, at, 0, 1, 0), -ERANGE);
		ck_assert_int_eq(dso_memory_read(memory, at, bytes, 8), -ERANGE);
		ck_assert_int_eq(dso_memory_write(memory, at, bytes, 8), -ERANGE);
	}
	ck_assert_int_eq(dso_memory_read_submit(memory, 0, long_bytes, SIZE + 1, 0), -ERANGE);
	ck_assert_int_eq(dso_memory_write_submit(memory, 0, long_bytes, SIZE + 1, 0), -ERANGE);
	ck_assert_int_eq(dso_memory_write_submit(memory, 1, long_bytes, SIZE, 0), -ERANGE);
	ck_assert_int_eq(dso_memory_fetch_add_submit(memory, 4, 1, 0), -EINVAL);
	ck_assert_int_eq(dso_memory_cas_submit(memory, 1, 0, 1, 0), -EINVAL);
	/* Of two errors: too long for a submission, before outside of the object; outside, before
	 * misaligned. */
	ck_assert_int_eq(
		dso_memory_write_submit(memory, SIZE, long_bytes, DSO_SUBMIT_BYTES_MAX + 1, 0),
		-EMSGSIZE);
	ck_assert_int_eq(dso_memory_fetch_add_submit(memory, SIZE + 4, 1, 0), -ERANGE);
	ck_assert_int_eq(dso_memory_fetch_add(memory, SIZE + 4, 1, NULL), -ERANGE);
	nothing_is_outstanding();
	/* What is just inside is done. */
	OK(session, dso_memory_fetch_add_submit(memory, SIZE - 8, 1, 5));
	OK(session, dso_memory_write_submit(memory, 0, long_bytes, SIZE, 6));
	for (uint64_t tag = 5; tag <= 6; tag++) {
		struct dso_completion completion;

		OK(session, dso_reap(session, &completion, 1, DSO_FOREVER, NULL));
		ck_assert_uint_eq(completion.tag, tag);
		ck_assert_int_eq(completion.status, 0);
	}
	nothing_is_outstanding();
}
END_TEST

START_TEST(a_register_whose_exchange_failed_is_as_it_was_and_anybody_may_set_it)
{
	struct dso_register *reg, *theirs;
	char text[8] = "before";
	size_t length = 77;
	uint64_t version = 77;

	OK(session, dso_register_open(session, name, NULL, &reg));
	OK(other, dso_register_open(other, name, NULL, &theirs));
	OK(session, dso_register_set(reg, "a long value", 12, NULL));
	ck_assert_int_eq(dso_register_exchange(reg, "new", 3, text, 4, &length, &version),
			 -EMSGSIZE);
	ck_assert_uint_eq(length, 12);
	ck_assert_uint_eq(version, 1);
	OK(session, dso_register_version(reg, &version));
	ck_assert_uint_eq(version, 1);
	/* It has not kept the head: another session sets at once, and so does it itself. */
	OK(other, dso_register_set_if_version(theirs, 1, "theirs", 6, &version));
	ck_assert_uint_eq(version, 2);
	OK(session, dso_register_exchange(reg, "mine", 4, text, sizeof text, &length, &version));
	ck_assert_uint_eq(length, 6);
	ck_assert_int_eq(memcmp(text, "theirs", 6), 0);
	ck_assert_uint_eq(version, 3);
}
END_TEST

START_TEST(a_set_that_failed_has_changed_nothing)
{
	const struct dso_register_params eight = {.capacity_bytes = 8};
	struct dso_register *reg, *theirs;
	uint64_t version;

	OK(session, dso_register_open(session, name, &eight, &reg));
	OK(other, dso_register_open(other, name, NULL, &theirs));
	ck_assert_int_eq(dso_register_set(reg, "nine bytes", 9, &version), -EMSGSIZE);
	ck_assert_int_eq(dso_register_set_if_version(reg, 5, "x", 1, &version), -EAGAIN);
	ck_assert_uint_eq(version, 0);
	/* Of two errors: a value that never fits, before a version that is another now. */
	ck_assert_int_eq(dso_register_set_if_version(reg, 5, "nine bytes", 9, &version), -EMSGSIZE);
	OK(other, dso_register_set_if_version(theirs, 0, "x", 1, &version));
	ck_assert_uint_eq(version, 1);
}
END_TEST

/* ---- what was wrong ---- */

/* @call is refused with @error, and a sentence that has @text in it. */
#define REFUSED(call, error, text)                                                    \
	do {                                                                          \
		int refused = (call);                                                 \
		ck_assert_msg(refused == (error) && strstr(dso_error(session), text), \
			      "%s: %d, \"%s\"", #call, refused, dso_error(session));  \
	} while (0)

START_TEST(an_argument_that_is_refused_is_said)
{
	const struct dso_memory_params size = {.size_bytes = SIZE};
	const struct dso_semaphore_params permits = {.permits = 2};
	const struct dso_latch_params count = {.count = 1};
	const struct dso_counter_params stripes = {.stripes = 2};
	struct dso_memory *memory;
	struct dso_mutex *mutex, *theirs;
	struct dso_rwlock *rwlock;
	struct dso_semaphore *semaphore;
	struct dso_latch *latch;
	struct dso_condition *condition;
	struct dso_counter *striped;
	uint8_t bytes[8];

	OK(session, dso_memory_open(session, conformance_name(), &size, &memory));
	OK(session, dso_mutex_open(session, conformance_name(), NULL, &mutex));
	OK(other, dso_mutex_open(other, conformance_name(), NULL, &theirs));
	OK(session, dso_rwlock_open(session, conformance_name(), NULL, &rwlock));
	OK(session, dso_semaphore_open(session, conformance_name(), &permits, &semaphore));
	OK(session, dso_latch_open(session, conformance_name(), &count, &latch));
	OK(session, dso_condition_open(session, conformance_name(), NULL, &condition));
	OK(session, dso_counter_open(session, conformance_name(), &stripes, &striped));
	REFUSED(dso_memory_cas(memory, 12, 0, 1, NULL), -EINVAL, "offset 12 is no multiple of 8");
	REFUSED(dso_memory_fetch_add(memory, 9, 1, NULL), -EINVAL, "offset 9 is no");
	REFUSED(dso_memory_fetch_add_submit(memory, 12, 1, 0), -EINVAL, "offset 12 is no");
	REFUSED(dso_memory_cas_submit(memory, 12, 0, 1, 0), -EINVAL, "offset 12 is no");
	REFUSED(dso_memory_wait(memory, 12, 0, DSO_NOWAIT), -EINVAL, "offset 12 is no");
	REFUSED(dso_memory_wake(memory, 12, 1, NULL), -EINVAL, "offset 12 is no");
	REFUSED(dso_memory_read(memory, 4090, bytes, 8), -ERANGE,
		"8 bytes at offset 4090 are outside the object, which has 4096");
	REFUSED(dso_memory_write(memory, 4090, bytes, 8), -ERANGE, "8 bytes at offset 4090");
	REFUSED(dso_memory_fetch_add(memory, 4096, 1, NULL), -ERANGE, "8 bytes at offset 4096");
	REFUSED(dso_semaphore_acquire(semaphore, 0, DSO_NOWAIT), -EINVAL, "count: 0 asked, 1 to 2");
	REFUSED(dso_semaphore_acquire(semaphore, 3, DSO_NOWAIT), -EINVAL, "count: 3 asked, 1 to 2");
	REFUSED(dso_latch_count_down(latch, 0, NULL), -EINVAL, "n: 0 asked, 1 is the least");
	REFUSED(dso_latch_count_down(latch, -7, NULL), -EINVAL, "n: -7 asked");
	REFUSED(dso_mutex_consistent(mutex), -EINVAL, "nothing to make consistent");
	REFUSED(dso_rwlock_consistent(rwlock), -EINVAL, "nothing to make consistent");
	REFUSED(dso_condition_wait(condition, theirs, DSO_NOWAIT), -EINVAL, "in another session");
	REFUSED(dso_counter_set(striped, 1), -EOPNOTSUPP, "striped");
	REFUSED(dso_counter_exchange(striped, 1, NULL), -EOPNOTSUPP, "striped");
	REFUSED(dso_counter_cas(striped, 0, 1, NULL), -EOPNOTSUPP, "striped");
	REFUSED(dso_counter_cas_submit(striped, 0, 1, 0), -EOPNOTSUPP, "striped");
	nothing_is_outstanding();
}
END_TEST

START_TEST(an_argument_that_a_collection_refuses_is_said_and_changes_nothing)
{
	static const char bytes[DSO_MAP_KEY_BYTES_MAX + 1];
	static const struct dso_queue_params one = {.capacity = 1, .item_bytes = 8};
	static const struct dso_aggregator_params pair = {.length = 2, .contributors = 2};
	struct dso_map *map;
	struct dso_set *set;
	struct dso_queue *queue;
	struct dso_aggregator *aggregator;
	char room[8];
	uint64_t count;
	uint32_t contributed;

	OK(session, dso_map_open(session, conformance_name(), NULL, &map));
	OK(session, dso_set_open(session, conformance_name(), NULL, &set));
	OK(session, dso_queue_open(session, conformance_name(), &one, &queue));
	OK(session, dso_aggregator_open(session, conformance_name(), &pair, &aggregator));
	REFUSED(dso_map_put(map, bytes, sizeof bytes, "", 0, NULL), -EINVAL,
		"the key has 1025 bytes, 1024 are the most");
	REFUSED(dso_map_put(map, "key", 3, bytes, DSO_MAP_VALUE_BYTES_MAX + 1, NULL), -EMSGSIZE,
		"the value has 1048577 bytes, 1048576 are the most");
	REFUSED(dso_map_merge(map, "key", 3, DSO_SUM_INT64, "seven..", 7, NULL), -EINVAL,
		"the value has 7 bytes, the function takes 8");
	REFUSED(dso_set_add(set, bytes, sizeof bytes, NULL), -EINVAL, "the key has 1025 bytes");
	REFUSED(dso_queue_push(queue, bytes, 9, DSO_NOWAIT), -EMSGSIZE,
		"the item has 9 bytes, the queue takes 8 at most");
	REFUSED(dso_queue_pop(queue, room, 7, DSO_NOWAIT, NULL), -EMSGSIZE,
		"there is room for 7 bytes, an item may have 8");
	REFUSED(dso_aggregator_contribute(aggregator, 2, bytes, 16, 0, DSO_NOWAIT, NULL), -EINVAL,
		"the id is 2, there are 0 to 1");
	REFUSED(dso_aggregator_contribute(aggregator, 0, bytes, 8, 0, DSO_NOWAIT, NULL), -EMSGSIZE,
		"8 bytes given, a vector has 16 of them");
	OK(session, dso_map_size(map, &count));
	ck_assert_uint_eq(count, 0);
	OK(session, dso_set_size(set, &count));
	ck_assert_uint_eq(count, 0);
	OK(session, dso_queue_length(queue, &count));
	ck_assert_uint_eq(count, 0);
	OK(session, dso_aggregator_stat(aggregator, NULL, &contributed, NULL));
	ck_assert_uint_eq(contributed, 0);
	nothing_is_outstanding();
}
END_TEST

/* Open a @type with parameters of which @member is @value. */
#define OPEN_WITH(type, member, value)                                            \
	({                                                                        \
		const struct dso_##type##_params params = {.member = (value)};    \
		struct dso_##type *opened;                                        \
		dso_##type##_open(session, conformance_name(), &params, &opened); \
	})

START_TEST(a_parameter_out_of_its_range_is_said)
{
	REFUSED(OPEN_WITH(counter, stripes, 65), -EINVAL,
		"stripes: 65 asked, a counter has 1 to 64");
	REFUSED(OPEN_WITH(register, capacity_bytes, DSO_REGISTER_BYTES_MAX + 1), -EINVAL,
		"capacity: 67,108,865 asked, a register has 1 to 67,108,864");
	REFUSED(OPEN_WITH(memory, size_bytes, (UINT64_C(1) << 40) + 1), -EINVAL,
		"size: 1,099,511,627,777 asked, a memory has 1 to 1,099,511,627,776");
	REFUSED(OPEN_WITH(rwlock, readers, DSO_RWLOCK_READERS_MAX + 1), -EINVAL,
		"readers: 4,097 asked, a rwlock has 1 to 4,096");
	REFUSED(OPEN_WITH(semaphore, permits, DSO_SEMAPHORE_PERMITS_MAX + 1), -EINVAL,
		"permits: 4,097 asked, a semaphore has 1 to 4,096");
	REFUSED(OPEN_WITH(barrier, parties, DSO_BARRIER_PARTIES_MAX + 1), -EINVAL,
		"parties: 65,536 asked, a barrier has 1 to 65,535");
	REFUSED(OPEN_WITH(latch, count, -1), -EINVAL, "count: -1 asked, 1 is the least");
	REFUSED(OPEN_WITH(future, capacity_bytes, DSO_FUTURE_BYTES_MAX + 1), -EINVAL,
		"capacity: 67,108,865 asked, a future has 1 to 67,108,864");
	REFUSED(OPEN_WITH(queue, capacity, DSO_QUEUE_CAPACITY_MAX + 1), -EINVAL,
		"capacity: 4,097 asked, a queue has 1 to 4,096");
	REFUSED(OPEN_WITH(aggregator, length, DSO_AGGREGATOR_LENGTH_MAX + 1), -EINVAL,
		"length: 2,097,153 asked, an aggregator has 1 to 2,097,152");
	/* The most that there may be. */
	ck_assert_int_eq(OPEN_WITH(counter, stripes, DSO_COUNTER_STRIPES_MAX), 0);
	ck_assert_int_eq(OPEN_WITH(rwlock, readers, DSO_RWLOCK_READERS_MAX), 0);
	ck_assert_int_eq(OPEN_WITH(semaphore, permits, DSO_SEMAPHORE_PERMITS_MAX), 0);
	ck_assert_int_eq(OPEN_WITH(barrier, parties, DSO_BARRIER_PARTIES_MAX), 0);
	ck_assert_int_eq(OPEN_WITH(latch, count, INT64_MAX), 0);
}
END_TEST

START_TEST(an_object_is_ephemeral_or_not_and_nothing_else)
{
#define X(NAME, type, number) \
	REFUSED(OPEN_WITH(type, ephemeral, 2), -EINVAL, "ephemeral: 2 asked, 0 or 1");
	OBJECT_TYPES(X)
#undef X
}
END_TEST

START_TEST(what_a_handle_does_not_hold_it_cannot_give_back)
{
	const struct dso_semaphore_params permits = {.permits = 2};
	const struct dso_queue_params one = {.capacity = 1, .item_bytes = 8};
	struct dso_mutex *mutex;
	struct dso_rwlock *rwlock;
	struct dso_semaphore *semaphore;
	struct dso_once *once;
	struct dso_queue *queue;

	OK(session, dso_mutex_open(session, conformance_name(), NULL, &mutex));
	OK(session, dso_queue_open(session, conformance_name(), &one, &queue));
	OK(session, dso_rwlock_open(session, conformance_name(), NULL, &rwlock));
	OK(session, dso_semaphore_open(session, conformance_name(), &permits, &semaphore));
	OK(session, dso_once_open(session, conformance_name(), NULL, &once));
	REFUSED(dso_mutex_unlock(mutex), -EPERM, "does not hold it");
	REFUSED(dso_rwlock_unlock(rwlock), -EPERM, "does not hold it");
	REFUSED(dso_semaphore_release(semaphore, 1), -EPERM, "does not hold it");
	REFUSED(dso_once_done(once), -EPERM, "does not hold it");
	REFUSED(dso_once_abandon(once), -EPERM, "does not hold it");
	OK(session, dso_queue_push(queue, "item", 4, DSO_NOWAIT));
	REFUSED(dso_queue_acknowledge(queue, 0), -EPERM, "does not");
	REFUSED(dso_queue_give_back(queue, 0), -EPERM, "does not");
	OK(session, dso_semaphore_acquire(semaphore, 1, DSO_NOWAIT));
	REFUSED(dso_semaphore_release(semaphore, 2), -EPERM, "does not hold it");
	OK(session, dso_semaphore_release(semaphore, 1));
}
END_TEST

START_TEST(a_register_whose_slot_is_damaged_says_so_and_is_whole_again_when_it_is_set)
{
	const struct dso_register_params size = {.capacity_bytes = 64};
	struct dso_register *reg, *theirs;
	char text[64];
	size_t length = 77;
	uint64_t version = 77;

	OK(session, dso_register_open(session, name, &size, &reg));
	OK(other, dso_register_open(other, name, NULL, &theirs));
	OK(session, dso_register_set(reg, "before", 6, NULL));
	*word_at(REGISTER_SLOT_OFFSET(1, 64) + 8) += 1;
	REFUSED(dso_register_get(reg, text, sizeof text, &length, &version), -EBADMSG,
		"not what a writer wrote");
	REFUSED(dso_register_size(reg, &length), -EBADMSG, "not what a writer wrote");
	REFUSED(dso_register_exchange(reg, "new", 3, text, sizeof text, &length, &version),
		-EBADMSG, "not what a writer wrote");
	ck_assert_uint_eq(length, 77);
	ck_assert_uint_eq(version, 77);
	OK(session, dso_register_version(reg, &version));
	ck_assert_uint_eq(version, 1);
	/* The exchange has changed nothing, and has not kept the head. */
	OK(other, dso_register_set_if_version(theirs, 1, "after", 5, NULL));
	OK(session, dso_register_get(reg, text, sizeof text, &length, &version));
	ck_assert_uint_eq(length, 5);
	ck_assert_int_eq(memcmp(text, "after", 5), 0);
}
END_TEST

Suite *conformance_failures_suite(void)
{
	Suite *suite = suite_create("failures");
	TCase *tcase = tcase_create("failures");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_begin, pair_end);
	tcase_add_test(tcase, submitted_operations_do_not_leave_their_object);
	tcase_add_test(tcase, a_register_whose_exchange_failed_is_as_it_was_and_anybody_may_set_it);
	tcase_add_test(tcase, a_set_that_failed_has_changed_nothing);
	tcase_add_test(tcase, an_argument_that_is_refused_is_said);
	tcase_add_test(tcase, an_argument_that_a_collection_refuses_is_said_and_changes_nothing);
	tcase_add_test(tcase, a_parameter_out_of_its_range_is_said);
	tcase_add_test(tcase, an_object_is_ephemeral_or_not_and_nothing_else);
	tcase_add_test(tcase, what_a_handle_does_not_hold_it_cannot_give_back);
	suite_add_tcase(suite, tcase);
	return suite;
}

Suite *conformance_damage_suite(void)
{
	Suite *suite = suite_create("damage");
	TCase *tcase = tcase_create("damage");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_test(tcase,
		       a_register_whose_slot_is_damaged_says_so_and_is_whole_again_when_it_is_set);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, conformance_map_behind());
	return suite;
}
