/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged's responder of RoCEv2 from outside, packet by packet: what a broken or hostile function
 * sends is dropped or refused as the InfiniBand specification says (9.7.4, 9.7.5), counted by its
 * name, and touches no memory, while others are served.
 */
#include "tests/clock.h"
#include "tests/roce_end.h"
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SESSION_PAIRS 8

/* ---- every test's beginning and end ---- */

static struct end other; /* whoever must be served, whatever happens beside it */

static void setup(void)
{
	static const char *const arguments[] = {
		"--memory", "1MiB",        "--domain", "cpu",   "--log-level", "error", "--workers",
		"2",        "--roce-port", "0",        "--ttl", "60m",         NULL};

	daemon_start(&storaged, arguments);
	other = end_new("other");
	map_region(&other);
}

static void teardown(void)
{
	struct end fresh;

	serves(&other);
	fresh = end_new("fresh");
	serves(&fresh);
	ck_assert_int_eq(daemon_stop(&storaged), 0);
	unmap_region();
}

/* ---- what is right ---- */

START_TEST(read_write_and_atomics_are_answered)
{
	struct end end = end_new("end");
	struct roce_packet packet, answer;

	serves(&end);
	packet = request_of(&end, ROCE_COMPARE_SWAP, end.base);
	packet.compare = 2;
	packet.swap_or_add = 77;
	send_packet(&end, &packet, 0);
	expect_original(&end, end.psn, 2);
	took(&end, 1);
	ck_assert_uint_eq(word_at(end.base), 77);
	packet = request_of(&end, ROCE_WRITE_FIRST, end.base + 8);
	packet.length_bytes = MTU + 5;
	packet.payload_bytes = MTU;
	packet.ack_request = false;
	send_packet(&end, &packet, 0x11);
	took(&end, 1);
	packet = request_of(&end, ROCE_WRITE_LAST, 0);
	packet.payload_bytes = 5;
	send_packet(&end, &packet, 0x22);
	expect_acknowledge(&end, end.psn, ROCE_SYNDROME_ACK);
	took(&end, 1);
	ck_assert_uint_eq(word_at(end.base + MTU), 0x1111111111111111);
	ck_assert_uint_eq(word_at(end.base + MTU + 8), 0x2222222222);
	packet = request_of(&end, ROCE_READ_REQUEST, end.base + 8);
	packet.length_bytes = MTU + 5;
	send_packet(&end, &packet, 0);
	answer = receive_packet(&end);
	ck_assert_int_eq(answer.opcode, ROCE_READ_RESPONSE_FIRST);
	ck_assert_uint_eq(answer.payload_bytes, MTU);
	ck_assert_mem_eq(answer.payload, bytes_at(end.base + 8), MTU);
	answer = receive_packet(&end);
	ck_assert_int_eq(answer.opcode, ROCE_READ_RESPONSE_LAST);
	ck_assert_uint_eq(answer.psn, roce_psn_add(end.psn, 1));
	ck_assert_uint_eq(answer.payload_bytes, 5);
	ck_assert_mem_eq(answer.payload, "\x22\x22\x22\x22\x22", 5);
}
END_TEST

START_TEST(a_read_or_write_of_no_bytes_is_answered_whatever_its_address_and_rkey)
{
	struct end end = end_new("end");
	struct roce_packet packet = request_of(&end, ROCE_READ_REQUEST, 2 * REGION_BYTES), answer;
	uint8_t *copy = copy_region();

	packet.rkey ^= 1;
	send_packet(&end, &packet, 0);
	answer = receive_packet(&end);
	ck_assert_int_eq(answer.opcode, ROCE_READ_RESPONSE_ONLY);
	ck_assert_uint_eq(answer.psn, end.psn);
	ck_assert_uint_eq(answer.payload_bytes, 0);
	took(&end, 1);
	packet.opcode = ROCE_WRITE_ONLY;
	packet.psn = end.psn;
	send_packet(&end, &packet, 0);
	expect_acknowledge(&end, end.psn, ROCE_SYNDROME_ACK);
	took(&end, 1);
	expect_untouched(copy, "nothing");
	serves(&end);
}
END_TEST

/* ---- what is dropped ---- */

/* A fetch-and-add, of which the byte @at becomes @value, and the end goes or comes. */
static const struct {
	const char *what;
	uint8_t at, value;
	int longer_bytes;
	const char *figure;
} malformed[] = {
	{"nothing", 0, ROCE_FETCH_ADD, -44, "dropped_truncated"},
	{"a byte", 0, ROCE_FETCH_ADD, -43, "dropped_truncated"},
	{"a cut base header", 0, ROCE_FETCH_ADD, -33, "dropped_truncated"},
	{"a base header without an ICRC", 0, ROCE_FETCH_ADD, -32, "dropped_truncated"},
	{"a cut atomic header", 0, ROCE_FETCH_ADD, -4, "dropped_truncated"},
	{"a READ without its header", 0, ROCE_READ_REQUEST, -28, "dropped_truncated"},
	{"padding that is not there", 1, 0x30, 0, "dropped_truncated"},
	{"another transport version", 1, 0x01, 0, "dropped_version"},
	{"another partition", 2, 0x12, 0, "dropped_partition_key"},
	{"no partition", 3, 0x00, 0, "dropped_partition_key"},
	{"SEND", 0, 0x04, 0, "dropped_opcode"},
	{"WRITE with immediate data", 0, 0x0b, 0, "dropped_opcode"},
	{"SEND of an unreliable datagram", 0, 0x64, 0, "dropped_opcode"},
	{"WRITE of an unreliable connection", 0, 0x2a, 0, "dropped_opcode"},
	{"an opcode that there is not", 0, 0xff, 0, "dropped_opcode"},
	{"a payload behind an atomic", 0, ROCE_FETCH_ADD, 4, "dropped_length"},
	{"a payload behind a READ", 0, ROCE_READ_REQUEST, 0, "dropped_length"},
	{"a WRITE that is not padded", 0, ROCE_WRITE_ONLY, 1, "dropped_length"},
};

START_TEST(what_is_malformed_is_dropped_and_counted_by_its_name)
{
	struct end end = end_new("end");

	for (unsigned i = 0; i < sizeof malformed / sizeof *malformed; i++) {
		const char *what = malformed[i].what;
		struct figures before = figures_now(other.control);
		struct roce_packet packet = add_of(&end);
		struct wire wire = wire_of(&end, &packet, 0);
		uint8_t *copy = copy_region();

		wire.at[malformed[i].at] = malformed[i].value;
		wire.bytes = (size_t)((int)wire.bytes + malformed[i].longer_bytes);
		memset(wire.at + 44, 0, 4);
		if (wire.bytes >= sizeof(struct roce_bth) + ROCE_ICRC_BYTES)
			seal(&end, &wire);
		send_wire(end.udp, &end, &wire);
		expect_figure(other.control, &before, malformed[i].figure, NULL, what);
		expect_silence(&end, what);
		expect_untouched(copy, what);
		serves(&end);
	}
}
END_TEST

START_TEST(a_packet_with_a_bit_changed_on_the_way_is_dropped)
{
	struct end end = end_new("end");

	for (size_t at = 5; at < 44; at++) {
		struct figures before = figures_now(other.control);
		struct roce_packet packet = add_of(&end);
		struct wire wire = wire_of(&end, &packet, 0);
		uint8_t *copy = copy_region();

		wire.at[at] ^= 0x04;
		send_wire(end.udp, &end, &wire);
		/* With another queue pair number it is nobody's before it is broken. */
		expect_figure(other.control, &before,
			      at < 8 ? "dropped_unknown_queue_pair" : "dropped_icrc", NULL,
			      "a changed bit");
		expect_silence(&end, "a changed bit");
		expect_untouched(copy, "a changed bit");
	}
	serves(&end);
}
END_TEST

START_TEST(a_packet_for_an_unknown_queue_pair_or_no_request_is_dropped)
{
	struct end end = end_new("end");
	static const uint8_t opcodes[] = {ROCE_FETCH_ADD, ROCE_ACKNOWLEDGE, ROCE_ATOMIC_ACKNOWLEDGE,
					  ROCE_READ_RESPONSE_ONLY};

	for (unsigned i = 0; i < sizeof opcodes; i++) {
		struct figures before = figures_now(other.control);
		struct roce_packet packet = add_of(&end);
		uint8_t *copy = copy_region();

		packet.opcode = opcodes[i];
		if (i == 0)
			packet.qpn = 1;
		send_packet(&end, &packet, 0);
		expect_figure(other.control, &before,
			      i == 0 ? "dropped_unknown_queue_pair" : "dropped_opcode", NULL,
			      roce_opcode_name(opcodes[i]));
		expect_silence(&end, "it");
		expect_untouched(copy, "it");
	}
	serves(&end);
}
END_TEST

START_TEST(a_packet_from_another_port_or_address_is_dropped_although_its_icrc_is_right)
{
	struct end end = end_new("end");

	for (unsigned i = 0; i < 2; i++) {
		struct figures before = figures_now(other.control);
		struct roce_packet packet = add_of(&end);
		uint8_t *copy = copy_region();
		struct end foreign = end;
		struct wire wire;

		foreign.udp = i ? udp_socket(2, end.path.local.port, &foreign.path.local)
				: udp_socket(1, 0, &foreign.path.local);
		roce_path_prepare(&foreign.path);
		wire = wire_of(&foreign, &packet, 0);
		send_wire(foreign.udp, &foreign, &wire);
		expect_figure(other.control, &before, "dropped_foreign_source", NULL, "it");
		expect_silence(&end, "it");
		expect_silence(&foreign, "it");
		expect_untouched(copy, "it");
		close(foreign.udp);
	}
	serves(&end);
}
END_TEST

/* ---- PSNs ---- */

START_TEST(a_gap_is_told_once_and_what_is_behind_it_is_not_executed)
{
	static const uint32_t ahead[] = {1, 2, 1000, (1 << 23) - 1};
	struct end end = end_new("end");

	for (unsigned i = 0; i < 4; i++) {
		struct figures before = figures_now(other.control);
		struct roce_packet packet = add_of(&end);
		uint8_t *copy = copy_region();

		packet.psn = roce_psn_add(end.psn, ahead[i]);
		for (unsigned times = 0; times < 3; times++)
			send_packet(&end, &packet, 0);
		expect_acknowledge(&end, end.psn, ROCE_SYNDROME_NAK_SEQUENCE);
		figures_after(other.control, &before, "dropped_out_of_order", 3);
		figures_after(other.control, &before, "naks_sequence", 1);
		expect_silence(&end, "a second one");
		expect_untouched(copy, "a gap");
		serves(&end);
	}
}
END_TEST

START_TEST(an_atomic_that_comes_again_is_answered_by_the_same_original_and_executed_once)
{
	struct end end = end_new("end");
	struct figures before = figures_now(other.control);
	struct roce_packet packets[RD_ATOMIC + 1];

	for (unsigned i = 0; i <= RD_ATOMIC; i++) {
		packets[i] = add_of(&end);
		serves(&end);
	}
	for (unsigned times = 0; times < 3; times++)
		for (unsigned i = RD_ATOMIC; i > 0; i--) {
			send_packet(&end, &packets[i], 0);
			expect_original(&end, packets[i].psn, 1 + i);
		}
	figures_after(other.control, &before, "duplicates", 3 * RD_ATOMIC);
	/* More than it may have under way: forgotten, and never executed again. */
	before = figures_now(other.control);
	send_packet(&end, &packets[0], 0);
	expect_figure(other.control, &before, "dropped_unanswerable", "duplicates", "it");
	expect_silence(&end, "it");
	ck_assert_uint_eq(word_at(end.base), end.sum);
	serves(&end);
}
END_TEST

START_TEST(a_write_that_comes_again_is_acknowledged_and_not_executed)
{
	struct end end = end_new("end");
	struct figures before = figures_now(other.control);
	struct roce_packet packet = request_of(&end, ROCE_WRITE_ONLY, end.base + 8);

	packet.length_bytes = packet.payload_bytes = 8;
	for (uint8_t value = 1; value <= 2; value++) {
		packet.psn = end.psn;
		send_packet(&end, &packet, value);
		expect_acknowledge(&end, end.psn, ROCE_SYNDROME_ACK);
		took(&end, 1);
	}
	packet.psn = roce_psn_add(end.psn, ROCE_PSN_MASK - 1);
	send_packet(&end, &packet, 1);
	/* No more than it: what came behind it may have been a READ whose response was lost. */
	expect_acknowledge(&end, packet.psn, ROCE_SYNDROME_ACK);
	expect_figure(other.control, &before, "duplicates", NULL, "it");
	ck_assert_uint_eq(word_at(end.base + 8), 0x0202020202020202);
	serves(&end);
}
END_TEST

START_TEST(a_read_that_comes_again_is_answered_again_and_may_ask_for_more)
{
	struct end end = end_new("end");
	struct roce_packet packet = request_of(&end, ROCE_READ_REQUEST, end.base), answer;

	packet.length_bytes = 2 * MTU;
	for (unsigned times = 0; times < 2; times++)
		for (unsigned i = 0; i < 2; i++) {
			if (i == 0)
				send_packet(&end, &packet, 0);
			answer = receive_packet(&end);
			ck_assert_uint_eq(answer.psn, roce_psn_add(end.psn, i));
			ck_assert_mem_eq(answer.payload, bytes_at(end.base + i * MTU), MTU);
		}
	/* The request behind it was lost, and the window is another now. */
	packet.length_bytes = 3 * MTU;
	send_packet(&end, &packet, 0);
	for (unsigned i = 0; i < 3; i++) {
		answer = receive_packet(&end);
		ck_assert_uint_eq(answer.psn, roce_psn_add(end.psn, i));
		ck_assert_mem_eq(answer.payload, bytes_at(end.base + i * MTU), MTU);
	}
	took(&end, 3);
	serves(&end);
}
END_TEST

/* ---- what is refused, and ends the queue pair ---- */

enum where { OBJECT, REGION, REGION_END, ABSOLUTE };

static const struct {
	const char *what;
	bool in_write; /* behind the first packet of a WRITE of three */
	uint8_t opcode;
	enum where where; /* what @offset is counted from */
	int64_t offset;
	uint32_t length_bytes, payload_bytes;
	uint32_t rkey_wrong;
	uint8_t syndrome;
} refused[] = {
	{"WRITE middle without a first", false, ROCE_WRITE_MIDDLE, OBJECT, 0, 0, MTU, 0, 0x61},
	{"WRITE last without a first", false, ROCE_WRITE_LAST, OBJECT, 0, 0, 8, 0, 0x61},
	{"an atomic in a WRITE", true, ROCE_FETCH_ADD, OBJECT, 0, 0, 0, 0, 0x61},
	{"a READ in a WRITE", true, ROCE_READ_REQUEST, OBJECT, 0, 8, 0, 0, 0x61},
	{"another WRITE in a WRITE", true, ROCE_WRITE_FIRST, OBJECT, 0, 3 * MTU, MTU, 0, 0x61},
	{"a short WRITE in a WRITE", true, ROCE_WRITE_ONLY, OBJECT, 0, 8, 8, 0, 0x61},
	{"a middle that is not full", true, ROCE_WRITE_MIDDLE, OBJECT, 0, 0, MTU - 4, 0, 0x61},
	{"a last before its time", true, ROCE_WRITE_LAST, OBJECT, 0, 0, MTU, 0, 0x61},
	{"a payload beyond the MTU", false, ROCE_WRITE_ONLY, OBJECT, 0, MTU + 4, MTU + 4, 0, 0x61},
	{"a first beyond the MTU", false, ROCE_WRITE_FIRST, OBJECT, 0, 3 * MTU, MTU + 4, 0, 0x61},
	{"a first that is not full", false, ROCE_WRITE_FIRST, OBJECT, 0, 3 * MTU, 8, 0, 0x61},
	{"a first that is the only one", false, ROCE_WRITE_FIRST, OBJECT, 0, MTU, MTU, 0, 0x61},
	{"less than announced", false, ROCE_WRITE_ONLY, OBJECT, 0, 16, 8, 0, 0x61},
	{"more than announced", false, ROCE_WRITE_ONLY, OBJECT, 0, 8, 16, 0, 0x61},
	{"more than nothing", false, ROCE_WRITE_ONLY, OBJECT, 0, 0, 8, 0, 0x61},
	{"a READ of 4 GiB", false, ROCE_READ_REQUEST, OBJECT, 0, UINT32_MAX, 0, 0, 0x61},
	{"a misaligned addition", false, ROCE_FETCH_ADD, OBJECT, 4, 0, 0, 0, 0x61},
	{"a misaligned comparison", false, ROCE_COMPARE_SWAP, OBJECT, 1, 0, 0, 0, 0x61},
	{"a wrong rkey, READ", false, ROCE_READ_REQUEST, OBJECT, 0, 8, 0, 1, 0x62},
	{"a wrong rkey, WRITE", false, ROCE_WRITE_ONLY, OBJECT, 0, 8, 8, 0x80000000, 0x62},
	{"a wrong rkey, FAA", false, ROCE_FETCH_ADD, OBJECT, 0, 0, 0, 0x100, 0x62},
	{"a wrong rkey, CAS", false, ROCE_COMPARE_SWAP, OBJECT, 0, 0, 0, UINT32_MAX, 0x62},
	{"READ before the region", false, ROCE_READ_REQUEST, REGION, -1, 8, 0, 0, 0x62},
	{"WRITE before the region", false, ROCE_WRITE_ONLY, REGION, -8, 16, 16, 0, 0x62},
	{"an atomic before the region", false, ROCE_FETCH_ADD, REGION, -8, 0, 0, 0, 0x62},
	{"READ over its end", false, ROCE_READ_REQUEST, REGION_END, -7, 8, 0, 0, 0x62},
	/* longer than anybody may ask for, wherever it lies */
	{"READ of all and a byte", false, ROCE_READ_REQUEST, REGION, 0, REGION_BYTES + 1, 0, 0,
	 0x61},
	{"WRITE over its end", false, ROCE_WRITE_ONLY, REGION_END, -4, 8, 8, 0, 0x62},
	{"WRITE whose rest is over its end", false, ROCE_WRITE_FIRST, REGION_END, -MTU, 2 * MTU,
	 MTU, 0, 0x62},
	{"an atomic at its end", false, ROCE_FETCH_ADD, REGION_END, 0, 0, 0, 0, 0x62},
	{"READ over the end of all addresses", false, ROCE_READ_REQUEST, ABSOLUTE, -8, 64, 0, 0,
	 0x62},
	{"WRITE over the end of all addresses", false, ROCE_WRITE_ONLY, ABSOLUTE, -8, 64, 64, 0,
	 0x62},
	{"an atomic at the last address", false, ROCE_COMPARE_SWAP, ABSOLUTE, -8, 0, 0, 0, 0x62},
};

/* The first of three packets of a WRITE of zeros to where there are zeros. */
static void begin_write(struct end *end)
{
	struct roce_packet packet = request_of(end, ROCE_WRITE_FIRST, end->base + MTU);

	packet.length_bytes = 3 * MTU;
	packet.payload_bytes = MTU;
	send_packet(end, &packet, 0);
	expect_acknowledge(end, end->psn, ROCE_SYNDROME_ACK);
	took(end, 1);
}

static struct roce_packet refused_packet(const struct end *end, unsigned i)
{
	struct roce_packet packet = request_of(end, refused[i].opcode, (uint64_t)refused[i].offset);

	packet.address += refused[i].where == OBJECT       ? end->base
			  : refused[i].where == REGION_END ? REGION_BYTES
							   : 0;
	if (refused[i].where == ABSOLUTE)
		packet.address = (uint64_t)refused[i].offset;
	packet.length_bytes = refused[i].length_bytes;
	packet.payload_bytes = refused[i].payload_bytes;
	packet.rkey ^= refused[i].rkey_wrong;
	packet.swap_or_add = 1;
	return packet;
}

START_TEST(what_breaks_a_rule_is_refused_touches_nothing_and_ends_its_queue_pair_alone)
{
	const char *what = refused[_i].what;
	bool is_access = refused[_i].syndrome == ROCE_SYNDROME_NAK_ACCESS;
	struct end end = end_new("end");
	uint8_t *copy = copy_region();
	struct roce_packet packet;
	struct figures before;
	uint64_t errors;

	if (refused[_i].in_write)
		begin_write(&end);
	errors = protocol_errors_of_storaged(other.control);
	before = figures_now(other.control);
	packet = refused_packet(&end, (unsigned)_i);
	send_packet(&end, &packet, 0xee);
	expect_acknowledge(&end, end.psn, refused[_i].syndrome);
	expect_figure(other.control, &before, is_access ? "naks_access" : "naks_request", NULL,
		      what);
	ck_assert_uint_eq(protocol_errors_of_storaged(other.control), errors + 1);
	expect_silence(&end, what);
	/* From here on it is deaf to everything: the same, the next one, what it did before. */
	for (unsigned i = 0; i < 3; i++) {
		before = figures_now(other.control);
		if (i > 0)
			packet = add_of(&end);
		packet.psn = roce_psn_add(end.psn, i == 2 ? ROCE_PSN_MASK : 0);
		send_packet(&end, &packet, 0xee);
		expect_figure(other.control, &before, "dropped_in_error_state", NULL, what);
		expect_silence(&end, what);
	}
	expect_untouched(copy, what);
	serves(&other);
	end_close(&end);
}
END_TEST

/* A queue pair that was an attempt ends nothing; that of the transport in use does. */
START_TEST(a_session_ends_with_the_queue_pair_that_it_uses)
{
	struct end end = end_new("end");
	struct roce_packet packet = refused_packet(&end, 0);
	struct message message;
	int data = attach_tcp(&end.welcome);

	use(end.control, _i ? CONTROL_ROCE : CONTROL_TCP);
	ck_assert_uint_eq(call(end.control, CONTROL_PING, NULL, 0, &message), WIRE_OK);
	send_packet(&end, &packet, 0xee);
	expect_acknowledge(&end, end.psn, refused[0].syndrome);
	if (_i) {
		ck_assert(receive_message(end.control, &message));
		ck_assert_uint_eq(le16_get(message.header.type), CONTROL_FENCED);
		ck_assert_ptr_nonnull(strstr((char *)message.body, "queue pair"));
		ck_assert(is_closed(end.control));
	} else {
		ck_assert_uint_eq(call(end.control, CONTROL_PING, NULL, 0, &message), WIRE_OK);
	}
	close(data);
	end_close(&end);
}
END_TEST

START_TEST(a_queue_pair_that_ended_before_its_client_chose_it_ends_the_session)
{
	struct end end = end_new("end");
	struct roce_packet packet = refused_packet(&end, 0);
	struct message message;

	send_packet(&end, &packet, 0xee);
	expect_acknowledge(&end, end.psn, refused[0].syndrome);
	/* The worker has told the main thread before it answered. */
	ck_assert_uint_eq(call(other.control, CONTROL_PING, NULL, 0, &message), WIRE_OK);
	ck_assert_uint_eq(call(other.control, CONTROL_PING, NULL, 0, &message), WIRE_OK);
	use(end.control, CONTROL_ROCE);
	ck_assert(receive_message(end.control, &message));
	ck_assert_uint_eq(le16_get(message.header.type), CONTROL_FENCED);
	ck_assert_ptr_nonnull(strstr((char *)message.body, "had ended"));
	ck_assert(is_closed(end.control));
	end_close(&end);
}
END_TEST

/* ---- queue pairs ---- */

START_TEST(a_queue_pair_for_another_address_is_refused)
{
	struct control_queue_pair ours = ask_for(&other.path.local), theirs;

	ours.ip[15] = 2;
	ck_assert_uint_eq(try_queue_pair(other.control, &ours, &theirs), WIRE_ACCESS);
	memset(ours.ip, 0, sizeof ours.ip);
	ours.ip[15] = 1; /* ::1 is this host, too, but not where the connection comes from */
	ck_assert_uint_eq(try_queue_pair(other.control, &ours, &theirs), WIRE_ACCESS);
	ours = ask_for(&other.path.local);
	ck_assert_uint_eq(try_queue_pair(other.control, &ours, &theirs), WIRE_OK);
}
END_TEST

START_TEST(a_session_has_eight_queue_pairs_and_no_more_and_others_have_theirs)
{
	struct control_queue_pair ours, theirs[SESSION_PAIRS + 1];
	struct end end = end_new("end"); /* with the first */

	ours = ask_for(&end.path.local);
	theirs[0] = end.theirs;
	for (unsigned i = 1; i < SESSION_PAIRS; i++) {
		ck_assert_uint_eq(try_queue_pair(end.control, &ours, &theirs[i]), WIRE_OK);
		for (unsigned j = 0; j < i; j++)
			ck_assert_uint_ne(le32_get(theirs[i].qpn), le32_get(theirs[j].qpn));
	}
	ck_assert_uint_eq(try_queue_pair(end.control, &ours, &theirs[SESSION_PAIRS]), WIRE_ACCESS);
	serves(&end);
	ck_assert_uint_eq(try_queue_pair(other.control, &ours, &theirs[SESSION_PAIRS]), WIRE_OK);
}
END_TEST

/* Nor another's port at another address of the same network: nobody directs packets at others. */
START_TEST(packets_are_sent_to_no_address_that_is_not_the_clients_own)
{
	static const uint8_t foreign[][16] = {
		{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, /* for documentation: nobody's */
		{[10] = 0xff, [11] = 0xff, 0, 0, 0, 0},   /* any */
		/* storaged's, but not where packets come from */
		{[10] = 0xff, [11] = 0xff, 127, 9, 9, 9},
		{[10] = 0xff, [11] = 0xff, 224, 0, 0, 1}, /* everybody's */
		{0x20, 0x01, 0x0d, 0xb8, [15] = 1},
		{0xfe, 0x80, [15] = 1},
		{0},
	};
	int fds[] = {dial_tcp(), dial_unix()};
	struct control_queue_pair ours, theirs;
	struct roce_address local;
	int udp = udp_socket(1, 0, &local);

	ours = ask_for(&local);
	for (unsigned i = 0; i < 2; i++) {
		greet(fds[i]);
		for (unsigned j = 0; j < sizeof foreign / sizeof *foreign; j++) {
			memcpy(ours.ip, foreign[j], sizeof ours.ip);
			ck_assert_uint_eq(try_queue_pair(fds[i], &ours, &theirs), WIRE_ACCESS);
		}
		memcpy(ours.ip, local.ip, sizeof ours.ip);
		ck_assert_uint_eq(try_queue_pair(fds[i], &ours, &theirs), WIRE_OK);
		close(fds[i]);
	}
	close(udp);
}
END_TEST

START_TEST(the_queue_pair_of_an_ended_session_is_gone)
{
	struct end end = end_new("end");
	struct roce_packet packet = add_of(&end);
	int64_t end_ms = now_ms() + HANG_TIMEOUT_MS;
	struct figures before;
	struct message reply;
	uint8_t *copy;

	if (_i == 0)
		ck_assert_uint_eq(call(end.control, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
	close(end.control);
	while (sessions_of_storaged(other.control) > 1 && now_ms() < end_ms)
		usleep(1000);
	before = figures_now(other.control);
	copy = copy_region();
	send_packet(&end, &packet, 0);
	expect_figure(other.control, &before, "dropped_unknown_queue_pair", NULL, "it");
	expect_silence(&end, "it");
	expect_untouched(copy, "it");
}
END_TEST

/* Somewhere near to what is expected, with nothing outside the object of @end. */
static struct wire random_wire(const struct end *end)
{
	struct roce_packet packet = request_of(end, 0, end->base + (uint64_t)(random() % 4096));
	struct wire wire;

	packet.opcode = (uint8_t)(ROCE_WRITE_FIRST + random() % 15);
	if (packet.opcode == 0x09 || packet.opcode == 0x0b) /* with immediate data */
		packet.opcode = ROCE_FETCH_ADD;
	packet.psn = roce_psn_add(end->psn, (uint32_t)(random() % 4 - 1));
	packet.length_bytes = (uint32_t)random() % (3 * MTU);
	packet.payload_bytes = random() % 2 ? packet.length_bytes % MTU : (uint32_t)random() % 2000;
	wire = wire_of(end, &packet, (uint8_t)random());
	if (random() % 4 == 0) {
		wire.bytes = sizeof(struct roce_bth) + ROCE_ICRC_BYTES + (size_t)random() % 100;
		seal(end, &wire);
	}
	return wire;
}

START_TEST(thousands_of_random_packets_with_a_right_icrc_stop_neither_it_nor_others)
{
	enum { QUEUE_PAIRS = 50, PACKETS = 100 };

	srandom(20260103);
	for (unsigned i = 0; i < QUEUE_PAIRS; i++) {
		char name[16];
		struct end end;

		snprintf(name, sizeof name, "end %u", i);
		end = end_new(name);
		for (unsigned j = 0; j < PACKETS; j++) {
			struct wire wire = random_wire(&end);

			send_wire(end.udp, &end, &wire);
			took(&end, random() % 2);
		}
		serves(&other);
		end_close(&end);
	}
}
END_TEST

static TCase *tests_of(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, setup, teardown);
	suite_add_tcase(suite, tests);
	return tests;
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("roce");
	TCase *tests = tests_of(suite, "right");

	tcase_add_test(tests, read_write_and_atomics_are_answered);
	tcase_add_test(tests,
		       a_read_or_write_of_no_bytes_is_answered_whatever_its_address_and_rkey);
	tests = tests_of(suite, "dropped");
	tcase_add_test(tests, what_is_malformed_is_dropped_and_counted_by_its_name);
	tcase_add_test(tests, a_packet_with_a_bit_changed_on_the_way_is_dropped);
	tcase_add_test(tests, a_packet_for_an_unknown_queue_pair_or_no_request_is_dropped);
	tcase_add_test(tests,
		       a_packet_from_another_port_or_address_is_dropped_although_its_icrc_is_right);
	tests = tests_of(suite, "PSNs");
	tcase_add_test(tests, a_gap_is_told_once_and_what_is_behind_it_is_not_executed);
	tcase_add_test(
		tests,
		an_atomic_that_comes_again_is_answered_by_the_same_original_and_executed_once);
	tcase_add_test(tests, a_write_that_comes_again_is_acknowledged_and_not_executed);
	tcase_add_test(tests, a_read_that_comes_again_is_answered_again_and_may_ask_for_more);
	tests = tests_of(suite, "refused");
	tcase_add_loop_test(
		tests, what_breaks_a_rule_is_refused_touches_nothing_and_ends_its_queue_pair_alone,
		0, sizeof refused / sizeof *refused);
	tests = tests_of(suite, "queue pairs");
	tcase_add_loop_test(tests, a_session_ends_with_the_queue_pair_that_it_uses, 0, 2);
	tcase_add_test(tests, a_queue_pair_that_ended_before_its_client_chose_it_ends_the_session);
	tcase_add_test(tests, a_queue_pair_for_another_address_is_refused);
	tcase_add_test(tests, a_session_has_eight_queue_pairs_and_no_more_and_others_have_theirs);
	tcase_add_test(tests, packets_are_sent_to_no_address_that_is_not_the_clients_own);
	tcase_add_loop_test(tests, the_queue_pair_of_an_ended_session_is_gone, 0, 2);
	tcase_add_test(tests,
		       thousands_of_random_packets_with_a_right_icrc_stop_neither_it_nor_others);
	return suite;
}

int main(void)
{
	return run_suite_forked(make_suite());
}
