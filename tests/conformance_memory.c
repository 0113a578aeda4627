/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bytes.h"
#include "tests/conformance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 300000

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
	dso_memory_close(memory);
	dso_close(session);
}

START_TEST(new_memory_is_zero)
{
	uint8_t *bytes = malloc(SIZE);

	memset(bytes, 1, SIZE);
	OK(session, dso_memory_read(memory, 0, bytes, SIZE));
	ck_assert(bytes_are(bytes, SIZE, 0));
	ck_assert_uint_eq(dso_memory_size(memory), SIZE);
	free(bytes);
}
END_TEST

START_TEST(memory_has_4096_bytes_by_default_and_at_least_1)
{
	const struct dso_memory_params one = {.size_bytes = 1};
	const char *name = conformance_name();
	struct dso_memory *any, *other = NULL, *byte;

	OK(session, dso_memory_open(session, name, NULL, &any));
	ck_assert_uint_eq(dso_memory_size(any), 4096);
	ck_assert_int_eq(dso_memory_open(session, name, &one, &other), -EINVAL);
	ck_assert_ptr_null(other);
	OK(session, dso_memory_open(session, conformance_name(), &one, &byte));
	ck_assert_uint_eq(dso_memory_size(byte), 1);
	OK(session, dso_memory_write(byte, 0, "x", 1));
	ck_assert_int_eq(dso_memory_write(byte, 1, "x", 1), -ERANGE);
	ck_assert_int_eq(dso_memory_fetch_add(byte, 0, 1, NULL), -ERANGE);
}
END_TEST

START_TEST(what_is_written_anywhere_is_read_back_and_nothing_else_changes)
{
	uint8_t *model = calloc(1, SIZE), *bytes = malloc(SIZE);

	srand(1);
	for (int round = 0; round < 60; round++) {
		size_t length = (size_t)rand() % (round % 3 ? 300 : 200000) + 1;
		size_t offset = (size_t)rand() % (SIZE - length + 1);

		for (size_t i = 0; i < length; i++)
			model[offset + i] = (uint8_t)rand();
		OK(session, dso_memory_write(memory, offset, model + offset, length));
		length = (size_t)rand() % SIZE + 1;
		offset = (size_t)rand() % (SIZE - length + 1);
		OK(session, dso_memory_read(memory, offset, bytes, length));
		ck_assert_mem_eq(bytes, model + offset, length);
	}
	free(model);
	free(bytes);
}
END_TEST

START_TEST(atomics_work_on_every_word)
{
	uint64_t before;

	for (uint64_t offset = 0; offset + 8 <= SIZE; offset += 37496) {
		OK(session, dso_memory_fetch_add(memory, offset, offset + 1, &before));
		ck_assert_uint_eq(before, 0);
		OK(session, dso_memory_cas(memory, offset, offset + 1, ~offset, &before));
		ck_assert_uint_eq(before, offset + 1);
		OK(session, dso_memory_cas(memory, offset, 5, 6, &before));
		ck_assert_uint_eq(before, ~offset);
		OK(session, dso_memory_fetch_add(memory, offset, 0, &before));
		ck_assert_uint_eq(before, ~offset);
	}
}
END_TEST

START_TEST(what_lies_outside_or_misaligned_is_refused_and_the_session_goes_on)
{
	uint64_t word, *far = &word;
	char bytes[16];

	ck_assert_int_eq(dso_memory_read(memory, SIZE, bytes, 1), -ERANGE);
	ck_assert_int_eq(dso_memory_read(memory, UINT64_MAX, bytes, 2), -ERANGE);
	ck_assert_int_eq(dso_memory_write(memory, SIZE - 1, bytes, 2), -ERANGE);
	ck_assert_int_eq(dso_memory_write(memory, 8, bytes, SIZE_MAX), -ERANGE);
	ck_assert_int_eq(dso_memory_cas(memory, SIZE, 0, 1, far), -ERANGE);
	ck_assert_int_eq(dso_memory_fetch_add(memory, 4, 1, far), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "multiple of 8"));
	ck_assert_int_eq(dso_memory_cas(memory, 12, 0, 1, far), -EINVAL);
	OK(session, dso_memory_read(memory, 0, bytes, 16));
	ck_assert(bytes_are(bytes, 16, 0));
	OK(session, dso_memory_read(memory, SIZE, bytes, 0));
}
END_TEST

START_TEST(memory_of_a_deleted_object_is_zero_when_it_comes_back)
{
	struct dso_memory_params params = {.size_bytes = 100000};
	uint8_t *bytes = malloc(100000);

	for (int round = 0; round < 20; round++) {
		const char *name = conformance_name();
		struct dso_memory *other;

		OK(session, dso_memory_open(session, name, &params, &other));
		OK(session, dso_memory_read(other, 0, bytes, 100000));
		ck_assert(bytes_are(bytes, 100000, 0));
		memset(bytes, 0xff, 100000);
		OK(session, dso_memory_write(other, 0, bytes, 100000));
		OK(session, dso_object_delete(session, name));
		dso_memory_close(other);
	}
	free(bytes);
}
END_TEST

Suite *conformance_memory_suite(void)
{
	Suite *suite = suite_create("memory");
	TCase *tcase = tcase_create("memory");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, new_memory_is_zero);
	tcase_add_test(tcase, memory_has_4096_bytes_by_default_and_at_least_1);
	tcase_add_test(tcase, what_is_written_anywhere_is_read_back_and_nothing_else_changes);
	tcase_add_test(tcase, atomics_work_on_every_word);
	tcase_add_test(tcase, what_lies_outside_or_misaligned_is_refused_and_the_session_goes_on);
	tcase_add_test(tcase, memory_of_a_deleted_object_is_zero_when_it_comes_back);
	suite_add_tcase(suite, tcase);
	return suite;
}
