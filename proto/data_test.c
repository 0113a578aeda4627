/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data.h"
#include "tests/runner.h"

#include <check.h>
#include <stdlib.h>

#define REGION_BYTES 1048576

static struct data_request request_of(uint8_t opcode, uint64_t offset, uint32_t length_bytes)
{
	return (struct data_request){
		.opcode = opcode,
		.length_bytes = le32_of(length_bytes),
		.offset = le64_of(offset),
	};
}

static enum wire_status check_of(uint8_t opcode, uint64_t offset, uint32_t length_bytes)
{
	struct data_request request = request_of(opcode, offset, length_bytes);

	return data_check(&request, REGION_BYTES);
}

START_TEST(every_operation_passes_from_the_first_to_the_last_byte_of_the_region)
{
	for (uint8_t opcode = DATA_READ; opcode <= DATA_FAA; opcode++) {
		ck_assert_int_eq(check_of(opcode, 0, 8), WIRE_OK);
		ck_assert_int_eq(check_of(opcode, REGION_BYTES - 8, 8), WIRE_OK);
	}
	ck_assert_int_eq(check_of(DATA_READ, REGION_BYTES - 1, 1), WIRE_OK);
	ck_assert_int_eq(check_of(DATA_WRITE, REGION_BYTES - DATA_TRANSFER_BYTES_MAX,
				  DATA_TRANSFER_BYTES_MAX),
			 WIRE_OK);
}
END_TEST

START_TEST(what_lies_outside_the_region_is_out_of_range_and_no_sum_wraps)
{
	for (uint8_t opcode = DATA_READ; opcode <= DATA_FAA; opcode++) {
		ck_assert_int_eq(check_of(opcode, REGION_BYTES, 8), WIRE_RANGE);
		ck_assert_int_eq(check_of(opcode, UINT64_MAX - 7, 8), WIRE_RANGE);
		ck_assert_int_eq(check_of(opcode, 1ULL << 63, 8), WIRE_RANGE);
	}
	ck_assert_int_eq(check_of(DATA_READ, REGION_BYTES - 7, 8), WIRE_RANGE);
	ck_assert_int_eq(check_of(DATA_WRITE, UINT64_MAX, 1), WIRE_RANGE);
	ck_assert_int_eq(check_of(DATA_WRITE, UINT64_MAX - 65535, 65536), WIRE_RANGE);
}
END_TEST

START_TEST(a_region_shorter_than_the_transfer_is_out_of_range)
{
	struct data_request request = request_of(DATA_READ, 0, 65536);

	ck_assert_int_eq(data_check(&request, 4096), WIRE_RANGE);
	ck_assert_int_eq(data_check(&request, 0), WIRE_RANGE);
}
END_TEST

START_TEST(an_atomic_at_no_multiple_of_8_is_misaligned)
{
	for (uint64_t offset = 1; offset < 8; offset++) {
		ck_assert_int_eq(check_of(DATA_CAS, 64 + offset, 8), WIRE_MISALIGNED);
		ck_assert_int_eq(check_of(DATA_FAA, 64 + offset, 8), WIRE_MISALIGNED);
		ck_assert_int_eq(check_of(DATA_READ, 64 + offset, 8), WIRE_OK);
	}
}
END_TEST

START_TEST(a_length_that_the_opcode_has_not_loses_the_stream)
{
	ck_assert_int_eq(check_of(DATA_READ, 0, 0), WIRE_MALFORMED);
	ck_assert_int_eq(check_of(DATA_WRITE, 0, 0), WIRE_MALFORMED);
	ck_assert_int_eq(check_of(DATA_READ, 0, DATA_TRANSFER_BYTES_MAX + 1), WIRE_MALFORMED);
	ck_assert_int_eq(check_of(DATA_WRITE, 0, UINT32_MAX), WIRE_MALFORMED);
	ck_assert_int_eq(check_of(DATA_WRITE, REGION_BYTES, UINT32_MAX), WIRE_MALFORMED);
	ck_assert_int_eq(check_of(DATA_CAS, 0, 4), WIRE_MALFORMED);
	ck_assert_int_eq(check_of(DATA_FAA, 0, 16), WIRE_MALFORMED);
	ck_assert_int_eq(check_of(DATA_FAA, 3, 16), WIRE_MALFORMED);
}
END_TEST

START_TEST(every_unknown_opcode_loses_the_stream)
{
	for (unsigned opcode = 0; opcode < 256; opcode++)
		if (opcode < DATA_READ || opcode > DATA_FAA)
			ck_assert_int_eq(check_of((uint8_t)opcode, 0, 8), WIRE_MALFORMED);
}
END_TEST

START_TEST(a_reserved_bit_loses_the_stream_and_another_region_is_out_of_range)
{
	struct data_request reserved = request_of(DATA_READ, 0, 8);
	struct data_request elsewhere = request_of(DATA_READ, 0, 8);

	reserved.reserved = 0x80;
	elsewhere.region = le16_of(1);
	ck_assert_int_eq(data_check(&reserved, REGION_BYTES), WIRE_MALFORMED);
	ck_assert_int_eq(data_check(&elsewhere, REGION_BYTES), WIRE_RANGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("data");
	TCase *tests = tcase_create("data");

	tcase_add_test(tests, every_operation_passes_from_the_first_to_the_last_byte_of_the_region);
	tcase_add_test(tests, what_lies_outside_the_region_is_out_of_range_and_no_sum_wraps);
	tcase_add_test(tests, a_region_shorter_than_the_transfer_is_out_of_range);
	tcase_add_test(tests, an_atomic_at_no_multiple_of_8_is_misaligned);
	tcase_add_test(tests, a_length_that_the_opcode_has_not_loses_the_stream);
	tcase_add_test(tests, every_unknown_opcode_loses_the_stream);
	tcase_add_test(tests, a_reserved_bit_loses_the_stream_and_another_region_is_out_of_range);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
