/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct dso_session *session;
static struct dso_register *reg;

static void setup(void)
{
	session = conformance_open();
	OK(session, dso_register_open(session, conformance_name(), NULL, &reg));
}

static void teardown(void)
{
	dso_register_close(reg);
	dso_close(session);
}

/* Bytes that tell their place and @seed, so that a mixture of two values shows. */
static void fill(uint8_t *bytes, size_t length, uint64_t seed)
{
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < length; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		bytes[i] = (uint8_t)(state >> 56);
	}
}

START_TEST(a_new_register_is_empty_at_version_0)
{
	size_t length = 9, size = 9;
	uint64_t version = 9;
	char byte;

	OK(session, dso_register_get(reg, &byte, 1, &length, &version));
	ck_assert_uint_eq(length, 0);
	ck_assert_uint_eq(version, 0);
	OK(session, dso_register_size(reg, &size));
	ck_assert_uint_eq(size, 0);
	ck_assert_uint_eq(dso_register_capacity(reg), 65536);
}
END_TEST

START_TEST(every_length_comes_back_as_it_was_set)
{
	static const size_t lengths[] = {0,    1,    7,    63,    64,    65,   4032,
					 4095, 4096, 4097, 65472, 65535, 65536};
	uint8_t *value = malloc(65536), *back = malloc(65536);

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		uint64_t set_version, version;
		size_t length;

		fill(value, lengths[i], i);
		OK(session, dso_register_set(reg, value, lengths[i], &set_version));
		OK(session, dso_register_get(reg, back, 65536, &length, &version));
		ck_assert_uint_eq(length, lengths[i]);
		ck_assert_uint_eq(version, i + 1);
		ck_assert_uint_eq(set_version, version);
		ck_assert_mem_eq(back, value, length);
	}
	free(value);
	free(back);
}
END_TEST

START_TEST(a_value_of_64_mib_comes_back_whole)
{
	struct dso_register_params params = {.capacity_bytes = DSO_REGISTER_BYTES_MAX};
	uint8_t *value = malloc(DSO_REGISTER_BYTES_MAX), *back = malloc(DSO_REGISTER_BYTES_MAX);
	const char *name = conformance_name();
	struct dso_register *big;
	size_t length;

	OK(session, dso_register_open(session, name, &params, &big));
	fill(value, DSO_REGISTER_BYTES_MAX, 64);
	OK(session, dso_register_set(big, value, DSO_REGISTER_BYTES_MAX, NULL));
	OK(session, dso_register_get(big, back, DSO_REGISTER_BYTES_MAX, &length, NULL));
	ck_assert_uint_eq(length, DSO_REGISTER_BYTES_MAX);
	ck_assert_int_eq(memcmp(back, value, length), 0);
	ck_assert_int_eq(dso_register_set(big, value, DSO_REGISTER_BYTES_MAX + 1, NULL), -EMSGSIZE);
	OK(session, dso_object_delete(session, name));
	dso_register_close(big);
	free(value);
	free(back);
}
END_TEST

START_TEST(a_buffer_too_small_gets_the_length_and_the_value_stays)
{
	char value[100] = "long", buffer[100];
	uint64_t version;
	size_t length;

	OK(session, dso_register_set(reg, value, sizeof value, NULL));
	ck_assert_int_eq(dso_register_get(reg, buffer, 99, &length, &version), -EMSGSIZE);
	ck_assert_uint_eq(length, 100);
	ck_assert_uint_eq(version, 1);
	ck_assert_int_eq(dso_register_exchange(reg, "x", 1, buffer, 99, NULL, NULL), -EMSGSIZE);
	OK(session, dso_register_get(reg, buffer, 100, &length, &version));
	ck_assert_uint_eq(version, 1);
	ck_assert_mem_eq(buffer, value, 100);
}
END_TEST

START_TEST(set_if_version_sets_only_at_that_version)
{
	uint64_t version = 77;

	OK(session, dso_register_set_if_version(reg, 0, "a", 1, &version));
	ck_assert_uint_eq(version, 1);
	ck_assert_int_eq(dso_register_set_if_version(reg, 0, "b", 1, &version), -EAGAIN);
	ck_assert_uint_eq(version, 1);
	ck_assert_int_eq(dso_register_set_if_version(reg, 5, "b", 1, &version), -EAGAIN);
	OK(session, dso_register_set_if_version(reg, 1, "c", 1, &version));
	ck_assert_uint_eq(version, 2);
	OK(session, dso_register_version(reg, &version));
	ck_assert_uint_eq(version, 2);
}
END_TEST

/* How many operations a get is: at the version that this handle has seen one look, else one
 * more. */
static uint64_t operations_of_a_get(struct dso_register *of)
{
	struct dso_server_stat before, after;

	OK(session, dso_server_stat(session, &before));
	OK(session, dso_register_get(of, &(uint64_t){0}, 8, NULL, NULL));
	OK(session, dso_server_stat(session, &after));
	return after.operations - before.operations;
}

START_TEST(a_value_is_found_at_the_first_look_where_its_version_is_known_or_two_behind_it)
{
	const char *name = conformance_name();
	struct dso_register *writer, *reader;
	uint64_t known;

	/* Over another transport nothing counts them. */
	if (!conformance_is("tcp"))
		return;
	OK(session, dso_register_open(session, name, NULL, &writer));
	OK(session, dso_register_open(session, name, NULL, &reader));
	OK(session, dso_register_set(writer, "a", 1, NULL));
	operations_of_a_get(reader);
	known = operations_of_a_get(reader);
	OK(session, dso_register_set(writer, "b", 1, NULL));
	OK(session, dso_register_set(writer, "c", 1, NULL));
	ck_assert_uint_eq(operations_of_a_get(reader), known);
	OK(session, dso_register_set(writer, "d", 1, NULL));
	ck_assert_uint_gt(operations_of_a_get(reader), known);
	ck_assert_uint_eq(operations_of_a_get(reader), known);
}
END_TEST

START_TEST(a_register_holds_what_was_asked_for_and_no_byte_more)
{
	const struct dso_register_params ten = {.capacity_bytes = 10},
					 eleven = {.capacity_bytes = 11};
	const char *name = conformance_name();
	struct dso_register *narrow, *again = NULL;
	size_t length;

	OK(session, dso_register_open(session, name, &ten, &narrow));
	ck_assert_uint_eq(dso_register_capacity(narrow), 10);
	OK(session, dso_register_set(narrow, "0123456789", 10, NULL));
	ck_assert_int_eq(dso_register_set(narrow, "0123456789x", 11, NULL), -EMSGSIZE);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "11 bytes, at most 10"));
	OK(session, dso_register_size(narrow, &length));
	ck_assert_uint_eq(length, 10);
	ck_assert_int_eq(dso_register_open(session, name, &eleven, &again), -EINVAL);
	ck_assert_ptr_null(again);
}
END_TEST

START_TEST(exchange_returns_the_value_replaced)
{
	char buffer[8];
	uint64_t version;
	size_t length;

	OK(session, dso_register_exchange(reg, "one", 3, buffer, sizeof buffer, &length, &version));
	ck_assert_uint_eq(length, 0);
	ck_assert_uint_eq(version, 1);
	OK(session,
	   dso_register_exchange(reg, "three", 5, buffer, sizeof buffer, &length, &version));
	ck_assert_uint_eq(length, 3);
	ck_assert_mem_eq(buffer, "one", 3);
	OK(session, dso_register_get(reg, buffer, sizeof buffer, &length, &version));
	ck_assert_mem_eq(buffer, "three", 5);
	ck_assert_uint_eq(version, 2);
}
END_TEST

START_TEST(a_second_session_reads_what_the_first_one_set_each_time)
{
	struct dso_session *second = conformance_open_another();
	const char *name = conformance_name();
	struct dso_register *here, *there;

	OK(session, dso_register_open(session, name, NULL, &here));
	OK(second, dso_register_open(second, name, NULL, &there));
	for (uint32_t i = 1; i < 200; i++) {
		uint32_t back = 0;

		OK(session, dso_register_set(here, &i, sizeof i, NULL));
		if (i % 3 == 0)
			continue;
		OK(second, dso_register_get(there, &back, sizeof back, NULL, NULL));
		ck_assert_uint_eq(back, i);
	}
	dso_close(second);
	dso_register_close(here);
}
END_TEST

#define SHARED_BYTES 20000

struct sharer {
	pthread_t thread;
	char name[64];
	uint64_t seed;
	int rounds;
	int64_t writes;
};

static _Atomic bool stop_reading;

static void *write_versions(void *argument)
{
	struct sharer *sharer = argument;
	struct dso_session *own = conformance_open_another();
	uint8_t *value = malloc(SHARED_BYTES);
	struct dso_register *shared;

	OK(own, dso_register_open(own, sharer->name, NULL, &shared));
	for (int i = 0; i < sharer->rounds; i++) {
		uint64_t seed = sharer->seed * 100000 + (uint64_t)i;
		int r;

		/* The seed leads the bytes that it makes. */
		memcpy(value, &seed, sizeof seed);
		fill(value + sizeof seed, SHARED_BYTES - sizeof seed - seed % 100, seed);
		r = dso_register_set(shared, value, SHARED_BYTES - seed % 100, NULL);
		ck_assert_msg(r == 0 || r == -ETIMEDOUT, "%s", dso_error(own));
		sharer->writes += r == 0;
	}
	free(value);
	dso_close(own);
	return NULL;
}

static void *read_versions(void *argument)
{
	struct sharer *sharer = argument;
	struct dso_session *own = conformance_open_another();
	uint8_t *value = malloc(SHARED_BYTES), *expected = malloc(SHARED_BYTES);
	struct dso_register *shared;
	uint64_t version, last = 0, seed;
	size_t length;

	OK(own, dso_register_open(own, sharer->name, NULL, &shared));
	while (!atomic_load(&stop_reading)) {
		int r = dso_register_get(shared, value, SHARED_BYTES, &length, &version);

		ck_assert_msg(r == 0 || r == -ETIMEDOUT, "%s", dso_error(own));
		if (r || version == 0)
			continue;
		ck_assert_uint_ge(version, last);
		last = version;
		memcpy(&seed, value, sizeof seed);
		ck_assert_uint_eq(length, SHARED_BYTES - seed % 100);
		fill(expected, length - sizeof seed, seed);
		ck_assert_mem_eq(value + sizeof seed, expected, length - sizeof seed);
	}
	free(value);
	free(expected);
	dso_close(own);
	return NULL;
}

START_TEST(readers_see_whole_versions_in_order_while_writers_replace_them)
{
	struct sharer writers[3], readers[2];
	struct dso_register *shared;
	const char *name;
	uint64_t version;
	int64_t writes = 0;

	memset(writers, 0, sizeof writers);
	memset(readers, 0, sizeof readers);
	name = conformance_name();
	OK(session, dso_register_open(session, name, NULL, &shared));
	atomic_store(&stop_reading, false);
	for (uint64_t i = 0; i < 2; i++) {
		strcpy(readers[i].name, name);
		pthread_create(&readers[i].thread, NULL, read_versions, &readers[i]);
	}
	for (uint64_t i = 0; i < 3; i++) {
		strcpy(writers[i].name, name);
		writers[i].seed = i + 1;
		writers[i].rounds = 150;
		pthread_create(&writers[i].thread, NULL, write_versions, &writers[i]);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(writers[i].thread, NULL);
		writes += writers[i].writes;
	}
	atomic_store(&stop_reading, true);
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i].thread, NULL);
	OK(session, dso_register_version(shared, &version));
	ck_assert_uint_eq(version, (uint64_t)writes);
	ck_assert_int_gt(writes, 0);
	dso_register_close(shared);
}
END_TEST

Suite *conformance_register_suite(void)
{
	Suite *suite = suite_create("register");
	TCase *tcase = tcase_create("register");

	tcase_set_timeout(tcase, 240);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_new_register_is_empty_at_version_0);
	tcase_add_test(tcase, every_length_comes_back_as_it_was_set);
	tcase_add_test(tcase, a_value_of_64_mib_comes_back_whole);
	tcase_add_test(tcase, a_buffer_too_small_gets_the_length_and_the_value_stays);
	tcase_add_test(tcase, set_if_version_sets_only_at_that_version);
	tcase_add_test(
		tcase,
		a_value_is_found_at_the_first_look_where_its_version_is_known_or_two_behind_it);
	tcase_add_test(tcase, a_register_holds_what_was_asked_for_and_no_byte_more);
	tcase_add_test(tcase, exchange_returns_the_value_replaced);
	tcase_add_test(tcase, a_second_session_reads_what_the_first_one_set_each_time);
	tcase_add_test(tcase, readers_see_whole_versions_in_order_while_writers_replace_them);
	suite_add_tcase(suite, tcase);
	return suite;
}
