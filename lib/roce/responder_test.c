/* SPDX-License-Identifier: Apache-2.0 */
/* The responder's replay ring, however many PSNs lie between two atomics. */
#include "lib/roce/responder.h"
#include "tests/runner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MTU        1024
#define RKEY       7
#define READ_BYTES 65536
#define READ_PSNS  (READ_BYTES / MTU)

static struct roce_responder responder;
static struct roce_counters counters;
static struct roce_batch batch;
static uint64_t word;
static uint32_t psn; /* of the next request */

static void memory_read(void *context, uint64_t offset, void *buffer, uint32_t bytes)
{
	memset(buffer, 0, bytes);
}

static void memory_write(void *context, uint64_t offset, const void *buffer, uint32_t bytes)
{
}

static uint64_t compare_swap(void *context, uint64_t offset, uint64_t compare, uint64_t swap)
{
	return word;
}

static uint64_t fetch_add(void *context, uint64_t offset, uint64_t addend)
{
	word += addend;
	return word - addend;
}

static void setup(void)
{
	static const struct roce_memory_ops ops = {memory_read, memory_write, compare_swap,
						   fetch_add};
	struct roce_responder_config config = {
		.path = {.local = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = ROCE_PORT},
			 .remote = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 40000}},
		.memory = {.ops = &ops, .bytes = READ_BYTES, .rkey = RKEY, .access = 7},
		.mtu = MTU,
		.replay_count = ROCE_RD_ATOMIC_MAX,
	};

	counters = (struct roce_counters){0};
	word = 0;
	psn = 0;
	roce_responder_init(&responder, &config, &counters);
}

/* Add 1 by the request of @at. Returns the answer, or -1: there is none. */
static int64_t add_at(uint32_t at)
{
	struct roce_packet packet = {
		.opcode = ROCE_FETCH_ADD, .psn = at, .rkey = RKEY, .swap_or_add = 1};
	struct roce_packet answer;

	roce_batch_clear(&batch);
	roce_responder_receive(&responder, &packet, &batch);
	if (batch.run_count == 0)
		return -1;
	ck_assert_int_eq(roce_decode(batch.bytes, batch.fill, &answer), ROCE_WELL_FORMED);
	ck_assert_int_eq(answer.opcode, ROCE_ATOMIC_ACKNOWLEDGE);
	return (int64_t)answer.original;
}

static int64_t add(void)
{
	int64_t original = add_at(psn);

	psn = roce_psn_add(psn, 1);
	return original;
}

/* READs that take @psns. */
static void read_psns(uint32_t psns)
{
	while (psns) {
		uint32_t count = psns < READ_PSNS ? psns : READ_PSNS;
		struct roce_packet packet = {.opcode = ROCE_READ_REQUEST,
					     .psn = psn,
					     .rkey = RKEY,
					     .length_bytes = count * MTU};

		roce_batch_clear(&batch);
		roce_responder_receive(&responder, &packet, &batch);
		while (roce_responder_finish(&responder, &batch))
			roce_batch_clear(&batch);
		psn = roce_psn_add(psn, count);
		psns -= count;
	}
}

START_TEST(an_atomic_that_comes_again_is_answered_alike_and_not_executed)
{
	for (int i = 0; i < 2 * ROCE_RD_ATOMIC_MAX; i++)
		ck_assert_int_eq(add(), i);
	for (int i = 0; i < 2 * ROCE_RD_ATOMIC_MAX; i++)
		ck_assert_int_eq(add_at((uint32_t)i), i < ROCE_RD_ATOMIC_MAX ? -1 : i);
	ck_assert_uint_eq(word, 2 * ROCE_RD_ATOMIC_MAX);
}
END_TEST

START_TEST(it_is_not_answered_with_what_had_its_psn_a_wrap_before)
{
	ck_assert_int_eq(add(), 0);
	ck_assert_int_eq(add(), 1);
	read_psns(ROCE_PSN_MASK);
	ck_assert_uint_eq(psn, 1);
	word = 5000;
	ck_assert_int_eq(add_at(1), 5000);
	ck_assert_int_eq(add_at(1), 5000);
	ck_assert_uint_eq(word, 5001);
}
END_TEST

START_TEST(it_is_found_however_old_the_others_in_the_ring_are)
{
	for (int i = 0; i < ROCE_RD_ATOMIC_MAX; i++) {
		read_psns(66000);
		ck_assert_int_eq(add(), i);
	}
	ck_assert_int_eq(add_at(roce_psn_add(psn, ROCE_PSN_MASK)), ROCE_RD_ATOMIC_MAX - 1);
	ck_assert_uint_eq(counters.dropped_unanswerable, 0);
}
END_TEST

START_TEST(a_read_longer_than_may_be_asked_for_is_refused_with_one_packet)
{
	const uint32_t lengths[] = {READ_BYTES, READ_BYTES + 1, 1u << 31, UINT32_MAX};

	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct roce_packet packet = {
			.opcode = ROCE_READ_REQUEST, .rkey = RKEY, .length_bytes = lengths[i]};

		setup();
		/* The memory is larger: it is not its end that is met. */
		responder.config.memory.bytes = UINT64_MAX / 2;
		responder.config.read_bytes_max = READ_BYTES;
		roce_responder_receive(&responder, &packet, &batch);
		roce_batch_clear(&batch);
		ck_assert_uint_eq(counters.packets_sent, i ? 1 : READ_PSNS);
		ck_assert_uint_eq(counters.naks_request, i ? 1 : 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roce responder");
	TCase *tcase = tcase_create("replay");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, an_atomic_that_comes_again_is_answered_alike_and_not_executed);
	tcase_add_test(tcase, it_is_not_answered_with_what_had_its_psn_a_wrap_before);
	tcase_add_test(tcase, it_is_found_however_old_the_others_in_the_ring_are);
	tcase_add_test(tcase, a_read_longer_than_may_be_asked_for_is_refused_with_one_packet);
	suite_add_tcase(suite, tcase);
	return run_suite_forked(suite);
}
