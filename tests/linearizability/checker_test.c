/* SPDX-License-Identifier: Apache-2.0 */
/* The checker, and the specifications, on histories that are known to be linearizable or not. */
#include "tests/linearizability/checker.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/linearizability/specs.h"
#include "tests/runner.h"

#define BUDGET 1000

static enum verdict verdict_of(const struct specification *specification, int64_t parameter,
			       const struct operation *operations, size_t count)
{
	struct operation copy[HISTORY_OPERATIONS_MAX];
	struct history history = {.operations = copy, .count = count, .parameter = parameter};
	struct report report;

	memcpy(copy, operations, count * sizeof *copy);
	return history_check(specification, &history, BUDGET, &report);
}

#define VERDICT(specification, parameter, ...)                                   \
	verdict_of(&specification, parameter, (struct operation[]){__VA_ARGS__}, \
		   sizeof((struct operation[]){__VA_ARGS__}) / sizeof(struct operation))
#define ACCEPTED(...) ck_assert_int_eq(VERDICT(__VA_ARGS__), LINEARIZABLE)
#define REFUSED(...)  ck_assert_int_eq(VERDICT(__VA_ARGS__), NOT_LINEARIZABLE)

/* An operation of a client, from when to when. */
#define KNOWN(number, what, from, to) \
	.client = (number), .kind = (what), .known = true, .call_ns = (from), .return_ns = (to)
#define UNKNOWN(number, what, from) .client = (number), .kind = (what), .call_ns = (from)
#define GIVEN(...)                  .arguments = {__VA_ARGS__}
#define GAVE(...)                   .results = {__VA_ARGS__}
#define FAILED(error)               .status = -(error)

/* ---- the checker ---- */

START_TEST(nothing_is_linearizable)
{
	struct history history = {0};
	struct report report;

	ck_assert_int_eq(history_check(&counter_specification, &history, 1, &report), LINEARIZABLE);
}
END_TEST

START_TEST(operations_at_the_same_time_have_either_order)
{
	ACCEPTED(counter_specification, 0, {KNOWN(0, COUNTER_SET, 0, 10), GIVEN(1)},
		 {KNOWN(1, COUNTER_GET, 1, 2), GAVE(0)});
	ACCEPTED(counter_specification, 0, {KNOWN(0, COUNTER_SET, 0, 10), GIVEN(1)},
		 {KNOWN(1, COUNTER_GET, 1, 2), GAVE(1)});
	/* Not before or after, but at once: neither is first. */
	ACCEPTED(counter_specification, 0, {KNOWN(0, COUNTER_SET, 0, 10), GIVEN(1)},
		 {KNOWN(1, COUNTER_GET, 10, 20), GAVE(0)});
}
END_TEST

START_TEST(a_stale_read_is_found)
{
	REFUSED(counter_specification, 0, {KNOWN(0, COUNTER_SET, 0, 10), GIVEN(1)},
		{KNOWN(1, COUNTER_GET, 11, 12), GAVE(0)});
	/* One has seen the new value, and another the old one after that. */
	REFUSED(counter_specification, 0, {KNOWN(0, COUNTER_SET, 0, 100), GIVEN(1)},
		{KNOWN(1, COUNTER_GET, 1, 2), GAVE(1)}, {KNOWN(2, COUNTER_GET, 3, 4), GAVE(0)});
}
END_TEST

START_TEST(a_value_of_nobody_is_found)
{
	REFUSED(counter_specification, 0, {KNOWN(0, COUNTER_SET, 0, 10), GIVEN(1)},
		{KNOWN(1, COUNTER_GET, 1, 2), GAVE(2)});
}
END_TEST

START_TEST(what_has_an_unknown_outcome_may_be_later_or_never)
{
	ACCEPTED(counter_specification, 0, {UNKNOWN(0, COUNTER_ADD, 0), GIVEN(5)},
		 {KNOWN(1, COUNTER_GET, 10, 11), GAVE(0)});
	ACCEPTED(counter_specification, 0, {UNKNOWN(0, COUNTER_ADD, 0), GIVEN(5)},
		 {KNOWN(1, COUNTER_GET, 10, 11), GAVE(5)});
	ACCEPTED(counter_specification, 0, {UNKNOWN(0, COUNTER_ADD, 0), GIVEN(5)},
		 {KNOWN(1, COUNTER_GET, 10, 11), GAVE(0)},
		 {KNOWN(1, COUNTER_GET, 20, 21), GAVE(5)});
}
END_TEST

START_TEST(what_has_an_unknown_outcome_is_not_undone_nor_twice_nor_before_its_call)
{
	REFUSED(counter_specification, 0, {UNKNOWN(0, COUNTER_ADD, 0), GIVEN(5)},
		{KNOWN(1, COUNTER_GET, 10, 11), GAVE(5)}, {KNOWN(1, COUNTER_GET, 20, 21), GAVE(0)});
	REFUSED(counter_specification, 0, {UNKNOWN(0, COUNTER_ADD, 0), GIVEN(5)},
		{KNOWN(1, COUNTER_GET, 10, 11), GAVE(10)});
	REFUSED(counter_specification, 0, {UNKNOWN(0, COUNTER_ADD, 20), GIVEN(5)},
		{KNOWN(1, COUNTER_GET, 10, 11), GAVE(5)});
}
END_TEST

START_TEST(nothing_of_a_session_lands_after_its_hold_was_taken_back)
{
	/* The mutex was had by another, so the first session is over by then. */
	REFUSED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 1), GAVE(1)},
		{UNKNOWN(0, MUTEX_UNLOCK, 2)}, {UNKNOWN(0, DIE, 3)},
		{KNOWN(1, MUTEX_LOCK, 4, 5), GAVE(2), FAILED(EOWNERDEAD)},
		{KNOWN(1, MUTEX_UNLOCK, 6, 7)}, {KNOWN(1, MUTEX_HOLDER, 8, 9), GAVE(1, 2)});
}
END_TEST

START_TEST(a_search_that_is_too_long_is_undecided)
{
	struct operation operations[20];
	struct history history = {.operations = operations, .count = 20};
	struct report report;

	/* All at once, and any order leads to sums of which none is right. */
	for (unsigned i = 0; i < 20; i++)
		operations[i] = (struct operation){KNOWN((uint8_t)i, COUNTER_ADD, 0, 100),
						   GIVEN(INT64_C(1) << i), GAVE(-1)};
	for (unsigned i = 0; i < 19; i++)
		operations[i].known = false;
	ck_assert_int_eq(history_check(&counter_specification, &history, 1000, &report), UNDECIDED);
	ck_assert_uint_eq(report.configurations, 1000);
	ck_assert_int_eq(history_check(&counter_specification, &history, 1 << 20, &report),
			 NOT_LINEARIZABLE);
	ck_assert_uint_eq(report.configurations, (1 << 19) - 1);
}
END_TEST

START_TEST(a_failure_is_shown)
{
	struct operation operations[] = {
		{KNOWN(0, MUTEX_LOCK, 1000, 2000), GAVE(7)},
		{KNOWN(1, MUTEX_LOCK, 3000, 4500), GIVEN(HANG_TIMEOUT), GAVE(8)},
		{KNOWN(0, MUTEX_UNLOCK, 5000, 6000), FAILED(EPERM)},
		{UNKNOWN(2, MUTEX_FORCE, 3500), GIVEN(6)},
	};
	struct history history = {.operations = operations, .count = 4};
	char text[4096] = "";
	struct report report;
	FILE *out = fmemopen(text, sizeof text, "w");

	ck_assert_int_eq(history_check(&mutex_specification, &history, BUDGET, &report),
			 NOT_LINEARIZABLE);
	history_print(out, &mutex_specification, &history, &report);
	fclose(out);
	ck_assert_str_eq(
		text,
		"# mutex: not linearizable after 1 configurations; 1 of 4 operations could be "
		"placed\n"
		"#          0.0 to        1.0 us  client 0  lock(0) = 7\n"
		"# which leads to the state 0x1 0x7 0 0 0 0 0 0, in which none of these can be "
		"next:\n"
		"#          2.0 to        3.5 us  client 1  lock(20000000000) = 8\n"
		"#          2.5 to          ? us  client 2  force_unlock(6), outcome unknown\n");
}
END_TEST

/* ---- against all orders ---- */

/* Whether the operations that are not in @placed can be put behind @state, by trying all orders. */
static bool some_order(const struct operation *operations, unsigned count, unsigned placed,
		       struct state state)
{
	unsigned left = 0;

	for (unsigned i = 0; i < count; i++)
		left |= operations[i].known && !(placed >> i & 1) ? 1u << i : 0;
	if (left == 0)
		return true;
	for (unsigned i = 0; i < count; i++) {
		struct state next = state;
		bool first = !(placed >> i & 1);

		for (unsigned j = 0; j < count; j++)
			if (left >> j & 1 && operations[j].return_ns < operations[i].call_ns)
				first = false;
		if (first && word_specification.step(&next, &operations[i]) &&
		    some_order(operations, count, placed | 1u << i, next))
			return true;
	}
	return false;
}

START_TEST(it_is_of_one_mind_with_a_trial_of_all_orders)
{
	unsigned seed = 1, verdicts[2] = {0};

	for (unsigned i = 0; i < 20000; i++) {
		struct operation operations[6] = {0};
		unsigned count = 1 + (unsigned)rand_r(&seed) % 6;
		bool expected;

		for (unsigned j = 0; j < count; j++) {
			struct operation *operation = &operations[j];

			operation->client = (uint8_t)j;
			operation->known = rand_r(&seed) / 8 % 5 != 0;
			operation->kind = rand_r(&seed) / 8 % 2 ? WORD_CAS : WORD_FETCH_ADD;
			operation->arguments[0] = rand_r(&seed) / 8 % 2;
			operation->arguments[1] = rand_r(&seed) / 8 % 2;
			operation->results[0] = rand_r(&seed) / 8 % 3;
			operation->call_ns = rand_r(&seed) / 8 % 10;
			operation->return_ns = operation->call_ns + rand_r(&seed) / 8 % 6;
		}
		expected = some_order(operations, count, 0, (struct state){0});
		ck_assert_int_eq(verdict_of(&word_specification, 0, operations, count),
				 expected ? LINEARIZABLE : NOT_LINEARIZABLE);
		verdicts[expected]++;
	}
	ck_assert_uint_gt(verdicts[false], 2000);
	ck_assert_uint_gt(verdicts[true], 2000);
}
END_TEST

/* ---- the specifications ---- */

START_TEST(an_addition_that_was_done_twice_is_found)
{
	ACCEPTED(counter_specification, 3, {KNOWN(0, COUNTER_ADD, 0, 10), GIVEN(2), GAVE(3)},
		 {KNOWN(1, COUNTER_ADD, 0, 10), GIVEN(2), GAVE(5)},
		 {KNOWN(1, COUNTER_GET, 11, 12), GAVE(7)});
	REFUSED(counter_specification, 3, {KNOWN(0, COUNTER_ADD, 0, 10), GIVEN(2), GAVE(3)},
		{KNOWN(1, COUNTER_GET, 11, 12), GAVE(7)});
}
END_TEST

START_TEST(an_update_that_was_lost_is_found)
{
	REFUSED(counter_specification, 0, {KNOWN(0, COUNTER_ADD, 0, 10), GIVEN(1), GAVE(0)},
		{KNOWN(1, COUNTER_ADD, 0, 10), GIVEN(1), GAVE(0)});
	REFUSED(word_specification, 0, {KNOWN(0, WORD_CAS, 0, 10), GIVEN(0, 1), GAVE(0)},
		{KNOWN(1, WORD_CAS, 0, 10), GIVEN(0, 2), GAVE(0)});
	REFUSED(register_specification, 0, {KNOWN(0, REGISTER_SET_IF, 0, 10), GIVEN(0, 7), GAVE(1)},
		{KNOWN(1, REGISTER_SET_IF, 0, 10), GIVEN(0, 8), GAVE(1)});
}
END_TEST

START_TEST(a_version_of_a_register_that_was_given_twice_or_left_out_is_found)
{
	ACCEPTED(register_specification, 0, {KNOWN(0, REGISTER_SET, 0, 10), GIVEN(7), GAVE(2)},
		 {KNOWN(1, REGISTER_EXCHANGE, 0, 10), GIVEN(8), GAVE(0, 1)},
		 {KNOWN(1, REGISTER_GET, 11, 12), GAVE(7, 2)});
	REFUSED(register_specification, 0, {KNOWN(0, REGISTER_SET, 0, 10), GIVEN(7), GAVE(1)},
		{KNOWN(1, REGISTER_SET, 0, 10), GIVEN(8), GAVE(1)});
	REFUSED(register_specification, 0, {KNOWN(0, REGISTER_SET, 0, 10), GIVEN(7), GAVE(2)});
	REFUSED(register_specification, 0, {KNOWN(0, REGISTER_SET, 0, 10), GIVEN(7), GAVE(1)},
		{KNOWN(1, REGISTER_GET, 0, 10), GAVE(7, 0)});
	REFUSED(register_specification, 0,
		{KNOWN(0, REGISTER_SET_IF, 0, 10), GIVEN(0, 7), GAVE(0), FAILED(EAGAIN)});
}
END_TEST

START_TEST(two_holders_of_a_mutex_are_found)
{
	ACCEPTED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 1), GAVE(1)},
		 {KNOWN(0, MUTEX_UNLOCK, 2, 10)}, {KNOWN(1, MUTEX_LOCK, 3, 4), GAVE(5)});
	REFUSED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 1), GAVE(1)},
		{KNOWN(1, MUTEX_LOCK, 3, 4), GAVE(2)}, {KNOWN(0, MUTEX_UNLOCK, 5, 10)});
}
END_TEST

START_TEST(a_fencing_token_that_is_no_larger_is_found)
{
	REFUSED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 1), GAVE(7)},
		{KNOWN(0, MUTEX_UNLOCK, 2, 3)}, {KNOWN(1, MUTEX_LOCK, 4, 5), GAVE(7)});
}
END_TEST

START_TEST(a_mutex_that_is_refused_was_held)
{
	ACCEPTED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 10), GAVE(1)},
		 {KNOWN(1, MUTEX_LOCK, 3, 4), FAILED(ETIMEDOUT)});
	REFUSED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 1), GAVE(1)},
		{KNOWN(0, MUTEX_UNLOCK, 2, 3)}, {KNOWN(1, MUTEX_LOCK, 4, 5), FAILED(ETIMEDOUT)});
	/* It was, but not for as long as that. */
	REFUSED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 10), GAVE(1)},
		{KNOWN(1, MUTEX_LOCK, 3, 4), GIVEN(HANG_TIMEOUT), FAILED(ETIMEDOUT)});
}
END_TEST

START_TEST(the_death_of_a_holder_is_told_of_once)
{
	ACCEPTED(mutex_specification, 0, {UNKNOWN(0, MUTEX_LOCK, 0)}, {UNKNOWN(0, DIE, 3)},
		 {KNOWN(1, MUTEX_LOCK, 2, 9), GAVE(2), FAILED(EOWNERDEAD)},
		 {KNOWN(1, MUTEX_CONSISTENT, 10, 11)}, {KNOWN(1, MUTEX_UNLOCK, 12, 13)},
		 {KNOWN(1, MUTEX_LOCK, 14, 15), GAVE(3)});
	REFUSED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 1), GAVE(1)}, {UNKNOWN(0, DIE, 3)},
		{KNOWN(1, MUTEX_LOCK, 2, 9), GAVE(2)});
	REFUSED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 1), GAVE(1)},
		{KNOWN(0, MUTEX_UNLOCK, 2, 3)}, {UNKNOWN(0, DIE, 4)},
		{KNOWN(1, MUTEX_LOCK, 5, 9), GAVE(2), FAILED(EOWNERDEAD)});
	/* Nobody has died yet. */
	REFUSED(mutex_specification, 0, {KNOWN(0, MUTEX_LOCK, 0, 1), GAVE(1)},
		{KNOWN(1, MUTEX_LOCK, 2, 9), GAVE(2), FAILED(EOWNERDEAD)}, {UNKNOWN(0, DIE, 10)});
}
END_TEST

START_TEST(a_reader_beside_a_writer_is_found)
{
	ACCEPTED(rwlock_specification, 0, {KNOWN(0, RWLOCK_RDLOCK, 0, 1)},
		 {KNOWN(1, RWLOCK_RDLOCK, 2, 3)},
		 {KNOWN(2, RWLOCK_WRLOCK, 4, 5), FAILED(ETIMEDOUT)});
	REFUSED(rwlock_specification, 0, {KNOWN(0, RWLOCK_RDLOCK, 0, 1)},
		{KNOWN(2, RWLOCK_WRLOCK, 4, 5)});
	REFUSED(rwlock_specification, 0, {KNOWN(0, RWLOCK_WRLOCK, 0, 1)},
		{KNOWN(2, RWLOCK_RDLOCK, 4, 5)});
	REFUSED(rwlock_specification, 0, {KNOWN(0, RWLOCK_WRLOCK, 0, 1)},
		{KNOWN(2, RWLOCK_WRLOCK, 4, 5)});
}
END_TEST

START_TEST(a_rwlock_is_refused_for_who_has_it_or_is_taking_it)
{
	REFUSED(rwlock_specification, 0, {KNOWN(0, RWLOCK_RDLOCK, 0, 1)},
		{KNOWN(1, RWLOCK_RDLOCK, 4, 5), FAILED(ETIMEDOUT)});
	ACCEPTED(rwlock_specification, 0, {KNOWN(0, RWLOCK_RDLOCK, 0, 1)},
		 {KNOWN(2, RWLOCK_WRLOCK, 2, 9), FAILED(ETIMEDOUT)},
		 {KNOWN(1, RWLOCK_RDLOCK, 4, 5), FAILED(ETIMEDOUT)});
	REFUSED(rwlock_specification, 0, {KNOWN(0, RWLOCK_RDLOCK, 0, 1)},
		{KNOWN(2, RWLOCK_WRLOCK, 2, 3), FAILED(ETIMEDOUT)},
		{KNOWN(1, RWLOCK_RDLOCK, 4, 5), FAILED(ETIMEDOUT)});
}
END_TEST

START_TEST(more_permits_than_there_are_are_found)
{
	ACCEPTED(semaphore_specification, 3, {KNOWN(0, SEMAPHORE_ACQUIRE, 0, 1), GIVEN(2)},
		 {KNOWN(1, SEMAPHORE_ACQUIRE, 2, 3), GIVEN(1)});
	REFUSED(semaphore_specification, 3, {KNOWN(0, SEMAPHORE_ACQUIRE, 0, 1), GIVEN(2)},
		{KNOWN(1, SEMAPHORE_ACQUIRE, 2, 3), GIVEN(2)});
	REFUSED(semaphore_specification, 3, {KNOWN(0, SEMAPHORE_ACQUIRE, 0, 1), GIVEN(1)},
		{KNOWN(0, SEMAPHORE_RELEASE, 2, 3), GIVEN(2)});
	/* What the dead one had comes back, and not before. */
	ACCEPTED(semaphore_specification, 3, {KNOWN(0, SEMAPHORE_ACQUIRE, 0, 1), GIVEN(2)},
		 {UNKNOWN(0, DIE, 2)}, {KNOWN(1, SEMAPHORE_ACQUIRE, 2, 3), GIVEN(3)});
	REFUSED(semaphore_specification, 3, {KNOWN(0, SEMAPHORE_ACQUIRE, 0, 1), GIVEN(2)},
		{UNKNOWN(0, DIE, 4)}, {KNOWN(1, SEMAPHORE_ACQUIRE, 2, 3), GIVEN(3)});
}
END_TEST

START_TEST(a_semaphore_is_exact_with_nobody_else_about)
{
	REFUSED(semaphore_specification, 3, {KNOWN(0, SEMAPHORE_ACQUIRE, 0, 1), GIVEN(1)},
		{KNOWN(1, SEMAPHORE_ACQUIRE, 2, 3), GIVEN(1), FAILED(ETIMEDOUT)});
	REFUSED(semaphore_specification, 3, {KNOWN(0, SEMAPHORE_ACQUIRE, 0, 1), GIVEN(1)},
		{KNOWN(1, SEMAPHORE_AVAILABLE, 2, 3), GAVE(3)});
	ACCEPTED(semaphore_specification, 3, {KNOWN(0, SEMAPHORE_ACQUIRE, 0, 1), GIVEN(1)},
		 {KNOWN(0, SEMAPHORE_ACQUIRE, 2, 9), GIVEN(3), FAILED(ETIMEDOUT)},
		 {KNOWN(1, SEMAPHORE_ACQUIRE, 4, 5), GIVEN(1), FAILED(ETIMEDOUT)});
}
END_TEST

START_TEST(what_is_done_once_by_two_is_found)
{
	ACCEPTED(once_specification, 0, {KNOWN(0, ONCE_BEGIN, 0, 1), GAVE(1)},
		 {KNOWN(1, ONCE_BEGIN, 0, 9), GAVE(0)}, {KNOWN(0, ONCE_DONE, 2, 3)});
	ACCEPTED(once_specification, 0, {KNOWN(0, ONCE_BEGIN, 0, 1), GAVE(1)},
		 {KNOWN(0, ONCE_ABANDON, 2, 3)}, {KNOWN(1, ONCE_BEGIN, 4, 9), GAVE(1)});
	REFUSED(once_specification, 0, {KNOWN(0, ONCE_BEGIN, 0, 1), GAVE(1)},
		{KNOWN(1, ONCE_BEGIN, 0, 9), GAVE(1)}, {KNOWN(0, ONCE_DONE, 2, 3)});
	REFUSED(once_specification, 0, {KNOWN(0, ONCE_BEGIN, 0, 1), GAVE(1)},
		{KNOWN(1, ONCE_BEGIN, 0, 9), GAVE(0)}, {KNOWN(0, ONCE_DONE, 10, 11)});
}
END_TEST

START_TEST(one_of_all_is_the_last_at_a_barrier_and_nobody_leaves_before)
{
	ACCEPTED(barrier_specification, 2, {KNOWN(0, BARRIER_ARRIVE, 0, 9), GAVE(0)},
		 {KNOWN(0, BARRIER_LEAVE, 0, 9)}, {KNOWN(1, BARRIER_ARRIVE, 0, 9), GAVE(1)},
		 {KNOWN(1, BARRIER_LEAVE, 0, 9)});
	REFUSED(barrier_specification, 2, {KNOWN(0, BARRIER_ARRIVE, 0, 9), GAVE(1)},
		{KNOWN(0, BARRIER_LEAVE, 0, 9)}, {KNOWN(1, BARRIER_ARRIVE, 0, 9), GAVE(1)},
		{KNOWN(1, BARRIER_LEAVE, 0, 9)});
	REFUSED(barrier_specification, 2, {KNOWN(0, BARRIER_ARRIVE, 0, 9), GAVE(0)},
		{KNOWN(0, BARRIER_LEAVE, 0, 9)}, {KNOWN(1, BARRIER_ARRIVE, 10, 19), GAVE(1)},
		{KNOWN(1, BARRIER_LEAVE, 10, 19)});
}
END_TEST

#define BEFORE_RESETS                                                      \
	{KNOWN(0, BARRIER_ARRIVE, 0, 99), FAILED(ENOTRECOVERABLE)},        \
		{KNOWN(0, BARRIER_LEAVE, 0, 99), FAILED(ENOTRECOVERABLE)}, \
		{KNOWN(1, BARRIER_ARRIVE, 1, 9), GAVE(1)},                 \
	{                                                                  \
		KNOWN(1, BARRIER_LEAVE, 1, 9)                              \
	}
#define THREE_RESETS(ns)                                                                    \
	{KNOWN(1, BARRIER_RESET_IT, ns, ns)}, {KNOWN(1, BARRIER_RESET_IT, ns + 1, ns + 1)}, \
	{                                                                                   \
		KNOWN(1, BARRIER_RESET_IT, ns + 2, ns + 2)                                  \
	}

START_TEST(who_is_late_by_seven_rounds_may_hear_of_the_resets_alone)
{
	ACCEPTED(barrier_specification, 2, BEFORE_RESETS, THREE_RESETS(10), THREE_RESETS(20),
		 {KNOWN(1, BARRIER_RESET_IT, 30, 31)});
	REFUSED(barrier_specification, 2, BEFORE_RESETS, THREE_RESETS(10), THREE_RESETS(20));
}
END_TEST

START_TEST(a_barrier_breaks_for_all_when_one_leaves_early_or_dies)
{
	ACCEPTED(barrier_specification, 2, {KNOWN(0, BARRIER_ARRIVE, 0, 9), FAILED(ETIMEDOUT)},
		 {KNOWN(0, BARRIER_LEAVE, 0, 9), FAILED(ETIMEDOUT)},
		 {KNOWN(1, BARRIER_ARRIVE, 10, 19), FAILED(ENOTRECOVERABLE)},
		 {KNOWN(1, BARRIER_LEAVE, 10, 19), FAILED(ENOTRECOVERABLE)});
	REFUSED(barrier_specification, 2, {KNOWN(0, BARRIER_ARRIVE, 0, 9), FAILED(ETIMEDOUT)},
		{KNOWN(0, BARRIER_LEAVE, 0, 9), FAILED(ETIMEDOUT)},
		{KNOWN(1, BARRIER_RESET_IT, 10, 11)},
		{KNOWN(1, BARRIER_ARRIVE, 12, 19), FAILED(ENOTRECOVERABLE)},
		{KNOWN(1, BARRIER_LEAVE, 12, 19), FAILED(ENOTRECOVERABLE)});
	ACCEPTED(barrier_specification, 2, {UNKNOWN(0, BARRIER_JOIN, 4)}, {UNKNOWN(0, DIE, 5)},
		 {KNOWN(1, BARRIER_ARRIVE, 0, 19), FAILED(ENOTRECOVERABLE)},
		 {KNOWN(1, BARRIER_LEAVE, 0, 19), FAILED(ENOTRECOVERABLE)});
	ACCEPTED(barrier_specification, 2, {UNKNOWN(0, BARRIER_ARRIVE, 0)},
		 {UNKNOWN(0, BARRIER_LEAVE, 0), GIVEN(DSO_NOWAIT)},
		 {KNOWN(1, BARRIER_ARRIVE, 1, 9), FAILED(ENOTRECOVERABLE)},
		 {KNOWN(1, BARRIER_LEAVE, 1, 9), FAILED(ENOTRECOVERABLE)});
	REFUSED(barrier_specification, 2, {UNKNOWN(0, BARRIER_ARRIVE, 0)},
		{UNKNOWN(0, BARRIER_LEAVE, 0), GIVEN(60 * DSO_SECOND)},
		{KNOWN(1, BARRIER_ARRIVE, 1, 9), FAILED(ENOTRECOVERABLE)},
		{KNOWN(1, BARRIER_LEAVE, 1, 9), FAILED(ENOTRECOVERABLE)});
	REFUSED(barrier_specification, 2, {UNKNOWN(0, DIE, 5)},
		{KNOWN(1, BARRIER_ARRIVE, 0, 19), FAILED(ENOTRECOVERABLE)},
		{KNOWN(1, BARRIER_LEAVE, 0, 19), FAILED(ENOTRECOVERABLE)});
	REFUSED(barrier_specification, 2,
		{KNOWN(1, BARRIER_ARRIVE, 0, 19), FAILED(ENOTRECOVERABLE)},
		{KNOWN(1, BARRIER_LEAVE, 0, 19), FAILED(ENOTRECOVERABLE)});
}
END_TEST

START_TEST(a_latch_lets_go_at_zero)
{
	ACCEPTED(latch_specification, 3, {KNOWN(0, LATCH_COUNT_DOWN, 0, 9), GIVEN(2), GAVE(1)},
		 {KNOWN(1, LATCH_COUNT_DOWN, 0, 9), GIVEN(2), GAVE(0)},
		 {KNOWN(2, LATCH_WAIT, 0, 9)});
	REFUSED(latch_specification, 3, {KNOWN(0, LATCH_COUNT_DOWN, 0, 9), GIVEN(2), GAVE(1)},
		{KNOWN(2, LATCH_WAIT, 0, 9)});
	REFUSED(latch_specification, 1, {KNOWN(0, LATCH_COUNT_DOWN, 0, 1), GIVEN(1), GAVE(0)},
		{KNOWN(2, LATCH_WAIT, 2, 9), FAILED(ETIMEDOUT)});
}
END_TEST

START_TEST(what_a_map_or_a_set_does_not_do_is_found)
{
	ACCEPTED(map_specification, 0, {KNOWN(0, MAP_PUT, 0, 1), GIVEN(1, 7)},
		 {KNOWN(1, MAP_GET, 2, 3), GIVEN(1), GAVE(7)},
		 {KNOWN(1, MAP_ADD, 4, 5), GIVEN(1, 8), FAILED(EEXIST)},
		 {KNOWN(0, MAP_REMOVE, 6, 7), GIVEN(1)},
		 {KNOWN(0, MAP_REMOVE, 8, 9), GIVEN(1), FAILED(ENOENT)});
	REFUSED(map_specification, 0, {KNOWN(0, MAP_PUT, 0, 1), GIVEN(1, 7)},
		{KNOWN(1, MAP_GET, 2, 3), GIVEN(1), GAVE(0)});
	REFUSED(map_specification, 0, {KNOWN(0, MAP_PUT, 0, 1), GIVEN(0, 7)},
		{KNOWN(1, MAP_PUT, 2, 3), GIVEN(0, 8)}, {KNOWN(0, MAP_REPLACE, 4, 5), GIVEN(7, 9)});
	REFUSED(map_specification, 0, {KNOWN(0, MAP_ADD, 0, 1), GIVEN(2, 7)},
		{KNOWN(1, MAP_ADD, 2, 3), GIVEN(2, 8)});
	/* A put of a client that was killed may have landed, but not after its death. */
	REFUSED(map_specification, 0, {UNKNOWN(0, MAP_PUT, 0), GIVEN(1, 7)}, {UNKNOWN(0, DIE, 1)},
		{KNOWN(1, MAP_GET, 2, 3), GIVEN(1), GAVE(7)},
		{KNOWN(1, MAP_REMOVE, 4, 5), GIVEN(1)},
		{KNOWN(1, MAP_GET, 6, 7), GIVEN(1), GAVE(7)});
	ACCEPTED(set_specification, 0, {KNOWN(0, SET_ADD, 0, 1), GIVEN(1), GAVE(1)},
		 {KNOWN(1, SET_ADD, 2, 3), GIVEN(1), GAVE(0)},
		 {KNOWN(1, SET_REMOVE, 4, 5), GIVEN(1), GAVE(1)});
	REFUSED(set_specification, 0, {KNOWN(0, SET_ADD, 0, 1), GIVEN(1), GAVE(1)},
		{KNOWN(1, SET_ADD, 2, 3), GIVEN(1), GAVE(1)});
}
END_TEST

START_TEST(items_of_a_queue_that_come_out_of_order_are_found)
{
	ACCEPTED(queue_specification, 2, {KNOWN(0, QUEUE_PUSH, 0, 1), GIVEN(7)},
		 {KNOWN(0, QUEUE_PUSH, 2, 3), GIVEN(8)}, {KNOWN(1, QUEUE_POP, 4, 5), GAVE(7)},
		 {KNOWN(1, QUEUE_POP, 6, 7), GAVE(8)});
	REFUSED(queue_specification, 2, {KNOWN(0, QUEUE_PUSH, 0, 1), GIVEN(7)},
		{KNOWN(0, QUEUE_PUSH, 2, 3), GIVEN(8)}, {KNOWN(1, QUEUE_POP, 4, 5), GAVE(8)});
	/* Twice, from nothing, and none though there is one. */
	REFUSED(queue_specification, 2, {KNOWN(0, QUEUE_PUSH, 0, 1), GIVEN(7)},
		{KNOWN(1, QUEUE_POP, 2, 3), GAVE(7)}, {KNOWN(1, QUEUE_POP, 4, 5), GAVE(7)});
	REFUSED(queue_specification, 2, {KNOWN(1, QUEUE_POP, 0, 1), GAVE(7)});
	REFUSED(queue_specification, 2, {KNOWN(0, QUEUE_PUSH, 0, 1), GIVEN(7)},
		{KNOWN(1, QUEUE_POP, 2, 3), FAILED(ETIMEDOUT)});
	/* Full, with room for one. */
	REFUSED(queue_specification, 2, {KNOWN(0, QUEUE_PUSH, 0, 1), GIVEN(7)},
		{KNOWN(0, QUEUE_PUSH, 2, 3), GIVEN(8), FAILED(ETIMEDOUT)});
}
END_TEST

START_TEST(what_was_leased_by_who_is_killed_comes_back_first)
{
	ACCEPTED(queue_specification, 2, {KNOWN(1, QUEUE_PUSH, 0, 1), GIVEN(7)},
		 {KNOWN(1, QUEUE_PUSH, 2, 3), GIVEN(8)}, {KNOWN(0, QUEUE_LEASE, 4, 5), GAVE(7)},
		 {UNKNOWN(0, DIE, 6)}, {KNOWN(1, QUEUE_POP, 7, 8), GAVE(7)},
		 {KNOWN(1, QUEUE_POP, 9, 10), GAVE(8)});
	REFUSED(queue_specification, 2, {KNOWN(1, QUEUE_PUSH, 0, 1), GIVEN(7)},
		{KNOWN(0, QUEUE_LEASE, 4, 5), GAVE(7)}, {KNOWN(1, QUEUE_POP, 6, 7), GAVE(7)});
	/* Popped, it may be gone with the consumer, or be found later. */
	ACCEPTED(queue_specification, 2, {KNOWN(1, QUEUE_PUSH, 0, 1), GIVEN(7)},
		 {KNOWN(1, QUEUE_PUSH, 2, 3), GIVEN(8)}, {UNKNOWN(0, QUEUE_POP, 4)},
		 {UNKNOWN(0, DIE, 6)}, {KNOWN(1, QUEUE_POP, 7, 8), GAVE(8)},
		 {KNOWN(1, QUEUE_POP, 9, 10), GAVE(7)});
}
END_TEST

/* Two contributors, with a value each. */
#define SUM_OF(first, second) (AGGREGATOR_VALUE(0, first) + AGGREGATOR_VALUE(1, second))

START_TEST(what_a_round_of_an_aggregator_does_not_end_with_is_found)
{
	/* Client 2 contributes for id 0 as client 0 does, and replaces its value. */
	ACCEPTED(aggregator_specification, 2,
		 {KNOWN(0, AGGREGATOR_CONTRIBUTE, 0, 1), GIVEN(5), GAVE(1)},
		 {KNOWN(2, AGGREGATOR_CONTRIBUTE, 2, 3), GIVEN(6), GAVE(1)},
		 {KNOWN(1, AGGREGATOR_CONTRIBUTE, 4, 5), GIVEN(7), GAVE(1)},
		 {KNOWN(0, AGGREGATOR_WAIT, 6, 7), GIVEN(1), GAVE(SUM_OF(6, 7))},
		 {KNOWN(0, AGGREGATOR_STAT, 8, 9), GAVE(2, 0)});
	REFUSED(aggregator_specification, 2,
		{KNOWN(0, AGGREGATOR_CONTRIBUTE, 0, 1), GIVEN(5), GAVE(1)},
		{KNOWN(2, AGGREGATOR_CONTRIBUTE, 2, 3), GIVEN(6), GAVE(1)},
		{KNOWN(1, AGGREGATOR_CONTRIBUTE, 4, 5), GIVEN(7), GAVE(1)},
		{KNOWN(0, AGGREGATOR_WAIT, 6, 7), GIVEN(1), GAVE(SUM_OF(5, 7))});
	/* Not before all have contributed, and then at once. */
	REFUSED(aggregator_specification, 2,
		{KNOWN(0, AGGREGATOR_CONTRIBUTE, 0, 1), GIVEN(5), GAVE(1)},
		{KNOWN(0, AGGREGATOR_WAIT, 2, 3), GIVEN(1), GAVE(SUM_OF(5, 0))});
	REFUSED(aggregator_specification, 2,
		{KNOWN(0, AGGREGATOR_CONTRIBUTE, 0, 1), GIVEN(5), GAVE(1)},
		{KNOWN(1, AGGREGATOR_CONTRIBUTE, 2, 3), GIVEN(7), GAVE(1)},
		{KNOWN(0, AGGREGATOR_WAIT, 4, 5), GIVEN(1), FAILED(ETIMEDOUT)});
	/* What is too late is told so. */
	REFUSED(aggregator_specification, 1,
		{KNOWN(0, AGGREGATOR_CONTRIBUTE, 0, 1), GIVEN(5), GAVE(1)},
		{KNOWN(1, AGGREGATOR_GET, 2, 3), GAVE(5, 1)},
		{KNOWN(1, AGGREGATOR_CONTRIBUTE, 4, 5), GIVEN(6, 1), GAVE(1)});
}
END_TEST

START_TEST(a_round_of_an_aggregator_breaks_by_a_death_unless_it_has_retries)
{
	ACCEPTED(aggregator_specification, 2,
		 {KNOWN(0, AGGREGATOR_CONTRIBUTE, 0, 1), GIVEN(5), GAVE(1)}, {UNKNOWN(0, DIE, 2)},
		 {KNOWN(1, AGGREGATOR_CONTRIBUTE, 3, 4), GIVEN(7), FAILED(ENOTRECOVERABLE)},
		 {UNKNOWN(1, AGGREGATOR_RESETTING, 5)}, {KNOWN(1, AGGREGATOR_RESET, 5, 6)},
		 {KNOWN(1, AGGREGATOR_WAIT, 7, 8), GIVEN(1), FAILED(ENOTRECOVERABLE)},
		 {KNOWN(1, AGGREGATOR_CONTRIBUTE, 9, 10), GIVEN(7), GAVE(2)});
	REFUSED(aggregator_specification, 2,
		{KNOWN(1, AGGREGATOR_CONTRIBUTE, 0, 1), GIVEN(5), GAVE(1)}, {UNKNOWN(0, DIE, 2)},
		{KNOWN(1, AGGREGATOR_CONTRIBUTE, 3, 4), GIVEN(7), FAILED(ENOTRECOVERABLE)});
	REFUSED(aggregator_specification, 2 | AGGREGATOR_HAS_RETRIES,
		{KNOWN(0, AGGREGATOR_CONTRIBUTE, 0, 1), GIVEN(5), GAVE(1)}, {UNKNOWN(0, DIE, 2)},
		{KNOWN(1, AGGREGATOR_CONTRIBUTE, 3, 4), GIVEN(7), FAILED(ENOTRECOVERABLE)});
	/* A reset has its effect before it returns. */
	REFUSED(aggregator_specification, 2, {UNKNOWN(1, AGGREGATOR_RESETTING, 0)},
		{KNOWN(1, AGGREGATOR_RESET, 0, 1)}, {KNOWN(0, AGGREGATOR_STAT, 2, 3), GAVE(1, 0)});
}
END_TEST

START_TEST(a_future_that_is_set_twice_is_found)
{
	ACCEPTED(future_specification, 0, {KNOWN(0, FUTURE_PROMISE, 0, 9)},
		 {KNOWN(0, FUTURE_SETTLE, 0, 9), GIVEN(7)},
		 {KNOWN(1, FUTURE_PROMISE, 1, 2), FAILED(EALREADY)},
		 {KNOWN(1, FUTURE_SETTLE, 1, 2), GIVEN(8), FAILED(EALREADY)},
		 {KNOWN(1, FUTURE_GET, 3, 4), FAILED(ETIMEDOUT)},
		 {KNOWN(1, FUTURE_GET, 5, 6), GAVE(7)});
	REFUSED(future_specification, 0, {KNOWN(0, FUTURE_PROMISE, 0, 1)},
		{KNOWN(0, FUTURE_SETTLE, 0, 1), GIVEN(7)}, {KNOWN(1, FUTURE_PROMISE, 1, 2)},
		{KNOWN(1, FUTURE_SETTLE, 1, 2), GIVEN(8)});
	REFUSED(future_specification, 0, {KNOWN(0, FUTURE_PROMISE, 0, 1)},
		{KNOWN(1, FUTURE_IS_DONE, 2, 3), GAVE(1)});
}
END_TEST

START_TEST(a_promise_is_broken_by_death_unless_it_was_kept)
{
	ACCEPTED(future_specification, 0, {UNKNOWN(0, FUTURE_PROMISE, 0)},
		 {UNKNOWN(0, FUTURE_SETTLE, 0), GIVEN(7)}, {UNKNOWN(0, DIE, 1)},
		 {KNOWN(1, FUTURE_GET, 2, 9), FAILED(EOWNERDEAD)});
	ACCEPTED(future_specification, 0, {UNKNOWN(0, FUTURE_PROMISE, 0)},
		 {UNKNOWN(0, FUTURE_SETTLE, 0), GIVEN(7)}, {UNKNOWN(0, DIE, 1)},
		 {KNOWN(1, FUTURE_GET, 2, 9), GAVE(7)});
	REFUSED(future_specification, 0, {UNKNOWN(0, FUTURE_PROMISE, 0)},
		{UNKNOWN(0, FUTURE_SETTLE, 0), GIVEN(7)}, {UNKNOWN(0, DIE, 1)},
		{KNOWN(1, FUTURE_GET, 2, 9), FAILED(EOWNERDEAD)},
		{KNOWN(1, FUTURE_GET, 10, 11), GAVE(7)});
}
END_TEST

START_TEST(a_wait_at_a_condition_lets_the_mutex_go_and_has_it_again)
{
	ACCEPTED(condition_specification, 0, {KNOWN(0, CONDITION_LOCK, 0, 1)},
		 {KNOWN(0, CONDITION_SLEEP, 2, 19)}, {KNOWN(0, CONDITION_AWAKE, 2, 19)},
		 {KNOWN(1, CONDITION_LOCK, 3, 4)},
		 {KNOWN(1, CONDITION_TICKETS, 5, 6), GIVEN(1), GAVE(0)},
		 {KNOWN(1, CONDITION_UNLOCK, 7, 8)},
		 {KNOWN(0, CONDITION_TICKETS, 20, 21), GIVEN(-1), GAVE(1)});
	REFUSED(condition_specification, 0, {KNOWN(0, CONDITION_LOCK, 0, 1)},
		{KNOWN(0, CONDITION_SLEEP, 2, 19)}, {KNOWN(0, CONDITION_AWAKE, 2, 19)},
		{KNOWN(1, CONDITION_LOCK, 3, 4)}, {KNOWN(1, CONDITION_UNLOCK, 20, 21)});
	REFUSED(condition_specification, 0, {KNOWN(0, CONDITION_LOCK, 0, 1)},
		{KNOWN(0, CONDITION_SLEEP, 2, 19), GIVEN(HANG_TIMEOUT)},
		{KNOWN(0, CONDITION_AWAKE, 2, 19), GIVEN(HANG_TIMEOUT), FAILED(ETIMEDOUT)});
}
END_TEST

static Suite *suite(void)
{
	const TTest *const tests[] = {
		nothing_is_linearizable,
		operations_at_the_same_time_have_either_order,
		a_stale_read_is_found,
		a_value_of_nobody_is_found,
		what_has_an_unknown_outcome_may_be_later_or_never,
		what_has_an_unknown_outcome_is_not_undone_nor_twice_nor_before_its_call,
		nothing_of_a_session_lands_after_its_hold_was_taken_back,
		a_search_that_is_too_long_is_undecided,
		a_failure_is_shown,
		it_is_of_one_mind_with_a_trial_of_all_orders,
		an_addition_that_was_done_twice_is_found,
		an_update_that_was_lost_is_found,
		a_version_of_a_register_that_was_given_twice_or_left_out_is_found,
		two_holders_of_a_mutex_are_found,
		a_fencing_token_that_is_no_larger_is_found,
		a_mutex_that_is_refused_was_held,
		the_death_of_a_holder_is_told_of_once,
		a_reader_beside_a_writer_is_found,
		a_rwlock_is_refused_for_who_has_it_or_is_taking_it,
		more_permits_than_there_are_are_found,
		a_semaphore_is_exact_with_nobody_else_about,
		what_is_done_once_by_two_is_found,
		one_of_all_is_the_last_at_a_barrier_and_nobody_leaves_before,
		a_barrier_breaks_for_all_when_one_leaves_early_or_dies,
		who_is_late_by_seven_rounds_may_hear_of_the_resets_alone,
		a_latch_lets_go_at_zero,
		a_future_that_is_set_twice_is_found,
		what_a_map_or_a_set_does_not_do_is_found,
		items_of_a_queue_that_come_out_of_order_are_found,
		what_was_leased_by_who_is_killed_comes_back_first,
		what_a_round_of_an_aggregator_does_not_end_with_is_found,
		a_round_of_an_aggregator_breaks_by_a_death_unless_it_has_retries,
		a_promise_is_broken_by_death_unless_it_was_kept,
		a_wait_at_a_condition_lets_the_mutex_go_and_has_it_again,
	};
	Suite *result = suite_create("checker");
	TCase *tcase = tcase_create("checker");

	tcase_set_timeout(tcase, 120);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(result, tcase);
	return result;
}

int main(void)
{
	return run_suite_forked(suite());
}
