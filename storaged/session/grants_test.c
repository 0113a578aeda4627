/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at a word that was given away, on a clock of the test's own: when it is taken back, and
 * when it is not. */
#include "storaged/session/grants.h"
#include "proto/layout.h"
#include "tests/runner.h"

#define WORD    8
#define OWNER   7
#define HOUR_NS INT64_C(3600000000000)

static uint64_t memory[8];
static struct name_space space;
static struct waiter waiter;
static struct deadlines grants;
static int64_t now_ns;

static void give(uint64_t value)
{
	memory[WORD / 8] = value;
	waiter.parked.at.word = WORD;
	grant_begin(&grants, &waiter, value, now_ns);
}

static void setup(void)
{
	now_ns = HOUR_NS;
	space = (struct name_space){0};
	waiter_init(&waiter, &space, NULL, NULL, NULL);
	deadlines_init(&grants, GRANT_NS);
	ck_assert_int_eq(transport_cpu_open(memory, sizeof memory, &space.transport), 0);
	give(owned_word(5, OWNER) | OWNED_GRANTED);
}

static void teardown(void)
{
	transport_ops(space.transport)->close(space.transport);
}

/* The timer goes off @late_ns behind its time. Returns whether the word was taken back. */
static bool timer_goes_off(int64_t late_ns)
{
	struct waiter *taken;
	bool was_taken;

	now_ns = deadline_first(&grants)->at_ns + late_ns;
	was_taken = grants_check(&grants, now_ns, &taken);
	ck_assert_int_eq(was_taken, owned_word_owner(memory[WORD / 8]) == 0);
	return was_taken;
}

START_TEST(two_looks_in_time_take_a_word_back_and_one_does_not)
{
	ck_assert(!timer_goes_off(0));
	ck_assert(timer_goes_off(0));
	ck_assert_ptr_null(deadline_first(&grants));
}
END_TEST

START_TEST(looks_behind_a_standstill_do_not_count)
{
	ck_assert(!timer_goes_off(HOUR_NS));
	ck_assert(!timer_goes_off(0));
	ck_assert(!timer_goes_off(HOUR_NS));
	ck_assert(timer_goes_off(0));
}
END_TEST

START_TEST(a_word_that_was_taken_up_behind_a_standstill_stays_where_it_is)
{
	ck_assert(!timer_goes_off(HOUR_NS));
	memory[WORD / 8] &= ~(uint64_t)OWNED_GRANTED;
	ck_assert(!timer_goes_off(0));
	ck_assert_ptr_null(deadline_first(&grants));
}
END_TEST

START_TEST(a_storaged_that_is_late_always_takes_a_word_back_in_the_end)
{
	for (unsigned i = 1; i < GRANT_LOOKS_MAX; i++)
		ck_assert(!timer_goes_off(GRANT_NS));
	ck_assert(timer_goes_off(GRANT_NS));
}
END_TEST

START_TEST(a_session_that_missed_grants_has_twice_the_looks_each_time_up_to_a_limit)
{
	static const unsigned looks[] = {2, 4, 8, 16, GRANT_LOOKS_MAX, GRANT_LOOKS_MAX};

	for (unsigned i = 0; i < sizeof looks / sizeof *looks; i++) {
		for (unsigned j = 1; j < looks[i]; j++)
			ck_assert(!timer_goes_off(0));
		ck_assert(timer_goes_off(0));
		give(owned_word(6 + i, OWNER) | OWNED_GRANTED);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("grants");
	TCase *tests = tcase_create("grants");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, two_looks_in_time_take_a_word_back_and_one_does_not);
	tcase_add_test(tests, looks_behind_a_standstill_do_not_count);
	tcase_add_test(tests, a_word_that_was_taken_up_behind_a_standstill_stays_where_it_is);
	tcase_add_test(tests, a_storaged_that_is_late_always_takes_a_word_back_in_the_end);
	tcase_add_test(tests,
		       a_session_that_missed_grants_has_twice_the_looks_each_time_up_to_a_limit);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
