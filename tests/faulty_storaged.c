/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that breaks the protocol (tests/faulty_replies.h). The library must come back with an
 * error, and do nothing else. Random answers come from FAULTY_SEED, which is
 * printed.
 */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/faulty_replies.h"
#include "tests/runner.h"

static const char *url;

START_TEST(a_faulty_storaged_costs_an_error_and_nothing_else)
{
	struct dso_options options = {.transport = "tcp", .timeout = DSO_SECOND / 5};
	struct dso_session *session = NULL;
	struct dso_counter *counter = NULL;
	int r;

	fault = (enum fault)(_i % FAULT_COUNT);
	/* These are told at once: a loaded machine has all the time it takes. */
	if (fault >= OPEN_OUTSIDE_THE_REGION && fault < DATA_OF_ANOTHER_OPCODE)
		options.timeout = 20 * DSO_SECOND;
	r = dso_open(url, &options, &session);
	if (fault < OPEN_OUTSIDE_THE_REGION)
		ck_assert_msg(r < 0 && strlen(dso_error(NULL)) > 20, "fault %d: %d %s", (int)fault,
			      r, dso_error(NULL));
	if (r == 0)
		r = dso_counter_open(session, "c", NULL, &counter);
	if (fault >= OPEN_OUTSIDE_THE_REGION && fault < DATA_OF_ANOTHER_OPCODE)
		ck_assert_msg(r == -EPROTO, "fault %d: %d", (int)fault, r);
	if (r == 0)
		r = dso_counter_add(counter, 1, NULL);
	ck_assert_msg(r < 0, "fault %d was believed", (int)fault);
	dso_close(session);
}
END_TEST

/* A session with a storaged that tells @told. That is told at once: a loaded machine has all the
 * time it takes. */
static struct dso_session *open_to(enum fault told)
{
	struct dso_options options = {.transport = "tcp", .timeout = 20 * DSO_SECOND};
	struct dso_session *session;

	fault = told;
	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	return session;
}

static struct dso_memory *memory_in(struct dso_session *session)
{
	struct dso_memory *memory;

	ck_assert_int_eq(dso_memory_open(session, "m", NULL, &memory), 0);
	return memory;
}

/* Open an object by a function of dso.h, with the parameters of what is there. */
#define OPENED(session, type)                                                               \
	({                                                                                  \
		struct dso_##type *opened_;                                                 \
		ck_assert_msg(dso_##type##_open(session, #type, NULL, &opened_) == 0, "%s", \
			      dso_error(session));                                          \
		opened_;                                                                    \
	})

static int count_hold(const struct dso_hold *hold, void *context)
{
	(void)hold;
	++*(unsigned *)context;
	return 0;
}

START_TEST(faulty_answers_about_holds_are_not_believed)
{
	struct dso_session *session = open_to((enum fault)_i);
	unsigned count = 0;
	int r;

	r = dso_holds(session, count_hold, &count);
	ck_assert_msg(r == (fault == HOLDS_UNKNOWN ? -EOPNOTSUPP : -EPROTO), "fault %d: %d %s",
		      (int)fault, r, dso_error(session));
	ck_assert_uint_eq(count, fault == HOLDS_THAT_NEVER_END);
	ck_assert_int_eq(dso_ping(session, NULL), r == -EPROTO ? -ENOTCONN : 0);
	dso_close(session);
}
END_TEST

static int count_object(const struct dso_stat *stat, void *context)
{
	(void)stat;
	++*(unsigned *)context;
	return 0;
}

/* To all of these the faulty storaged says nothing more than that they are done. */
START_TEST(an_answer_that_is_too_short_ends_the_session)
{
	struct dso_session *session = open_to(TAKEN_CUT_SHORT);
	struct dso_server_stat server;
	struct dso_stat stat;
	unsigned count = 0;
	int r = _i == 0   ? dso_object_stat(session, "m", &stat)
		: _i == 1 ? dso_list(session, count_object, &count)
			  : dso_server_stat(session, &server);

	ck_assert_int_eq(r, -EPROTO);
	ck_assert_uint_eq(count, 0);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "broke the protocol"));
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

START_TEST(a_listing_that_does_not_go_on_ends_the_session)
{
	struct dso_session *session = open_to(LISTING_THAT_NEVER_ENDS);
	unsigned count = 0;

	ck_assert_int_eq(dso_list(session, count_object, &count), -EPROTO);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

START_TEST(a_session_that_is_too_late_for_the_whole_timeout_sets_no_counter)
{
	struct dso_options options = {.transport = "tcp", .timeout = 2 * DSO_SECOND};
	struct dso_session *session;
	struct dso_counter *counter;
	int64_t before = 99;

	fault = WORDS_THAT_CHANGE;
	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_int_eq(dso_counter_open(session, "c", NULL, &counter), 0);
	ck_assert_int_eq(dso_counter_set(counter, 1), -ETIMEDOUT);
	ck_assert_int_eq(dso_counter_exchange(counter, 1, &before), -ETIMEDOUT);
	ck_assert_int_eq(before, 99);
	ck_assert_int_eq(dso_ping(session, NULL), 0);
	dso_close(session);
}
END_TEST

START_TEST(what_an_older_storaged_does_not_know_is_told)
{
	struct dso_session *session = open_to(NO_FEATURES);
	struct dso_memory *memory = memory_in(session);
	struct dso_counter_params ephemeral = {.ephemeral = DSO_EPHEMERAL};
	struct dso_counter *opened, *counter = OPENED(session, counter);
	uint32_t woken = 9;
	unsigned count = 0;
	int64_t value = 99;

	ck_assert_int_eq(dso_memory_wait(memory, 0, 0, DSO_SECOND), -EOPNOTSUPP);
	ck_assert_int_eq(
		dso_register_wait(OPENED(session, register), 0, NULL, 0, DSO_SECOND, NULL, NULL),
		-EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "too old"));
	ck_assert_int_eq(dso_counter_wait(counter, 1, DSO_SECOND, &value), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "too old"));
	ck_assert_int_eq(dso_counter_wait_change(counter, 0, DSO_SECOND, &value), -EOPNOTSUPP);
	ck_assert_int_eq(value, 99);
	ck_assert_int_eq(dso_counter_wait(counter, 0, DSO_SECOND, &value), 0);
	ck_assert_int_eq(dso_delete_prefix(session, "a", NULL), -EOPNOTSUPP);
	ck_assert_int_eq(dso_counter_open(session, "a", &ephemeral, &opened), -EOPNOTSUPP);
	ck_assert_int_eq(dso_memory_wake(memory, 0, 1, &woken), -EOPNOTSUPP);
	ck_assert_int_eq(dso_memory_wake(memory, 0, 1, NULL), -EOPNOTSUPP);
	ck_assert_uint_eq(woken, 9);
	ck_assert_int_eq(dso_holds(session, count_hold, &count), -EOPNOTSUPP);
	ck_assert_int_eq(dso_barrier_reset(OPENED(session, barrier)), -EOPNOTSUPP);
	ck_assert_int_eq(dso_ping(session, NULL), 0);
	/* What need not wait does not. */
	ck_assert_int_eq(dso_memory_wait(memory, 0, 1, DSO_SECOND), 0);
	dso_close(session);
}
END_TEST

static void expect_lost(struct dso_session *session, int r)
{
	ck_assert_msg(r == -ECONNRESET, "%d %s", r, dso_error(session));
	ck_assert_msg(strstr(dso_error(session), "may or may not"), "%s", dso_error(session));
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}

START_TEST(faulty_answers_about_what_was_taken_are_not_believed)
{
	struct dso_session *session = open_to((enum fault)_i);
	struct dso_memory *memory = memory_in(session);

	expect_lost(session, dso_memory_wait(memory, 0, 0, 20 * DSO_SECOND));
}
END_TEST

/* The change before the wake-up has happened: -ETIMEDOUT would say that it has not. */
START_TEST(a_change_after_which_the_wake_up_is_not_answered_has_an_unknown_outcome)
{
	static const enum fault faults[] = {TAKEN_CUT_SHORT, WAKES_UNANSWERED};
	struct dso_session *session = open_to(faults[_i]);
	int r = dso_barrier_reset(OPENED(session, barrier));

	ck_assert_msg(r == -ECONNRESET, "%d %s", r, dso_error(session));
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

START_TEST(a_wake_up_alone_that_is_answered_with_too_little_breaks_the_protocol)
{
	struct dso_session *session = open_to(TAKEN_CUT_SHORT);
	struct dso_memory *memory = memory_in(session);
	uint32_t woken = 9;

	ck_assert_int_eq(dso_memory_wake(memory, 0, 1, &woken), -EPROTO);
	ck_assert_uint_eq(woken, 9);
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

/* ---- a device that fails ---- */

static int read_memory(struct dso_session *session)
{
	uint64_t word;

	return dso_memory_read(OPENED(session, memory), 0, &word, sizeof word);
}

static int add_to_memory(struct dso_session *session)
{
	return dso_memory_fetch_add(OPENED(session, memory), 0, 1, NULL);
}

static int lock_mutex(struct dso_session *session)
{
	return dso_mutex_lock(OPENED(session, mutex), DSO_NOWAIT, NULL);
}

static int lock_mutex_for_token(struct dso_session *session)
{
	uint64_t token;

	return dso_mutex_lock(OPENED(session, mutex), DSO_NOWAIT, &token);
}

static int lock_to_read(struct dso_session *session)
{
	return dso_rwlock_rdlock(OPENED(session, rwlock), DSO_NOWAIT);
}

static int lock_to_write(struct dso_session *session)
{
	return dso_rwlock_wrlock(OPENED(session, rwlock), DSO_NOWAIT);
}

static int acquire_permit(struct dso_session *session)
{
	return dso_semaphore_acquire(OPENED(session, semaphore), 1, DSO_NOWAIT);
}

static int wait_at_barrier(struct dso_session *session)
{
	return dso_barrier_wait(OPENED(session, barrier), DSO_NOWAIT, NULL);
}

static int begin_once(struct dso_session *session)
{
	int mine;

	return dso_once_begin(OPENED(session, once), DSO_NOWAIT, &mine);
}

static const struct {
	int (*run)(struct dso_session *session);
	uint64_t first_parameter;
} operations[] = {
	{read_memory, 64},         {add_to_memory, 64},   {lock_mutex, 0},
	{lock_mutex_for_token, 0}, {lock_to_read, 64},    {lock_to_write, 64},
	{acquire_permit, 64},      {wait_at_barrier, 64}, {begin_once, 0},
};

#define OPERATIONS (int)(sizeof operations / sizeof *operations)

/* It may have taken a lock, which storaged takes back when the session is over. */
START_TEST(an_operation_whose_outcome_storaged_does_not_know_ends_the_session)
{
	struct dso_session *session =
		open_to(_i < OPERATIONS ? DEVICE_FAILS : DEVICE_FAILS_STRANGELY);

	first_parameter = operations[_i % OPERATIONS].first_parameter;
	expect_lost(session, operations[_i % OPERATIONS].run(session));
	first_parameter = 64;
}
END_TEST

START_TEST(a_wait_in_which_the_device_failed_ends_the_session)
{
	struct dso_session *session = open_to((enum fault)_i);
	struct dso_memory *memory = memory_in(session);

	expect_lost(session, dso_memory_wait(memory, 0, 0, 20 * DSO_SECOND));
}
END_TEST

/* ---- answers that are none ---- */

static int wait_for_a_change(struct dso_session *session, struct dso_memory *memory)
{
	(void)session;
	return dso_memory_wait(memory, 0, 0, 20 * DSO_SECOND);
}

static int ping(struct dso_session *session, struct dso_memory *memory)
{
	(void)memory;
	return dso_ping(session, NULL);
}

static int delete (struct dso_session *session, struct dso_memory *memory)
{
	(void)memory;
	return dso_object_delete(session, "m");
}

static int wake(struct dso_session *session, struct dso_memory *memory)
{
	uint32_t woken;

	(void)session;
	return dso_memory_wake(memory, 0, 1, &woken);
}

static int (*const requests[])(struct dso_session *session,
			       struct dso_memory *memory) = {wait_for_a_change, ping, delete, wake};

START_TEST(an_answer_to_another_request_ends_the_session)
{
	struct dso_session *session = open_to(ANSWERS_OF_ANOTHER_TYPE);
	struct dso_memory *memory = memory_in(session);
	int r;

	r = requests[_i](session, memory);
	ck_assert_msg(r == -ENOTCONN || r == -ECONNRESET, "%d %s", r, dso_error(session));
	ck_assert_msg(strstr(dso_error(session), "another type"), "%s", dso_error(session));
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

/* A DELETE is answered when everybody was told: without an answer it may have been done. Everything
 * else is answered at once, in order: without an answer it was not done. */
START_TEST(of_what_was_fenced_without_an_answer_only_a_deletion_may_have_been_done)
{
	struct dso_session *session = open_to(FENCED_INSTEAD_OF_AN_ANSWER);
	struct dso_memory *memory = memory_in(session);
	int r;

	r = requests[_i](session, memory);
	ck_assert_msg(r == (requests[_i] == delete ? -ECONNRESET : -ESHUTDOWN), "%d: %s", r,
		      dso_error(session));
	ck_assert_msg(strstr(dso_error(session), "it was silent"), "%s", dso_error(session));
	ck_assert_int_eq(delete (session, memory), -ESHUTDOWN);
	dso_close(session);
}
END_TEST

START_TEST(faulty_answers_about_the_place_of_a_value_are_not_believed)
{
	struct dso_session *session = open_to((enum fault)_i);
	struct dso_future *future;
	int r;

	r = dso_future_open(session, "f", NULL, &future);
	ck_assert_msg(r == (fault == ANNEX_INSIDE ? 0 : -EPROTO), "fault %d: %d %s", (int)fault, r,
		      dso_error(session));
	dso_close(session);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faulty_storaged");
	TCase *tcase = tcase_create("faulty_storaged");
	unsigned seed = (unsigned)number_of("FAULTY_SEED", (int)time(NULL));

	printf("# FAULTY_SEED=%u\n", seed);
	url = faulty_replies_begin(seed);
	if (!url)
		return 1;
	tcase_add_loop_test(tcase, a_faulty_storaged_costs_an_error_and_nothing_else, 0,
			    2 * FAULT_COUNT);
	tcase_add_loop_test(tcase, faulty_answers_about_holds_are_not_believed,
			    HOLDS_THAT_NEVER_END, HOLDS_UNKNOWN + 1);
	tcase_add_loop_test(tcase, an_answer_that_is_too_short_ends_the_session, 0, 3);
	tcase_add_test(tcase, a_listing_that_does_not_go_on_ends_the_session);
	tcase_add_test(tcase, a_session_that_is_too_late_for_the_whole_timeout_sets_no_counter);
	tcase_add_test(tcase, what_an_older_storaged_does_not_know_is_told);
	tcase_add_loop_test(tcase,
			    a_change_after_which_the_wake_up_is_not_answered_has_an_unknown_outcome,
			    0, 2);
	tcase_add_test(tcase, a_wake_up_alone_that_is_answered_with_too_little_breaks_the_protocol);
	tcase_add_loop_test(tcase, faulty_answers_about_what_was_taken_are_not_believed,
			    TAKEN_CUT_SHORT, TAKEN_FOR_ANOTHER + 1);
	tcase_add_loop_test(tcase, faulty_answers_about_the_place_of_a_value_are_not_believed,
			    ANNEX_OUTSIDE_THE_REGION, ANNEX_INSIDE + 1);
	tcase_add_loop_test(tcase, an_answer_to_another_request_ends_the_session, 0,
			    sizeof requests / sizeof *requests);
	tcase_add_loop_test(tcase,
			    of_what_was_fenced_without_an_answer_only_a_deletion_may_have_been_done,
			    1, sizeof requests / sizeof *requests);
	tcase_add_loop_test(tcase,
			    an_operation_whose_outcome_storaged_does_not_know_ends_the_session, 0,
			    2 * OPERATIONS);
	tcase_add_loop_test(tcase, a_wait_in_which_the_device_failed_ends_the_session,
			    DEVICE_FAILS_IN_A_WAIT, WAIT_FAILS_STRANGELY + 1);
	tcase_set_timeout(tcase, 300);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
