/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the value of a counter, and for a version of a register. */
#include "tests/await.h"
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- a wait in a thread, in a session of its own ---- */

struct waiting {
	pthread_t thread;
	struct dso_session *session;
	struct dso_counter *counter;
	struct dso_register *reg;
	/* a value to be reached, one to be left, or a version */
	int (*wait)(struct waiting *waiting);
	int64_t expected, value;
	uint64_t version;
	size_t length;
	char text[16];
	int result;
	_Atomic bool done;
};

static int until_at_least(struct waiting *waiting)
{
	return dso_counter_wait(waiting->counter, waiting->expected, HANG_TIMEOUT, &waiting->value);
}

static int until_changed(struct waiting *waiting)
{
	return dso_counter_wait_change(waiting->counter, waiting->expected, HANG_TIMEOUT,
				       &waiting->value);
}

static int until_newer(struct waiting *waiting)
{
	return dso_register_wait(waiting->reg, (uint64_t)waiting->expected, waiting->text,
				 sizeof waiting->text, HANG_TIMEOUT, &waiting->length,
				 &waiting->version);
}

static void *wait_in_thread(void *argument)
{
	struct waiting *waiting = argument;

	waiting->result = waiting->wait(waiting);
	waiting->done = true;
	return NULL;
}

/* It has parked when this returns. */
static void begin(struct waiting *waiting, int (*wait)(struct waiting *waiting), int64_t expected)
{
	uint64_t before = conformance_parked();

	*waiting = (struct waiting){
		.session = conformance_open_another(), .wait = wait, .expected = expected};
	if (wait == until_newer)
		OK(waiting->session,
		   dso_register_open(waiting->session, name, NULL, &waiting->reg));
	else
		OK(waiting->session,
		   dso_counter_open(waiting->session, name, NULL, &waiting->counter));
	ck_assert_int_eq(pthread_create(&waiting->thread, NULL, wait_in_thread, waiting), 0);
	conformance_until_parked(before + 1);
}

static void end(struct waiting *waiting)
{
	pthread_join(waiting->thread, NULL);
	dso_close(waiting->session);
}

static void end_with_value(struct waiting *waiting, int64_t value)
{
	pthread_join(waiting->thread, NULL);
	OK(waiting->session, waiting->result);
	ck_assert_int_eq(waiting->value, value);
	dso_close(waiting->session);
}

static struct dso_counter *counter_in(struct dso_session *in, uint32_t stripes)
{
	struct dso_counter_params params = {.stripes = stripes};
	struct dso_counter *counter;

	OK(in, dso_counter_open(in, name, &params, &counter));
	return counter;
}

static struct dso_register *register_in(struct dso_session *in)
{
	struct dso_register *reg;

	OK(in, dso_register_open(in, name, NULL, &reg));
	return reg;
}

/* ---- counters ---- */

START_TEST(a_value_that_is_there_is_not_waited_for)
{
	struct dso_counter *counter = counter_in(session, 1 + 3 * (unsigned)_i);
	int64_t value = 99;

	OK(session, dso_counter_add(counter, -7, NULL));
	OK(session, dso_counter_wait(counter, -7, DSO_NOWAIT, &value));
	ck_assert_int_eq(value, -7);
	OK(session, dso_counter_wait(counter, INT64_MIN, DSO_NOWAIT, NULL));
	OK(session, dso_counter_wait_change(counter, -8, DSO_NOWAIT, &value));
	ck_assert_int_eq(value, -7);
	value = 99;
	ck_assert_int_eq(dso_counter_wait(counter, -6, DSO_NOWAIT, &value), -ETIMEDOUT);
	ck_assert_int_eq(dso_counter_wait(counter, INT64_MAX, DSO_MILLISECOND, &value), -ETIMEDOUT);
	ck_assert_int_eq(dso_counter_wait_change(counter, -7, DSO_MILLISECOND, &value), -ETIMEDOUT);
	ck_assert_int_eq(value, 99);
}
END_TEST

START_TEST(an_addition_ends_the_waits_whose_value_it_reaches_and_no_other)
{
	struct dso_counter *counter = counter_in(session, 1 + 3 * (unsigned)_i);
	struct waiting two, five, other_than_zero;

	begin(&two, until_at_least, 2);
	begin(&five, until_at_least, 5);
	begin(&other_than_zero, until_changed, 0);
	OK(session, dso_counter_add(counter, 1, NULL));
	end_with_value(&other_than_zero, 1);
	ck_assert(!two.done && !five.done);
	OK(session, dso_counter_add(counter, 2, NULL));
	end_with_value(&two, 3);
	ck_assert(!five.done);
	OK(session, dso_counter_add(counter, 2, NULL));
	end_with_value(&five, 5);
	ck_assert_uint_eq(conformance_parked(), 0);
}
END_TEST

START_TEST(the_stripes_of_all_sessions_are_added_up)
{
	struct dso_session *sessions[8];
	struct waiting waiting;

	counter_in(session, 64);
	begin(&waiting, until_at_least, 8);
	for (unsigned i = 0; i < 8; i++) {
		sessions[i] = conformance_open_another();
		OK(sessions[i], dso_counter_add(counter_in(sessions[i], 0), 1, NULL));
		ck_assert(i == 7 || !waiting.done);
	}
	end_with_value(&waiting, 8);
	for (unsigned i = 0; i < 8; i++)
		dso_close(sessions[i]);
}
END_TEST

/* However it was changed, and even where the session that did so is gone without a word. */
START_TEST(every_way_to_change_a_counter_ends_a_wait)
{
	struct dso_counter *counter = counter_in(other, 1);
	struct dso_completion completion;
	struct waiting waiting;

	begin(&waiting, until_changed, 0);
	OK(other, dso_counter_set(counter, 1));
	end_with_value(&waiting, 1);
	begin(&waiting, until_changed, 1);
	OK(other, dso_counter_exchange(counter, 2, NULL));
	end_with_value(&waiting, 2);
	begin(&waiting, until_changed, 2);
	OK(other, dso_counter_cas(counter, 2, 3, NULL));
	end_with_value(&waiting, 3);
	begin(&waiting, until_changed, 3);
	OK(other, dso_counter_add_submit(counter, 1, 0));
	OK(other, dso_reap(other, &completion, 1, DSO_FOREVER, NULL));
	end_with_value(&waiting, 4);
	begin(&waiting, until_changed, 4);
	OK(other, dso_counter_add(counter, 1, NULL));
	dso_close(other);
	other = NULL;
	end_with_value(&waiting, 5);
}
END_TEST

#define ROUNDS 300

/* Each waits for the value that the one before has brought about, so that none is brought about
 * before the one before it was noticed. */
static void count_in_turn(struct party *party)
{
	struct dso_counter *counter = counter_in(party->session, 0);

	for (int64_t value = party->number; value < ROUNDS; value += 3) {
		OK(party->session, dso_counter_wait(counter, value, HANG_TIMEOUT, NULL));
		OK(party->session, dso_counter_add(counter, 1, NULL));
	}
}

START_TEST(no_value_of_many_is_missed)
{
	struct dso_counter *counter = counter_in(session, 1 + 3 * (unsigned)_i);
	int64_t value;

	parties_run(3, count_in_turn);
	OK(session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, ROUNDS);
}
END_TEST

/* ---- registers ---- */

START_TEST(a_version_that_is_newer_is_not_waited_for)
{
	struct dso_register *reg = register_in(session);
	uint64_t version = 99;
	size_t length = 99;
	char text[8];

	ck_assert_int_eq(dso_register_wait(reg, 0, text, 8, DSO_NOWAIT, &length, &version),
			 -ETIMEDOUT);
	ck_assert(length == 99 && version == 99);
	OK(session, dso_register_set(reg, "text", 4, NULL));
	OK(session, dso_register_wait(reg, 0, text, 8, DSO_NOWAIT, &length, &version));
	ck_assert(length == 4 && version == 1 && !memcmp(text, "text", 4));
	ck_assert_int_eq(dso_register_wait(reg, 1, text, 8, DSO_MILLISECOND, NULL, NULL),
			 -ETIMEDOUT);
	ck_assert_int_eq(dso_register_wait(reg, 0, text, 3, DSO_NOWAIT, &length, &version),
			 -EMSGSIZE);
	length = version = 99;
	OK(session, dso_register_wait(reg, 0, NULL, 0, DSO_NOWAIT, &length, &version));
	ck_assert(length == 4 && version == 1);
	OK(session, dso_register_wait(reg, 0, NULL, 0, DSO_NOWAIT, NULL, NULL));
}
END_TEST

START_TEST(no_version_is_newer_than_the_last_one)
{
	struct dso_register *reg = register_in(session);

	ck_assert_int_eq(
		dso_register_wait(reg, DSO_REGISTER_VERSION_MAX, NULL, 0, DSO_FOREVER, NULL, NULL),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "no version is newer than"));
	ck_assert_int_eq(dso_register_wait(reg, UINT64_MAX, NULL, 0, DSO_FOREVER, NULL, NULL),
			 -EINVAL);
}
END_TEST

static void end_with_version(struct waiting *waiting, uint64_t version, const char *text)
{
	pthread_join(waiting->thread, NULL);
	OK(waiting->session, waiting->result);
	ck_assert_uint_eq(waiting->version, version);
	ck_assert_uint_eq(waiting->length, strlen(text));
	ck_assert(!memcmp(waiting->text, text, strlen(text)));
	dso_close(waiting->session);
}

START_TEST(every_way_to_set_a_register_ends_the_waits_that_it_is_new_for)
{
	struct dso_register *reg = register_in(session);
	struct waiting first, second, third;
	char text[8];

	begin(&first, until_newer, 0);
	begin(&second, until_newer, 1);
	begin(&third, until_newer, 2);
	OK(session, dso_register_set(reg, "first", 5, NULL));
	end_with_version(&first, 1, "first");
	/* The others were woken in vain, and wait again. */
	conformance_until_parked(2);
	OK(session, dso_register_set_if_version(reg, 1, "second", 6, NULL));
	end_with_version(&second, 2, "second");
	conformance_until_parked(1);
	OK(session, dso_register_exchange(reg, "third", 5, text, sizeof text, NULL, NULL));
	end_with_version(&third, 3, "third");
	ck_assert_uint_eq(conformance_parked(), 0);
}
END_TEST

START_TEST(an_exchange_that_fails_leaves_those_who_wait_as_they_are)
{
	struct dso_register *reg = register_in(session);
	struct waiting waiting;
	char text[2];

	OK(session, dso_register_set(reg, "long", 4, NULL));
	begin(&waiting, until_newer, 1);
	ck_assert_int_eq(dso_register_exchange(reg, "x", 1, text, sizeof text, NULL, NULL),
			 -EMSGSIZE);
	ck_assert(!waiting.done);
	OK(session, dso_register_set(reg, "next", 4, NULL));
	end_with_version(&waiting, 2, "next");
}
END_TEST

START_TEST(a_wait_that_was_given_up_keeps_nobody_from_the_register)
{
	struct dso_register *reg = register_in(session), *theirs = register_in(other);
	uint64_t version;

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(
			dso_register_wait(theirs, i, NULL, 0, 5 * DSO_MILLISECOND, NULL, NULL),
			-ETIMEDOUT);
		OK(session, dso_register_set_if_version(reg, i, "x", 1, &version));
		ck_assert_uint_eq(version, i + 1);
	}
	ck_assert_int_eq(dso_register_wait(theirs, 3, NULL, 0, 5 * DSO_MILLISECOND, NULL, NULL),
			 -ETIMEDOUT);
	OK(other, dso_register_set(theirs, "y", 1, &version));
	ck_assert_uint_eq(version, 4);
}
END_TEST

/* Three readers follow a writer that does not wait for them; two writers take turns. */
static void follow_or_write(struct party *party)
{
	struct dso_register *reg = register_in(party->session);
	uint64_t seen = 0, version;
	char text[256] = "";

	while (party->number < 3 && seen < 2 * ROUNDS) {
		OK(party->session,
		   dso_register_wait(reg, seen, text, sizeof text, HANG_TIMEOUT, NULL, &version));
		ck_assert_uint_gt(version, seen);
		seen = version;
	}
	for (unsigned i = 0; party->number >= 3 && i < ROUNDS; i++)
		OK(party->session, dso_register_set(reg, text, i % sizeof text, NULL));
}

START_TEST(no_last_version_of_many_is_missed)
{
	parties_run(5, follow_or_write);
}
END_TEST

/* ---- the ends of a wait ---- */

static void make(int (*wait)(struct waiting *waiting))
{
	if (wait == until_newer)
		register_in(session);
	else
		counter_in(session, 0);
}

static int (*const waits[])(struct waiting *waiting) = {until_at_least, until_changed, until_newer};

/* With these none of them ends. */
static const int64_t never[] = {1, 0, 0};

START_TEST(a_wait_is_interrupted)
{
	struct waiting waiting;

	make(waits[_i]);
	begin(&waiting, waits[_i], never[_i]);
	dso_interrupt(waiting.session);
	end(&waiting);
	ck_assert_int_eq(waiting.result, -ECANCELED);
}
END_TEST

START_TEST(a_wait_ends_when_its_object_is_deleted)
{
	struct waiting waiting;

	make(waits[_i]);
	begin(&waiting, waits[_i], never[_i]);
	OK(session, dso_object_delete(session, name));
	end(&waiting);
	ck_assert_int_eq(waiting.result, -ESTALE);
}
END_TEST

START_TEST(a_wait_survives_the_end_of_other_sessions_of_its_object)
{
	struct waiting waiting, gone;

	make(waits[_i]);
	begin(&waiting, waits[_i], never[_i]);
	begin(&gone, waits[_i], never[_i]);
	dso_interrupt(gone.session);
	end(&gone);
	dso_close(other);
	other = NULL;
	ck_assert(!waiting.done);
	conformance_until_parked(1);
	dso_interrupt(waiting.session);
	end(&waiting);
	ck_assert_int_eq(waiting.result, -ECANCELED);
}
END_TEST

START_TEST(a_wait_takes_no_deadline_before_time_began)
{
	struct dso_counter *counter = counter_in(session, 1);
	struct dso_register *reg;

	OK(session, dso_register_open(session, conformance_name(), NULL, &reg));
	ck_assert_int_eq(dso_counter_wait(counter, 1, -2, NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "timeout is -2 ns"));
	ck_assert_int_eq(dso_counter_wait_change(counter, 0, INT64_MIN, NULL), -EINVAL);
	ck_assert_int_eq(dso_register_wait(reg, 0, NULL, 0, -2, NULL, NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "timeout is -2 ns"));
}
END_TEST

Suite *conformance_value_suite(void)
{
	Suite *suite = suite_create("value");
	TCase *tcase = tcase_create("value");

	tcase_set_timeout(tcase, 240);
	tcase_add_checked_fixture(tcase, pair_begin, pair_end);
	tcase_add_loop_test(tcase, a_value_that_is_there_is_not_waited_for, 0, 2);
	tcase_add_loop_test(tcase, an_addition_ends_the_waits_whose_value_it_reaches_and_no_other,
			    0, 2);
	tcase_add_test(tcase, the_stripes_of_all_sessions_are_added_up);
	tcase_add_test(tcase, every_way_to_change_a_counter_ends_a_wait);
	tcase_add_loop_test(tcase, no_value_of_many_is_missed, 0, 2);
	tcase_add_test(tcase, a_version_that_is_newer_is_not_waited_for);
	tcase_add_test(tcase, no_version_is_newer_than_the_last_one);
	tcase_add_test(tcase, every_way_to_set_a_register_ends_the_waits_that_it_is_new_for);
	tcase_add_test(tcase, an_exchange_that_fails_leaves_those_who_wait_as_they_are);
	tcase_add_test(tcase, a_wait_that_was_given_up_keeps_nobody_from_the_register);
	tcase_add_test(tcase, no_last_version_of_many_is_missed);
	tcase_add_loop_test(tcase, a_wait_is_interrupted, 0, 3);
	tcase_add_loop_test(tcase, a_wait_ends_when_its_object_is_deleted, 0, 3);
	tcase_add_loop_test(tcase, a_wait_survives_the_end_of_other_sessions_of_its_object, 0, 3);
	tcase_add_test(tcase, a_wait_takes_no_deadline_before_time_began);
	suite_add_tcase(suite, tcase);
	return suite;
}
