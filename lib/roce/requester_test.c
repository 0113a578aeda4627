/* SPDX-License-Identifier: Apache-2.0 */
/* The requester: a receiver that is not ready, which our responder never says and a device may;
 * answers that are not what was asked for; and which WRITEs ask for an acknowledge. */
#include "lib/roce/requester.h"
#include "tests/runner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PSN        0xffffff
#define NOW_NS     INT64_C(1000000000)
#define NOT_READY  (ROCE_SYNDROME_RNR | 12)
#define PAUSE_NS   INT64_C(640000) /* of timer 12 (9.7.5.2.8, table 45) */
#define TIMEOUT_NS INT64_C(3000000000)

static struct roce_requester requester;
static struct roce_counters counters;
static struct roce_batch batch;
static unsigned completed;
static enum roce_outcome last_outcome;
static uint64_t last_original;

static void complete(void *context, const struct roce_request *request, enum roce_outcome outcome,
		     uint64_t original)
{
	(void)context;
	(void)request;
	completed++;
	last_outcome = outcome;
	last_original = original;
}

/* A fetch-and-add is under way. */
static void begin(int64_t timeout_ns)
{
	struct roce_requester_config config = {
		.path = {.local = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 40000},
			 .remote = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = ROCE_PORT}},
		.psn = PSN,
		.mtu = 1024,
		.rd_atomic_max = 1,
		.window_bytes_max = 65536,
		.timeout_ns = timeout_ns,
		.complete = complete,
	};
	struct roce_request request = {.operation = ROCE_FAA, .length_bytes = 8, .operand = 1};

	counters = (struct roce_counters){0};
	completed = 0;
	roce_requester_init(&requester, &config, &counters);
	ck_assert_int_eq(roce_requester_post(&requester, &request), 0);
	ck_assert(roce_requester_emit(&requester, NOW_NS, &batch));
	roce_batch_clear(&batch);
}

static void setup(void)
{
	begin(TIMEOUT_NS);
}

static void receive(int64_t now_ns, uint8_t opcode, uint8_t syndrome)
{
	struct roce_packet packet = {
		.opcode = opcode, .psn = PSN, .syndrome = syndrome, .original = 41};

	roce_requester_receive(&requester, now_ns, &packet);
}

START_TEST(a_receiver_that_is_not_ready_is_asked_again_after_its_time)
{
	receive(NOW_NS, ROCE_ACKNOWLEDGE, NOT_READY);
	ck_assert_int_eq(roce_requester_due(&requester), NOW_NS + PAUSE_NS);
	roce_requester_tick(&requester, NOW_NS + PAUSE_NS - 1);
	ck_assert(!roce_requester_emit(&requester, NOW_NS + PAUSE_NS - 1, &batch));
	roce_requester_tick(&requester, NOW_NS + PAUSE_NS);
	ck_assert(roce_requester_emit(&requester, NOW_NS + PAUSE_NS, &batch));
	roce_batch_clear(&batch);
	receive(NOW_NS + PAUSE_NS, ROCE_ATOMIC_ACKNOWLEDGE, ROCE_SYNDROME_ACK);
	ck_assert_uint_eq(completed, 1);
	ck_assert_int_eq(last_outcome, ROCE_DONE);
	ck_assert_uint_eq(last_original, 41);
}
END_TEST

/* The refusal of a first sending may overtake the answer to a second. */
START_TEST(an_answer_ends_the_wait_for_a_receiver_that_was_not_ready)
{
	receive(NOW_NS, ROCE_ACKNOWLEDGE, NOT_READY);
	receive(NOW_NS, ROCE_ATOMIC_ACKNOWLEDGE, ROCE_SYNDROME_ACK);
	ck_assert_uint_eq(completed, 1);
	ck_assert_int_eq(roce_requester_due(&requester), INT64_MAX);
}
END_TEST

START_TEST(a_receiver_that_never_becomes_ready_is_given_up_after_the_silence)
{
	int64_t now_ns = NOW_NS;

	while (completed == 0 && now_ns < NOW_NS + 2 * TIMEOUT_NS) {
		receive(now_ns, ROCE_ACKNOWLEDGE, NOT_READY);
		now_ns = roce_requester_due(&requester);
		roce_requester_tick(&requester, now_ns);
		roce_requester_emit(&requester, now_ns, &batch);
		roce_batch_clear(&batch);
	}
	ck_assert_uint_eq(completed, 1);
	ck_assert_int_eq(last_outcome, ROCE_UNKNOWN);
	ck_assert_int_ge(now_ns, NOW_NS + TIMEOUT_NS);
	ck_assert_int_lt(now_ns, NOW_NS + TIMEOUT_NS + 2 * PAUSE_NS);
}
END_TEST

START_TEST(a_requester_without_answers_asks_less_often_up_to_a_sixteenth_of_the_silence)
{
	static const struct {
		int64_t timeout_ns, longest_ns;
	} rows[] = {{INT64_C(1000000000), 200000000},
		    {INT64_C(12000000000), 750000000},
		    {INT64_C(60000000000), 1000000000}};
	int64_t now_ns = NOW_NS, interval_ns = 0;

	begin(rows[_i].timeout_ns);
	while (completed == 0) {
		int64_t due_ns = roce_requester_due(&requester);

		ck_assert_int_ge(due_ns - now_ns, interval_ns);
		interval_ns = due_ns - now_ns;
		now_ns = due_ns;
		roce_requester_tick(&requester, now_ns);
		roce_requester_emit(&requester, now_ns, &batch);
		roce_batch_clear(&batch);
	}
	ck_assert_int_eq(last_outcome, ROCE_UNKNOWN);
	ck_assert_int_eq(interval_ns, rows[_i].longest_ns);
	ck_assert_int_ge(now_ns, NOW_NS + rows[_i].timeout_ns);
}
END_TEST

/* Only as much as was asked for is written into the caller's buffer, whatever a peer sends. */
START_TEST(a_response_longer_than_the_read_writes_nothing_behind_the_buffer)
{
	uint8_t buffer[1024], payload[1024];
	struct roce_request request = {
		.operation = ROCE_READ, .length_bytes = 100, .buffer = buffer};
	struct roce_packet packet = {.opcode = ROCE_READ_RESPONSE_ONLY,
				     .psn = roce_psn_add(PSN, 1),
				     .syndrome = ROCE_SYNDROME_ACK,
				     .payload = payload,
				     .payload_bytes = sizeof payload};

	receive(NOW_NS, ROCE_ATOMIC_ACKNOWLEDGE, ROCE_SYNDROME_ACK);
	memset(buffer, 1, sizeof buffer);
	memset(payload, 2, sizeof payload);
	ck_assert_int_eq(roce_requester_post(&requester, &request), 0);
	ck_assert(roce_requester_emit(&requester, NOW_NS, &batch));
	roce_batch_clear(&batch);
	roce_requester_receive(&requester, NOW_NS, &packet);
	ck_assert_uint_eq(counters.dropped_length, 1);
	for (unsigned i = 0; i < sizeof buffer; i++)
		ck_assert_uint_eq(buffer[i], 1);
	packet.payload_bytes = 100;
	roce_requester_receive(&requester, NOW_NS, &packet);
	ck_assert_uint_eq(completed, 2);
	for (unsigned i = 0; i < sizeof buffer; i++)
		ck_assert_uint_eq(buffer[i], i < 100 ? 2 : 1);
}
END_TEST

/* Its acknowledge tells that packets as long as any arrive, at a time when nothing may be
 * written. */
START_TEST(a_long_duplicate_is_of_no_memory_and_only_its_acknowledge_is_taken_for_one)
{
	struct roce_packet packet;

	receive(NOW_NS, ROCE_ATOMIC_ACKNOWLEDGE, ROCE_SYNDROME_ACK);
	roce_requester_emit_duplicate(&requester, &batch);
	ck_assert_uint_eq(batch.run_count, 1);
	ck_assert_int_eq(roce_decode(batch.bytes, batch.runs[0].length_bytes, &packet),
			 ROCE_WELL_FORMED);
	ck_assert_uint_eq(packet.opcode, ROCE_WRITE_ONLY);
	ck_assert_uint_eq(packet.psn, PSN);
	ck_assert_uint_eq(packet.payload_bytes, requester.config.mtu);
	ck_assert_uint_ne(packet.rkey, requester.config.rkey);
	ck_assert(packet.ack_request);
	receive(NOW_NS, ROCE_ATOMIC_ACKNOWLEDGE, ROCE_SYNDROME_ACK);
	receive(NOW_NS, ROCE_ACKNOWLEDGE, ROCE_SYNDROME_NAK_SEQUENCE);
	ck_assert(!requester.duplicate_acknowledged);
	receive(NOW_NS, ROCE_ACKNOWLEDGE, ROCE_SYNDROME_ACK);
	ck_assert(requester.duplicate_acknowledged);
	ck_assert_uint_eq(completed, 1);
	roce_batch_clear(&batch);
}
END_TEST

/* Post an operation for each letter, w a WRITE and f a fetch-and-add, send what may go, and note of
 * each WRITE whether it asks for an acknowledge: A or -. */
static void emit_writes(const char *operations, char *ret_asks)
{
	static uint8_t bytes[32];

	for (; *operations; operations++) {
		struct roce_request request = {
			.operation = *operations == 'w' ? ROCE_WRITE : ROCE_FAA,
			.length_bytes = *operations == 'w' ? sizeof bytes : 8,
			.buffer = bytes,
		};

		ck_assert_int_eq(roce_requester_post(&requester, &request), 0);
	}
	ck_assert(roce_requester_emit(&requester, NOW_NS, &batch));
	for (unsigned i = 0; i < batch.run_count; i++) {
		const struct roce_run *run = &batch.runs[i];

		for (uint32_t at = 0; at < run->length_bytes; at += run->segment_bytes) {
			uint32_t left = run->length_bytes - at;
			struct roce_packet packet;

			ck_assert_int_eq(
				roce_decode(batch.bytes + run->offset + at,
					    left < run->segment_bytes ? left : run->segment_bytes,
					    &packet),
				ROCE_WELL_FORMED);
			if (packet.opcode == ROCE_WRITE_ONLY)
				*ret_asks++ = packet.ack_request ? 'A' : '-';
		}
	}
	*ret_asks = '\0';
	roce_batch_clear(&batch);
}

START_TEST(a_write_asks_for_an_acknowledge_unless_an_answer_right_behind_it_is_one)
{
	static const struct {
		const char *operations, *asks;
	} rows[] = {
		{"w", "A"},  {"ww", "AA"},  {"wf", "-"},         {"wwf", "--"},
		{"fw", "A"}, {"wfw", "-A"}, {"wwwwwf", "A----"}, {"wfwf", "-A"},
	};
	char asks[8];

	receive(NOW_NS, ROCE_ATOMIC_ACKNOWLEDGE, ROCE_SYNDROME_ACK);
	emit_writes(rows[_i].operations, asks);
	ck_assert_str_eq(asks, rows[_i].asks);
}
END_TEST

/* The one atomic that may be under way is. */
START_TEST(a_write_asks_for_an_acknowledge_where_the_atomic_behind_it_may_not_leave)
{
	char asks[8];

	emit_writes("wf", asks);
	ck_assert_str_eq(asks, "A");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roce requester");
	TCase *tcase = tcase_create("requester");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, a_receiver_that_is_not_ready_is_asked_again_after_its_time);
	tcase_add_test(tcase, an_answer_ends_the_wait_for_a_receiver_that_was_not_ready);
	tcase_add_test(tcase, a_receiver_that_never_becomes_ready_is_given_up_after_the_silence);
	tcase_add_loop_test(
		tcase, a_requester_without_answers_asks_less_often_up_to_a_sixteenth_of_the_silence,
		0, 3);
	tcase_add_test(tcase, a_response_longer_than_the_read_writes_nothing_behind_the_buffer);
	tcase_add_test(tcase,
		       a_long_duplicate_is_of_no_memory_and_only_its_acknowledge_is_taken_for_one);
	tcase_add_loop_test(tcase,
			    a_write_asks_for_an_acknowledge_unless_an_answer_right_behind_it_is_one,
			    0, 8);
	tcase_add_test(tcase,
		       a_write_asks_for_an_acknowledge_where_the_atomic_behind_it_may_not_leave);
	suite_add_tcase(suite, tcase);
	return run_suite_forked(suite);
}
