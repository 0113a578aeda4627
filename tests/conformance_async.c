/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE (4 << 20)

static struct dso_session *session;
static struct dso_memory *memory;

static void setup(void)
{
	struct dso_memory_params params = {.size_bytes = SIZE};

	session = conformance_open();
	OK(session, dso_memory_open(session, conformance_name(), &params, &memory));
}

static void teardown(void)
{
	dso_close(session);
}

/* Reap until @count completions came; they must carry the tags @first, @first + 1 ... and
 * succeed. */
static void reap_in_order(uint64_t first, size_t count, uint64_t *values)
{
	struct dso_completion completions[100];
	size_t done = 0, got;

	while (done < count) {
		OK(session, dso_reap(session, completions, 100, 10 * DSO_SECOND, &got));
		ck_assert_uint_gt(got, 0);
		for (size_t i = 0; i < got; i++, done++) {
			ck_assert_uint_eq(completions[i].tag, first + done);
			ck_assert_int_eq(completions[i].status, 0);
			if (values)
				values[done] = completions[i].value;
		}
	}
	ck_assert_uint_eq(done, count);
}

START_TEST(completions_come_in_the_order_of_submission_with_their_tags_and_values)
{
	uint64_t values[DSO_OUTSTANDING_MAX];

	for (uint64_t round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < DSO_OUTSTANDING_MAX; i++)
			OK(session, dso_memory_fetch_add_submit(memory, 64, 1, 7000 + i));
		OK(session, dso_flush(session));
		reap_in_order(7000, DSO_OUTSTANDING_MAX, values);
		for (uint64_t i = 0; i < DSO_OUTSTANDING_MAX; i++)
			ck_assert_uint_eq(values[i], round * DSO_OUTSTANDING_MAX + i);
	}
}
END_TEST

START_TEST(one_more_than_the_limit_is_refused_until_completions_are_reaped)
{
	for (uint64_t i = 0; i < DSO_OUTSTANDING_MAX; i++)
		OK(session, dso_memory_fetch_add_submit(memory, 0, 1, i));
	ck_assert_int_eq(dso_memory_fetch_add_submit(memory, 0, 1, 0), -EAGAIN);
	reap_in_order(0, DSO_OUTSTANDING_MAX, NULL);
	OK(session, dso_memory_fetch_add_submit(memory, 0, 1, 5));
	reap_in_order(5, 1, NULL);
}
END_TEST

/* At the limit none of them is taken, and none counts. */
START_TEST(no_operation_is_taken_beyond_the_limit)
{
	struct dso_counter *counter;
	uint64_t word = 0;
	int64_t value;

	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	for (uint64_t i = 0; i < DSO_OUTSTANDING_MAX; i++)
		OK(session, dso_memory_fetch_add_submit(memory, 0, 1, i));
	ck_assert_int_eq(dso_memory_read_submit(memory, 0, &word, 8, 0), -EAGAIN);
	ck_assert_int_eq(dso_memory_write_submit(memory, 0, &word, 8, 0), -EAGAIN);
	ck_assert_int_eq(dso_memory_cas_submit(memory, 8, 0, 1, 0), -EAGAIN);
	ck_assert_int_eq(dso_memory_fetch_add_submit(memory, 8, 1, 0), -EAGAIN);
	ck_assert_int_eq(dso_counter_add_submit(counter, 1, 0), -EAGAIN);
	ck_assert_int_eq(dso_counter_cas_submit(counter, 0, 1, 0), -EAGAIN);
	reap_in_order(0, DSO_OUTSTANDING_MAX, NULL);
	OK(session, dso_memory_fetch_add(memory, 0, 0, &word));
	ck_assert_uint_eq(word, DSO_OUTSTANDING_MAX);
	OK(session, dso_memory_fetch_add(memory, 8, 0, &word));
	ck_assert_uint_eq(word, 0);
	OK(session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, 0);
}
END_TEST

START_TEST(operations_on_a_counter_complete_with_the_value_before)
{
	struct dso_counter *counter;
	uint64_t values[4];
	int64_t value;

	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	OK(session, dso_counter_add_submit(counter, -5, 1));
	OK(session, dso_counter_cas_submit(counter, -5, 7, 2));
	OK(session, dso_counter_cas_submit(counter, -5, 9, 3));
	OK(session, dso_counter_add_submit(counter, 1, 4));
	reap_in_order(1, 4, values);
	ck_assert_int_eq((int64_t)values[0], 0);
	ck_assert_int_eq((int64_t)values[1], -5);
	ck_assert_int_eq((int64_t)values[2], 7);
	ck_assert_int_eq((int64_t)values[3], 7);
	OK(session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, 8);
}
END_TEST

START_TEST(no_more_are_reaped_than_there_is_room_for)
{
	struct dso_completion completions[4];
	uint64_t tag = 0;
	size_t got;

	for (uint64_t i = 0; i < 10; i++)
		OK(session, dso_memory_fetch_add_submit(memory, 0, 1, i));
	while (tag < 10) {
		memset(completions, 0xff, sizeof completions);
		OK(session, dso_reap(session, completions, 3, DSO_FOREVER, &got));
		ck_assert(got >= 1 && got <= 3);
		for (size_t i = 0; i < got; i++) {
			ck_assert_uint_eq(completions[i].tag, tag++);
			ck_assert_uint_eq(completions[i].reserved, 0);
		}
		ck_assert_uint_eq(completions[got].tag, UINT64_MAX);
	}
}
END_TEST

START_TEST(all_four_operations_execute_in_order_in_one_batch)
{
	uint8_t out[5000], in[5000];
	uint64_t values[6], word = 0;

	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (uint8_t)(i * 7);
	memset(in, 0, sizeof in);
	OK(session, dso_memory_write_submit(memory, 4096, out, sizeof out, 1));
	OK(session, dso_memory_read_submit(memory, 4096, in, sizeof in, 2));
	OK(session, dso_memory_fetch_add_submit(memory, 8, 3, 3));
	OK(session, dso_memory_cas_submit(memory, 8, 3, 9, 4));
	OK(session, dso_memory_cas_submit(memory, 8, 3, 10, 5));
	OK(session, dso_memory_read_submit(memory, 8, &word, 8, 6));
	reap_in_order(1, 6, values);
	ck_assert_mem_eq(in, out, sizeof out);
	ck_assert_uint_eq(values[2], 0);
	ck_assert_uint_eq(values[3], 3);
	ck_assert_uint_eq(values[4], 9);
	ck_assert_uint_eq(word, 9);
}
END_TEST

START_TEST(a_write_never_overtakes_an_atomic_or_a_read_before_it)
{
	uint64_t before[64], zero = 0, one = 1;

	for (int round = 0; round < 20; round++) {
		OK(session, dso_memory_write(memory, 128, &zero, 8));
		for (uint64_t i = 0; i < 64; i++)
			OK(session, dso_memory_read_submit(memory, 128, &before[i], 8, i));
		OK(session, dso_memory_write_submit(memory, 128, &one, 8, 64));
		reap_in_order(0, 65, NULL);
		for (int i = 0; i < 64; i++)
			ck_assert_uint_eq(before[i], 0);
	}
}
END_TEST

START_TEST(large_transfers_fill_every_buffer_and_still_arrive)
{
	uint8_t *out = malloc(SIZE), *in = calloc(1, SIZE);
	uint64_t parts = SIZE / DSO_SUBMIT_BYTES_MAX;
	uint64_t submitted = 0, reaped = 0;
	struct dso_completion completions[16];
	size_t got;

	for (size_t i = 0; i < SIZE; i++)
		out[i] = (uint8_t)(i >> 10 ^ i);
	for (int reading = 0; reading < 2; reading++) {
		for (submitted = reaped = 0; reaped < parts; reaped += got) {
			for (; submitted < parts; submitted++) {
				uint64_t offset = submitted * DSO_SUBMIT_BYTES_MAX;
				int r = reading ? dso_memory_read_submit(
							  memory, offset, in + offset,
							  DSO_SUBMIT_BYTES_MAX, submitted)
						: dso_memory_write_submit(
							  memory, offset, out + offset,
							  DSO_SUBMIT_BYTES_MAX, submitted);

				if (r == -EAGAIN)
					break;
				ck_assert_int_eq(r, 0);
			}
			OK(session, dso_reap(session, completions, 16, 10 * DSO_SECOND, &got));
			for (size_t i = 0; i < got; i++) {
				ck_assert_int_eq(completions[i].status, 0);
				ck_assert_uint_eq(completions[i].tag, reaped + i);
			}
		}
	}
	ck_assert_int_eq(memcmp(in, out, SIZE), 0);
	ck_assert_int_eq(dso_memory_read_submit(memory, 0, in, DSO_SUBMIT_BYTES_MAX + 1, 0),
			 -EMSGSIZE);
	free(out);
	free(in);
}
END_TEST

START_TEST(what_is_too_little_or_too_much_to_submit_is_said)
{
	uint8_t word[8];

	ck_assert_int_eq(dso_memory_read_submit(memory, 0, word, 0, 0), -ERANGE);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "0 bytes are too few to submit"));
	ck_assert_int_eq(dso_memory_write_submit(memory, 0, word, 0, 0), -ERANGE);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "0 bytes are too few to submit"));
	ck_assert_int_eq(dso_memory_write_submit(memory, 0, word, SIZE_MAX, 0), -EMSGSIZE);
	ck_assert_ptr_nonnull(
		strstr(dso_error(session), "more than 65536 bytes; submit it in parts"));
	ck_assert_int_eq(dso_memory_read_submit(memory, UINT64_MAX, word, 8, 0), -ERANGE);
	ck_assert_ptr_nonnull(
		strstr(dso_error(session), "8 bytes at offset 18446744073709551615 are outside"));
	ck_assert_int_eq(dso_memory_cas_submit(memory, 4, 0, 0, 0), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "offset 4 is no multiple of 8"));
	/* Not submitted, that is nothing to do. */
	OK(session, dso_memory_read(memory, 0, word, 0));
	OK(session, dso_memory_write(memory, 0, word, 0));
}
END_TEST

START_TEST(a_synchronous_call_runs_behind_what_was_submitted)
{
	uint64_t before;

	for (uint64_t i = 0; i < 10; i++)
		OK(session, dso_memory_fetch_add_submit(memory, 256, 1, i));
	OK(session, dso_memory_fetch_add(memory, 256, 1, &before));
	ck_assert_uint_eq(before, 10);
	reap_in_order(0, 10, NULL);
}
END_TEST

START_TEST(reap_says_when_there_is_nothing_to_wait_for)
{
	struct dso_completion completion;
	size_t got = 5;

	OK(session, dso_reap(session, &completion, 1, DSO_FOREVER, &got));
	ck_assert_uint_eq(got, 0);
}
END_TEST

START_TEST(without_room_for_a_completion_reap_takes_none_and_does_not_wait)
{
	size_t got = 5;

	OK(session, dso_memory_fetch_add_submit(memory, 0, 1, 3));
	OK(session, dso_reap(session, NULL, 0, DSO_NOWAIT, &got));
	ck_assert_uint_eq(got, 0);
	OK(session, dso_flush(session));
	OK(session, dso_reap(session, NULL, 0, DSO_FOREVER, NULL));
	reap_in_order(3, 1, NULL);
}
END_TEST

START_TEST(the_descriptor_polls_readable_when_a_completion_waits)
{
	struct pollfd ready = {.events = POLLIN};
	struct dso_completion completion;
	size_t got;

	for (int round = 0; round < 50; round++) {
		OK(session, dso_memory_fetch_add_submit(memory, 0, 1, 3));
		OK(session, dso_flush(session));
		ready.fd = dso_fd(session);
		ck_assert_int_ge(ready.fd, 0);
		for (got = 0; got == 0;) {
			int r;

			ck_assert_int_eq(poll(&ready, 1, 10000), 1);
			r = dso_reap(session, &completion, 1, DSO_NOWAIT, &got);
			ck_assert(r == 0 || r == -ETIMEDOUT);
			/* Armed again: what came meanwhile shows. */
			if (got == 0)
				ready.fd = dso_fd(session);
		}
		ck_assert_int_eq(dso_reap(session, &completion, 1, DSO_NOWAIT, &got), 0);
		ck_assert_uint_eq(got, 0);
	}
}
END_TEST

#define FILES 256

/* Where there is no descriptor left, or too few, it fails, and can be called again. */
START_TEST(a_descriptor_that_cannot_be_made_is_made_later)
{
	struct pollfd ready = {.events = POLLIN};
	struct dso_completion completion;
	struct rlimit limit, low;
	int files[FILES];
	size_t got;
	int count = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = FILES;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	while ((files[count] = dup(STDOUT_FILENO)) >= 0)
		count++;
	ck_assert_int_eq(dso_fd(session), -EMFILE);
	while ((ready.fd = dso_fd(session)) < 0) {
		ck_assert_int_eq(ready.fd, -EMFILE);
		close(files[--count]);
	}
	while (count)
		close(files[--count]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	OK(session, dso_memory_fetch_add_submit(memory, 0, 1, 3));
	OK(session, dso_flush(session));
	ck_assert_int_eq(dso_fd(session), ready.fd);
	ck_assert_int_eq(poll(&ready, 1, 60000), 1);
	OK(session, dso_reap(session, &completion, 1, DSO_FOREVER, &got));
}
END_TEST

START_TEST(closing_a_handle_or_session_with_operations_under_way_is_safe)
{
	for (int round = 0; round < 10; round++) {
		struct dso_session *other = conformance_open_another();
		const char *name = conformance_name();
		struct dso_counter *counter;

		OK(other, dso_counter_open(other, name, NULL, &counter));
		for (uint64_t i = 0; i < 100; i++)
			OK(other, dso_counter_add_submit(counter, 1, i));
		if (round % 2)
			OK(other, dso_flush(other));
		if (round % 3 == 0)
			dso_counter_close(counter);
		dso_close(other);
	}
}
END_TEST

Suite *conformance_async_suite(void)
{
	Suite *suite = suite_create("async");
	TCase *tcase = tcase_create("async");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase,
		       completions_come_in_the_order_of_submission_with_their_tags_and_values);
	tcase_add_test(tcase, one_more_than_the_limit_is_refused_until_completions_are_reaped);
	tcase_add_test(tcase, no_operation_is_taken_beyond_the_limit);
	tcase_add_test(tcase, operations_on_a_counter_complete_with_the_value_before);
	tcase_add_test(tcase, no_more_are_reaped_than_there_is_room_for);
	tcase_add_test(tcase, all_four_operations_execute_in_order_in_one_batch);
	tcase_add_test(tcase, a_write_never_overtakes_an_atomic_or_a_read_before_it);
	tcase_add_test(tcase, large_transfers_fill_every_buffer_and_still_arrive);
	tcase_add_test(tcase, what_is_too_little_or_too_much_to_submit_is_said);
	tcase_add_test(tcase, a_synchronous_call_runs_behind_what_was_submitted);
	tcase_add_test(tcase, reap_says_when_there_is_nothing_to_wait_for);
	tcase_add_test(tcase, without_room_for_a_completion_reap_takes_none_and_does_not_wait);
	tcase_add_test(tcase, the_descriptor_polls_readable_when_a_completion_waits);
	tcase_add_test(tcase, a_descriptor_that_cannot_be_made_is_made_later);
	tcase_add_test(tcase, closing_a_handle_or_session_with_operations_under_way_is_safe);
	suite_add_tcase(suite, tcase);
	return suite;
}
