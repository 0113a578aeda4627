/* SPDX-License-Identifier: Apache-2.0 */
/* Packets, their ICRC and their batches. */
#include "lib/roce/batch.h"
#include "tests/runner.h"

#include <check.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <stdlib.h>
#include <string.h>

/* A fetch-and-add of 3 as Linux' rdma_rxe accepts it, from 10.77.0.1 to 10.77.0.2, identification
 * 0. */
static const uint8_t vector[] = {0x14, 0x40, 0xff, 0xff, 0x00, 0x00, 0x00, 0x11, 0x80, 0xff, 0xff,
				 0xfe, 0x00, 0x00, 0x7f, 0x53, 0x58, 0x8a, 0xc0, 0x00, 0x00, 0x00,
				 0x02, 0xcc, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00,
				 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1b, 0x04, 0xa2, 0x0a};

static struct roce_batch batch;

static struct roce_path path_of(uint8_t from, uint8_t to, bool to_device)
{
	struct roce_path path = {
		.local = {.ip = {[10] = 0xff, 0xff, 10, 77, 0, from}, .port = ROCE_PORT},
		.remote = {.ip = {[10] = 0xff, 0xff, 10, 77, 0, to}, .port = ROCE_PORT},
		.to_device = to_device};

	roce_path_prepare(&path);
	return path;
}

START_TEST(the_icrc_is_that_of_a_packet_that_rxe_accepts)
{
	struct roce_path path = path_of(1, 2, true), back = path_of(2, 1, true);
	uint8_t packet[sizeof vector];

	memcpy(packet, vector, sizeof vector);
	memset(packet + sizeof vector - ROCE_ICRC_BYTES, 0, ROCE_ICRC_BYTES);
	roce_icrc_seal(&path, packet, sizeof vector - ROCE_ICRC_BYTES, 0);
	ck_assert_mem_eq(packet, vector, sizeof vector);
	ck_assert(roce_icrc_holds(&back, ROCE_PORT, vector, sizeof vector));
}
END_TEST

#ifdef __x86_64__
/* Whether the upper parts of vector registers are in use; false, too, where that cannot be told. */
static bool vectors_are_in_use(void)
{
	unsigned eax = 0, ebx, ecx, edx;

	if (!__builtin_cpu_supports("avx") || !__get_cpuid_count(13, 1, &eax, &ebx, &ecx, &edx) ||
	    !(eax & 1 << 2))
		return false;
	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(1));
	return eax & 1 << 2;
}

/* Otherwise all doubles that the program adds after that take longer. */
START_TEST(an_icrc_leaves_no_vectors_behind)
{
	struct roce_path path = path_of(1, 2, false);
	uint8_t packet[ROCE_PACKET_BYTES_MAX] = {0};

	roce_icrc_seal(&path, packet, ROCE_MTU_MAX, 0);
	ck_assert(!vectors_are_in_use());
}
END_TEST
#endif

START_TEST(a_decoded_packet_is_what_was_encoded)
{
	struct roce_packet packet;
	uint8_t again[sizeof vector];

	ck_assert_int_eq(roce_decode(vector, sizeof vector, &packet), ROCE_WELL_FORMED);
	ck_assert_int_eq(packet.opcode, ROCE_FETCH_ADD);
	ck_assert(packet.ack_request);
	ck_assert_uint_eq(packet.qpn, 0x11);
	ck_assert_uint_eq(packet.psn, 0xfffffe);
	ck_assert_uint_eq(packet.address, 0x7f53588ac000);
	ck_assert_uint_eq(packet.rkey, 0x2cc);
	ck_assert_uint_eq(packet.swap_or_add, 3);
	ck_assert_uint_eq(roce_encode(&packet, again), sizeof vector - ROCE_ICRC_BYTES);
	again[1] |= 0x40; /* the migration bit, which we do not set */
	ck_assert_mem_eq(again, vector, sizeof vector - ROCE_ICRC_BYTES);
}
END_TEST

START_TEST(every_identification_is_recovered_from_a_device_and_from_nobody_else)
{
	struct roce_path path = path_of(1, 2, true), back = path_of(2, 1, true),
			 ours = path_of(2, 1, false);
	uint8_t packet[ROCE_PACKET_BYTES_MAX];

	for (unsigned i = 0; i <= UINT16_MAX; i += 251) {
		size_t bytes = 16 + i % 1000 * 4;

		memset(packet, (int)i, bytes);
		roce_icrc_seal(&path, packet, bytes, i);
		ck_assert(roce_icrc_holds(&back, ROCE_PORT, packet, bytes + ROCE_ICRC_BYTES));
		ck_assert(i == 0 ||
			  !roce_icrc_holds(&ours, ROCE_PORT, packet, bytes + ROCE_ICRC_BYTES));
		packet[bytes / 2] ^= 1;
		ck_assert(!roce_icrc_holds(&back, ROCE_PORT, packet, bytes + ROCE_ICRC_BYTES));
	}
}
END_TEST

START_TEST(a_byte_that_routers_change_is_not_under_the_icrc_and_every_other_is)
{
	struct roce_path back = path_of(2, 1, false), stranger = path_of(2, 3, false);
	uint8_t packet[sizeof vector];

	for (size_t i = 0; i < sizeof vector; i++) {
		memcpy(packet, vector, sizeof vector);
		packet[i] ^= 0x10;
		ck_assert_int_eq(roce_icrc_holds(&back, ROCE_PORT, packet, sizeof packet), i == 4);
	}
	ck_assert(!roce_icrc_holds(&stranger, ROCE_PORT, vector, sizeof vector));
}
END_TEST

START_TEST(malformed_packets_are_told_apart)
{
	static const struct {
		size_t at;
		uint8_t value;
		size_t count;
		enum roce_malformation expected;
	} cases[] = {
		{0, 0x14, 15, ROCE_TRUNCATED},   {0, 0x14, 40, ROCE_TRUNCATED},
		{1, 0x41, 44, ROCE_BAD_VERSION}, {2, 0x12, 44, ROCE_BAD_KEY},
		{0, 0x04, 44, ROCE_BAD_OPCODE},  {0, 0xff, 44, ROCE_BAD_OPCODE},
		{0, 0x64, 44, ROCE_BAD_OPCODE},  {0, 0x11, 44, ROCE_BAD_LENGTH},
		{0, 0x07, 43, ROCE_BAD_LENGTH},  {0, 0x07, 44, ROCE_WELL_FORMED},
		{2, 0x7f, 44, ROCE_WELL_FORMED},
	};
	struct roce_packet packet;
	uint8_t bytes[sizeof vector];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memcpy(bytes, vector, sizeof vector);
		bytes[cases[i].at] = cases[i].value;
		ck_assert_int_eq(roce_decode(bytes, cases[i].count, &packet), cases[i].expected);
	}
}
END_TEST

START_TEST(padding_is_no_payload)
{
	struct roce_packet packet = {.opcode = ROCE_WRITE_ONLY, .payload_bytes = 5}, read;
	uint8_t bytes[64];
	size_t end = roce_encode(&packet, bytes);

	memset(bytes + end, 7, 8);
	end = roce_pad(bytes, end, 5);
	ck_assert_uint_eq(end % 4, 0);
	ck_assert_int_eq(roce_decode(bytes, end + ROCE_ICRC_BYTES, &read), ROCE_WELL_FORMED);
	ck_assert_uint_eq(read.payload_bytes, 5);
	ck_assert_mem_eq(read.payload, "\7\7\7\7\7\0\0\0", 8);
}
END_TEST

START_TEST(psns_are_compared_across_their_wrap)
{
	ck_assert_int_eq(roce_psn_distance(2, 0xffffff), 3);
	ck_assert_int_eq(roce_psn_distance(0xffffff, 2), -3);
	ck_assert_int_eq(roce_psn_distance(0x800000, 0), -(1 << 23));
	ck_assert_uint_eq(roce_psn_add(0xffffff, 2), 1);
	ck_assert_uint_eq(roce_psn_count(0, 256), 1);
	ck_assert_uint_eq(roce_psn_count(256, 256), 1);
	ck_assert_uint_eq(roce_psn_count(257, 256), 2);
	ck_assert_uint_eq(roce_psn_count(UINT32_MAX, 256), 1 << 24);
}
END_TEST

START_TEST(a_run_has_packets_of_one_length_and_one_shorter_at_its_end)
{
	static const uint16_t bytes[] = {40, 40, 40, 24, 40, 60, 60};
	static const struct {
		unsigned count;
		uint32_t segment_bytes, length_bytes;
	} expected[] = {{4, 44, 160}, {1, 44, 44}, {2, 64, 128}};
	struct roce_path path = path_of(1, 2, false), other = path_of(1, 3, false);

	roce_batch_clear(&batch);
	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
		roce_batch_commit(&batch, &path, bytes[i]);
	roce_batch_commit(&batch, &other, 60);
	ck_assert_uint_eq(batch.run_count, 4);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(batch.runs[i].count, expected[i].count);
		ck_assert_uint_eq(batch.runs[i].segment_bytes, expected[i].segment_bytes);
		ck_assert_uint_eq(batch.runs[i].length_bytes, expected[i].length_bytes);
	}
	roce_batch_clear(&batch);
	for (unsigned i = 0; i < 100; i++)
		roce_batch_commit(&batch, &path, 40);
	ck_assert_uint_eq(batch.run_count, 2);
	ck_assert_uint_eq(batch.runs[0].count, ROCE_RUN_COUNT_MAX);
	roce_batch_clear(&batch);
	for (unsigned i = 0; i < 20; i++)
		roce_batch_commit(&batch, &path, 4108);
	ck_assert_uint_eq(batch.runs[0].count, 15);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roce packets");
	TCase *tcase = tcase_create("packets");

	tcase_add_test(tcase, the_icrc_is_that_of_a_packet_that_rxe_accepts);
#ifdef __x86_64__
	tcase_add_test(tcase, an_icrc_leaves_no_vectors_behind);
#endif
	tcase_add_test(tcase, a_decoded_packet_is_what_was_encoded);
	tcase_add_test(tcase, every_identification_is_recovered_from_a_device_and_from_nobody_else);
	tcase_add_test(tcase, a_byte_that_routers_change_is_not_under_the_icrc_and_every_other_is);
	tcase_add_test(tcase, malformed_packets_are_told_apart);
	tcase_add_test(tcase, padding_is_no_payload);
	tcase_add_test(tcase, psns_are_compared_across_their_wrap);
	tcase_add_test(tcase, a_run_has_packets_of_one_length_and_one_shorter_at_its_end);
	suite_add_tcase(suite, tcase);
	return run_suite_forked(suite);
}
