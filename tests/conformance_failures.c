/* SPDX-License-Identifier: Apache-2.0 */
/* What a call that failed has left as it was, and which of two errors it tells. */
#include "tests/conformance.h"

#include <errno.h>
#include <string.h>

#define SIZE 4096

static struct dso_session *session, *other;

static void setup(void)
{
	session = conformance_open();
	other = conformance_open_another();
}

static void teardown(void)
{
	dso_close(other);
	dso_close(session);
}

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
	/* Of two errors: too long for a submission, before outside of the object; outside, before misaligned. */
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
	const char *name = conformance_name();
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
	const char *name = conformance_name();
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

Suite *conformance_failures_suite(void)
{
	Suite *suite = suite_create("failures");
	TCase *tcase = tcase_create("failures");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, submitted_operations_do_not_leave_their_object);
	tcase_add_test(tcase, a_register_whose_exchange_failed_is_as_it_was_and_anybody_may_set_it);
	tcase_add_test(tcase, a_set_that_failed_has_changed_nothing);
	suite_add_tcase(suite, tcase);
	return suite;
}
