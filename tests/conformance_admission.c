/* SPDX-License-Identifier: Apache-2.0 */
/* Semaphore, barrier, latch and future. */
#include "tests/await.h"
#include "tests/bytes.h"
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SHORT   (30 * DSO_MILLISECOND)
#define PARTIES 4
#define ROUNDS  50

static _Atomic unsigned count, last_count;

static void setup(void)
{
	pair_begin();
	count = last_count = 0;
}

/* ---- semaphore ---- */

START_TEST(a_semaphore_has_as_many_permits_as_it_has)
{
	struct dso_semaphore *mine = semaphore_in(session, 3), *theirs = semaphore_in(other, 3);
	uint32_t available;

	OK(session, dso_semaphore_acquire(mine, 2, DSO_NOWAIT));
	ck_assert_int_eq(dso_semaphore_acquire(theirs, 2, DSO_NOWAIT), -ETIMEDOUT);
	OK(other, dso_semaphore_acquire(theirs, 1, DSO_NOWAIT));
	ck_assert_int_eq(dso_semaphore_acquire(theirs, 1, SHORT), -ETIMEDOUT);
	OK(other, dso_semaphore_available(theirs, &available));
	ck_assert_uint_eq(available, 0);
	OK(session, dso_semaphore_release(mine, 1));
	OK(other, dso_semaphore_acquire(theirs, 1, HANG_TIMEOUT));
	ck_assert_int_eq(dso_semaphore_release(mine, 2), -EPERM);
	ck_assert_int_eq(dso_semaphore_release(mine, 0), -EINVAL);
	ck_assert_int_eq(dso_semaphore_acquire(mine, 0, DSO_NOWAIT), -EINVAL);
	ck_assert_int_eq(dso_semaphore_acquire(mine, 4, DSO_NOWAIT), -EINVAL);
	OK(other, dso_semaphore_release(theirs, 2));
	OK(session, dso_semaphore_release(mine, 1));
	OK(session, dso_semaphore_acquire(mine, 3, DSO_NOWAIT));
}
END_TEST

START_TEST(a_semaphore_is_created_with_its_permits_and_opened_with_no_others)
{
	struct dso_semaphore_params params = {.permits = 5};
	struct dso_semaphore *semaphore;

	ck_assert_int_eq(dso_semaphore_open(session, name, NULL, &semaphore), -EINVAL);
	semaphore_in(session, 4);
	OK(session, dso_semaphore_open(session, name, NULL, &semaphore));
	semaphore_in(session, 0);
	ck_assert_int_eq(dso_semaphore_open(session, name, &params, &semaphore), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "permits"));
	params.permits = DSO_SEMAPHORE_PERMITS_MAX + 1;
	ck_assert_int_eq(dso_semaphore_open(session, "x", &params, &semaphore), -EINVAL);
}
END_TEST

static void pass(struct party *party)
{
	struct dso_semaphore *semaphore = semaphore_in(party->session, 3);

	for (unsigned i = 0; i < 60; i++) {
		uint32_t permits = 1 + (i + party->number) % 3;

		OK(party->session, dso_semaphore_acquire(semaphore, permits, HANG_TIMEOUT));
		ck_assert_uint_le(atomic_fetch_add(&count, permits) + permits, 3);
		atomic_fetch_sub(&count, permits);
		OK(party->session, dso_semaphore_release(semaphore, permits));
	}
}

START_TEST(never_more_are_in_than_there_are_permits)
{
	struct dso_semaphore *mine = semaphore_in(session, 3);

	parties_run(PARTIES, pass);
	OK(session, dso_semaphore_acquire(mine, 3, DSO_NOWAIT));
}
END_TEST

static void wait_for_permit(struct party *party)
{
	OK(party->session, dso_semaphore_acquire(semaphore_in(party->session, 2), 1, HANG_TIMEOUT));
}

START_TEST(permits_of_a_session_that_ended_come_back)
{
	struct dso_session *dying = conformance_open_another();
	struct dso_semaphore *mine = semaphore_in(session, 2);

	OK(dying, dso_semaphore_acquire(semaphore_in(dying, 2), 2, DSO_FOREVER));
	parties_begin(2, wait_for_permit);
	conformance_until_parked(2);
	dso_close(dying);
	parties_end();
	OK(session, dso_semaphore_acquire(mine, 2, HANG_TIMEOUT));
	dso_semaphore_close(mine);
	OK(other, dso_semaphore_acquire(semaphore_in(other, 2), 2, HANG_TIMEOUT));
}
END_TEST

/* ---- barrier ---- */

/* Until @parties have come. */
static void until_waiting(struct dso_barrier *barrier, uint32_t parties)
{
	uint32_t waiting = 0;

	AWAIT(dso_barrier_stat(barrier, NULL, &waiting, NULL) || waiting >= parties);
	ck_assert_uint_eq(waiting, parties);
}

static void cross(struct party *party)
{
	struct dso_barrier *barrier = barrier_in(party->session, PARTIES);

	for (unsigned round = 0; round < ROUNDS; round++) {
		int last;

		ck_assert_uint_ge(atomic_fetch_add(&count, 1), round * PARTIES);
		OK(party->session, dso_barrier_wait(barrier, HANG_TIMEOUT, &last));
		ck_assert_uint_ge(count, (round + 1) * PARTIES);
		last_count += (unsigned)last;
		/* Nobody is in the next round before all are out of the check above. */
		OK(party->session, dso_barrier_wait(barrier, HANG_TIMEOUT, NULL));
	}
}

START_TEST(nobody_crosses_a_barrier_before_the_others_have_come)
{
	parties_run(PARTIES, cross);
	ck_assert_uint_eq(count, PARTIES * ROUNDS);
	ck_assert_uint_eq(last_count, ROUNDS);
}
END_TEST

START_TEST(a_barrier_of_one_is_always_open)
{
	struct dso_barrier *barrier = barrier_in(session, 1);
	uint32_t parties, waiting;
	int last, broken;

	for (int i = 0; i < 3; i++) {
		OK(session, dso_barrier_wait(barrier, DSO_NOWAIT, &last));
		ck_assert_int_eq(last, 1);
	}
	OK(session, dso_barrier_stat(barrier, &parties, &waiting, &broken));
	ck_assert(parties == 1 && waiting == 0 && !broken);
}
END_TEST

static void find_it_broken(struct party *party)
{
	ck_assert_int_eq(dso_barrier_wait(barrier_in(party->session, 4), HANG_TIMEOUT, NULL),
			 -ENOTRECOVERABLE);
}

static void cross_once(struct party *party)
{
	OK(party->session, dso_barrier_wait(barrier_in(party->session, 4), HANG_TIMEOUT, NULL));
}

START_TEST(a_party_that_leaves_a_barrier_breaks_it_until_it_is_reset)
{
	struct dso_barrier *mine = barrier_in(session, 4);
	uint32_t waiting;
	int broken;

	parties_begin(2, find_it_broken);
	until_waiting(mine, 2);
	ck_assert_int_eq(dso_barrier_wait(mine, SHORT, NULL), -ETIMEDOUT);
	parties_end();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(dso_barrier_wait(mine, DSO_FOREVER, NULL), -ENOTRECOVERABLE);
	OK(session, dso_barrier_reset(mine));
	OK(session, dso_barrier_stat(mine, NULL, &waiting, &broken));
	ck_assert(waiting == 0 && !broken);
	parties_begin(3, cross_once);
	OK(session, dso_barrier_wait(mine, HANG_TIMEOUT, NULL));
	parties_end();
}
END_TEST

START_TEST(a_reset_ends_the_wait_of_every_party)
{
	struct dso_barrier *mine = barrier_in(session, 4);

	parties_begin(3, find_it_broken);
	until_waiting(mine, 3);
	OK(session, dso_barrier_reset(mine));
	parties_end();
	parties_begin(3, cross_once);
	OK(session, dso_barrier_wait(mine, HANG_TIMEOUT, NULL));
	parties_end();
}
END_TEST

START_TEST(a_barrier_has_parties)
{
	struct dso_barrier_params params = {0};
	struct dso_barrier *barrier;

	ck_assert_int_eq(dso_barrier_open(session, name, &params, &barrier), -EINVAL);
	ck_assert_int_eq(dso_barrier_open(session, name, NULL, &barrier), -EINVAL);
	barrier_in(session, 2);
	params.parties = 3;
	ck_assert_int_eq(dso_barrier_open(session, name, &params, &barrier), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "parties"));
}
END_TEST

/* ---- latch ---- */

static void wait_for_latch(struct party *party)
{
	OK(party->session, dso_latch_wait(latch_in(party->session, 5), HANG_TIMEOUT));
	count++;
}

START_TEST(a_latch_opens_at_zero_and_stays_open)
{
	struct dso_latch *latch = latch_in(session, 5);
	int64_t left;

	parties_begin(3, wait_for_latch);
	OK(session, dso_latch_count_down(latch, 2, &left));
	ck_assert_int_eq(left, 3);
	ck_assert_int_eq(dso_latch_wait(latch, SHORT), -ETIMEDOUT);
	ck_assert_uint_eq(count, 0);
	OK(other, dso_latch_count_down(latch_in(other, 5), 3, &left));
	ck_assert_int_eq(left, 0);
	parties_end();
	OK(session, dso_latch_count_down(latch, 1, &left));
	ck_assert_int_eq(left, 0);
	OK(session, dso_latch_wait(latch, DSO_NOWAIT));
	OK(session, dso_latch_count(latch, &left));
	ck_assert_int_eq(left, 0);
}
END_TEST

START_TEST(a_latch_counts_down_and_never_up)
{
	struct dso_latch_params params = {.count = -1};
	struct dso_latch *latch;
	int64_t left;

	ck_assert_int_eq(dso_latch_open(session, name, &params, &latch), -EINVAL);
	latch = latch_in(session, 2);
	ck_assert_int_eq(dso_latch_count_down(latch, 0, NULL), -EINVAL);
	ck_assert_int_eq(dso_latch_count_down(latch, -1, NULL), -EINVAL);
	OK(session, dso_latch_count_down(latch, INT64_MAX, &left));
	ck_assert_int_eq(left, 0);
}
END_TEST

/* ---- future ---- */

static void get_it(struct party *party)
{
	struct dso_future *future = future_in(party->session, 200000);
	uint8_t *value = malloc(200000);
	size_t length;

	OK(party->session, dso_future_get(future, value, 200000, HANG_TIMEOUT, &length));
	ck_assert_uint_eq(length, 150000);
	ck_assert(bytes_are(value, length, 7));
	free(value);
}

START_TEST(a_future_is_set_once_and_everybody_gets_it)
{
	struct dso_future *mine = future_in(session, 200000), *theirs = future_in(other, 200000);
	uint8_t *value = malloc(200001);
	size_t length;
	int done;

	memset(value, 7, 200001);
	ck_assert_int_eq(dso_future_get(theirs, value, 200000, SHORT, NULL), -ETIMEDOUT);
	OK(session, dso_future_is_done(mine, &done));
	ck_assert_int_eq(done, 0);
	ck_assert_int_eq(dso_future_set(mine, value, 200001), -EMSGSIZE);
	parties_begin(3, get_it);
	conformance_until_parked(3);
	OK(session, dso_future_set(mine, value, 150000));
	ck_assert_int_eq(dso_future_set(theirs, "other", 5), -EALREADY);
	ck_assert_int_eq(dso_future_set(mine, "again", 5), -EALREADY);
	parties_end();
	OK(other, dso_future_is_done(theirs, &done));
	ck_assert_int_eq(done, 1);
	ck_assert_int_eq(dso_future_get(theirs, value, 10, DSO_NOWAIT, &length), -EMSGSIZE);
	ck_assert_uint_eq(length, 150000);
	free(value);
}
END_TEST

START_TEST(a_future_may_be_empty_or_an_error)
{
	struct dso_future *mine = future_in(session, 200000);
	size_t length;
	char value[8];

	OK(session, dso_future_set(mine, NULL, 0));
	OK(other,
	   dso_future_get(future_in(other, 200000), value, sizeof value, HANG_TIMEOUT, &length));
	ck_assert_uint_eq(length, 0);
	OK(session, dso_object_delete(session, name));
	dso_future_close(mine);
	strcpy(name, conformance_name());
	OK(session, dso_future_set_error(future_in(session, 200000), "the pot is broken"));
	ck_assert_int_eq(dso_future_get(future_in(other, 200000), value, sizeof value, HANG_TIMEOUT,
					&length),
			 -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(dso_error(other), "the pot is broken"));
}
END_TEST

static void find_the_promise_broken(struct party *party)
{
	char value[8];

	ck_assert_int_eq(dso_future_get(future_in(party->session, 200000), value, sizeof value,
					HANG_TIMEOUT, NULL),
			 -EOWNERDEAD);
}

START_TEST(a_promise_breaks_when_its_session_ends)
{
	struct dso_session *dying = conformance_open_another();
	struct dso_future *mine = future_in(session, 200000);

	OK(dying, dso_future_promise(future_in(dying, 200000)));
	ck_assert_int_eq(dso_future_promise(mine), -EALREADY);
	ck_assert_int_eq(dso_future_set(mine, "x", 1), -EALREADY);
	parties_begin(2, find_the_promise_broken);
	conformance_until_parked(2);
	dso_close(dying);
	parties_end();
	ck_assert_int_eq(dso_future_set(mine, "x", 1), -EALREADY);
}
END_TEST

Suite *conformance_admission_suite(void)
{
	Suite *suite = suite_create("admission");
	TCase *tcase = tcase_create("admission");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, pair_end);
	tcase_add_test(tcase, a_semaphore_has_as_many_permits_as_it_has);
	tcase_add_test(tcase, a_semaphore_is_created_with_its_permits_and_opened_with_no_others);
	tcase_add_test(tcase, never_more_are_in_than_there_are_permits);
	tcase_add_test(tcase, permits_of_a_session_that_ended_come_back);
	tcase_add_test(tcase, nobody_crosses_a_barrier_before_the_others_have_come);
	tcase_add_test(tcase, a_barrier_of_one_is_always_open);
	tcase_add_test(tcase, a_party_that_leaves_a_barrier_breaks_it_until_it_is_reset);
	tcase_add_test(tcase, a_reset_ends_the_wait_of_every_party);
	tcase_add_test(tcase, a_barrier_has_parties);
	tcase_add_test(tcase, a_latch_opens_at_zero_and_stays_open);
	tcase_add_test(tcase, a_latch_counts_down_and_never_up);
	tcase_add_test(tcase, a_future_is_set_once_and_everybody_gets_it);
	tcase_add_test(tcase, a_future_may_be_empty_or_an_error);
	tcase_add_test(tcase, a_promise_breaks_when_its_session_ends);
	suite_add_tcase(suite, tcase);
	return suite;
}
