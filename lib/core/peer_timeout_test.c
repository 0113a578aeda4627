/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/peer_timeout.h"
#include "tests/runner.h"

#define WHOLE_NS INT64_C(4000)
#define PEERS    40

static struct peer_timers timers;
static struct peer_timer peers[PEERS];

static void setup(void)
{
	timers = (struct peer_timers){.whole_ns = WHOLE_NS};
	for (unsigned i = 0; i < PEERS; i++)
		peers[i] = (struct peer_timer){0};
}

START_TEST(a_peer_is_given_up_when_the_whole_timeout_has_passed)
{
	peer_timer_begin(&timers, &peers[0], 100);
	ck_assert_int_eq(peer_timers_due_ns(&timers), 100 + WHOLE_NS / 4 * 3);
	ck_assert_ptr_null(peer_timers_over(&timers, 100 + WHOLE_NS / 4 * 3));
	ck_assert_int_eq(peer_timers_due_ns(&timers), 100 + WHOLE_NS);
	ck_assert_ptr_null(peer_timers_over(&timers, 100 + WHOLE_NS - 1));
	ck_assert_ptr_eq(peer_timers_over(&timers, 100 + WHOLE_NS), &peers[0]);
	/* It is over until it is ended or begins anew. */
	ck_assert_ptr_eq(peer_timers_over(&timers, 100 + WHOLE_NS), &peers[0]);
	peer_timer_end(&timers, &peers[0]);
	peer_timer_end(&timers, &peers[0]);
	ck_assert_ptr_null(peer_timers_over(&timers, 100 + WHOLE_NS));
	ck_assert_int_eq(peer_timers_due_ns(&timers), INT64_MAX);
}
END_TEST

START_TEST(a_process_that_stood_still_gives_its_peers_the_last_quarter)
{
	int64_t late_ns = 100 * WHOLE_NS;

	peer_timer_begin(&timers, &peers[0], 0);
	ck_assert_ptr_null(peer_timers_over(&timers, late_ns));
	ck_assert_ptr_null(peer_timers_over(&timers, late_ns + WHOLE_NS / 4 - 1));
	ck_assert_ptr_eq(peer_timers_over(&timers, late_ns + WHOLE_NS / 4), &peers[0]);
}
END_TEST

START_TEST(a_peer_that_is_heard_of_is_not_given_up_and_does_not_delay_others)
{
	int64_t now_ns = 0;

	for (unsigned i = 0; i < PEERS; i++)
		peer_timer_begin(&timers, &peers[i], 0);
	/* All but the last say something now and then. */
	for (unsigned turn = 0; turn < 4; turn++) {
		now_ns += WHOLE_NS / 4;
		for (unsigned i = 0; i < PEERS - 1; i++)
			peer_timer_begin(&timers, &peers[i], now_ns);
		ck_assert_ptr_eq(peer_timers_over(&timers, now_ns),
				 turn == 3 ? &peers[PEERS - 1] : NULL);
	}
	peer_timer_end(&timers, &peers[PEERS - 1]);
	ck_assert_ptr_null(peer_timers_over(&timers, now_ns));
}
END_TEST

START_TEST(time_that_the_thread_was_not_let_run_is_no_silence)
{
	peer_timer_begin(&timers, &peers[0], 0);
	timers.starved_ns = WHOLE_NS;
	ck_assert_int_eq(peer_timers_due_ns(&timers), WHOLE_NS + WHOLE_NS / 4 * 3);
	ck_assert_ptr_null(peer_timers_over(&timers, WHOLE_NS + WHOLE_NS / 4 * 3));
	ck_assert_ptr_null(peer_timers_over(&timers, 2 * WHOLE_NS - 1));
	ck_assert_ptr_eq(peer_timers_over(&timers, 2 * WHOLE_NS), &peers[0]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peer timeout");
	TCase *tests = tcase_create("peer timeout");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, a_peer_is_given_up_when_the_whole_timeout_has_passed);
	tcase_add_test(tests, a_process_that_stood_still_gives_its_peers_the_last_quarter);
	tcase_add_test(tests, a_peer_that_is_heard_of_is_not_given_up_and_does_not_delay_others);
	tcase_add_test(tests, time_that_the_thread_was_not_let_run_is_no_silence);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
