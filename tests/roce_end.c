/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/roce_end.h"
#include "proto/layout.h"
#include "tests/clock.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RESEND_MS 50

static uint8_t *region; /* the whole of it, over shm */

/* ---- the control connection ---- */

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* A new memory object; returns the offset of its bytes. */
static uint64_t open_memory(int fd, const char *name, uint64_t bytes)
{
	uint8_t body[sizeof(struct control_open) + CONTROL_NAME_BYTES_MAX];
	struct control_open open = {.type = le16_of(OBJECT_MEMORY),
				    .flags = CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS,
				    .name_bytes = (uint8_t)strlen(name),
				    .parameters.parameter[0] = le64_of(bytes)};
	struct control_opened opened;
	struct message reply;

	memcpy(body, &open, sizeof open);
	memcpy(body + sizeof open, name, open.name_bytes);
	ck_assert_uint_eq(
		call(fd, CONTROL_OPEN, body, (uint32_t)sizeof open + open.name_bytes, &reply),
		WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	return le64_get(opened.offset) + sizeof(struct object_header);
}

uint64_t sessions_of_storaged(int fd)
{
	return le64_get(server_stat(fd).sessions);
}

uint64_t protocol_errors_of_storaged(int fd)
{
	return le64_get(server_stat(fd).protocol_errors);
}

/* ---- figures ---- */

struct figures figures_now(int fd)
{
	struct figures figures;
	struct message reply;

	ck_assert_uint_eq(call(fd, CONTROL_FIGURES, NULL, 0, &reply), WIRE_OK);
	figures.count = le32_get(((struct control_figures *)(void *)reply.body)->count);
	ck_assert_uint_le(figures.count, FIGURES_MAX);
	memcpy(figures.figure, reply.body + sizeof(struct control_figures),
	       figures.count * sizeof *figures.figure);
	return figures;
}

uint64_t figure(const struct figures *figures, const char *name)
{
	for (unsigned i = 0; i < figures->count; i++)
		if (!strcmp((const char *)figures->figure[i].name, name))
			return le64_get(figures->figure[i].value);
	ck_abort_msg("there is no figure %s", name);
	return 0;
}

struct figures figures_after(int fd, const struct figures *before, const char *name, uint64_t by)
{
	int64_t end_ms = now_ms() + HANG_TIMEOUT_MS;
	uint64_t wanted = figure(before, name) + by;
	struct figures figures;

	do
		figures = figures_now(fd);
	while (figure(&figures, name) < wanted && now_ms() < end_ms && usleep(1000) == 0);
	ck_assert_msg(figure(&figures, name) == wanted, "%s went from %llu to %llu instead of %llu",
		      name, (unsigned long long)(wanted - by),
		      (unsigned long long)figure(&figures, name), (unsigned long long)wanted);
	return figures;
}

static bool is_about_packets(const char *name)
{
	return !strcmp(name, "packets_sent") || !strcmp(name, "packets_received");
}

void expect_figure(int fd, const struct figures *before, const char *name, const char *and_name,
		   const char *what)
{
	struct figures after = figures_after(fd, before, name, 1);

	for (unsigned i = 0; i < after.count; i++) {
		const char *other = (const char *)after.figure[i].name;

		if (is_about_packets(other) || !strcmp(other, name) ||
		    (and_name && !strcmp(other, and_name)))
			continue;
		ck_assert_msg(le64_get(after.figure[i].value) == le64_get(before->figure[i].value),
			      "%s: %s rises, too", what, other);
	}
}

/* ---- one end of a queue pair ---- */

static struct roce_address loopback(uint8_t last)
{
	return (struct roce_address){.ip = {[10] = 0xff, 0xff, 127, 0, 0, last}};
}

int udp_socket(uint8_t last, uint16_t port, struct roce_address *ret_address)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*ret_address = loopback(last);
	ret_address->port = port;
	bytes = roce_address_to(ret_address, &address);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, bytes), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	roce_address_from((struct sockaddr *)&address, ret_address);
	return fd;
}

struct control_queue_pair ask_for(const struct roce_address *local)
{
	struct control_queue_pair ours = {.port = le16_of(local->port),
					  .mtu = le16_of(MTU),
					  .rd_atomic = le16_of(RD_ATOMIC),
					  .qpn = le32_of(QPN),
					  .psn = le32_of(PSN)};

	memcpy(ours.ip, local->ip, sizeof ours.ip);
	return ours;
}

unsigned try_queue_pair(int fd, const struct control_queue_pair *ours,
			struct control_queue_pair *ret_theirs)
{
	struct message reply;
	unsigned status = call(fd, CONTROL_QUEUE_PAIR, ours, sizeof *ours, &reply);

	if (status == WIRE_OK)
		memcpy(ret_theirs, reply.body, sizeof *ret_theirs);
	return status;
}

void seal(const struct end *end, struct wire *wire)
{
	roce_icrc_seal(&end->path, wire->at, wire->bytes - ROCE_ICRC_BYTES, 0);
}

struct wire wire_of(const struct end *end, const struct roce_packet *packet, uint8_t payload)
{
	struct wire wire;
	size_t headers_end = roce_encode(packet, wire.at);

	memset(wire.at + headers_end, payload, packet->payload_bytes);
	wire.bytes = roce_pad(wire.at, headers_end, packet->payload_bytes) + ROCE_ICRC_BYTES;
	seal(end, &wire);
	return wire;
}

void send_wire(int udp, const struct end *end, const struct wire *wire)
{
	struct sockaddr_storage to;
	socklen_t bytes = roce_address_to(&end->path.remote, &to);

	ck_assert_int_eq(sendto(udp, wire->at, wire->bytes, 0, (struct sockaddr *)&to, bytes),
			 (ssize_t)wire->bytes);
}

void send_packet(const struct end *end, const struct roce_packet *packet, uint8_t payload)
{
	struct wire wire = wire_of(end, packet, payload);

	send_wire(end->udp, end, &wire);
}

/* The next packet from storaged. Its payload is valid until the next call. */
static bool try_receive(const struct end *end, int timeout_ms, struct roce_packet *ret_packet)
{
	static struct wire wire;
	ssize_t n;

	if (!is_readable(end->udp, timeout_ms))
		return false;
	n = recv(end->udp, wire.at, sizeof wire.at, 0);
	ck_assert_int_ge(n, (ssize_t)(sizeof(struct roce_bth) + ROCE_ICRC_BYTES));
	ck_assert_int_eq(roce_decode(wire.at, (size_t)n, ret_packet), ROCE_WELL_FORMED);
	ck_assert(roce_icrc_holds(&end->path, end->path.remote.port, wire.at, (size_t)n));
	ck_assert_uint_eq(ret_packet->qpn, QPN);
	return true;
}

struct roce_packet receive_packet(const struct end *end)
{
	struct roce_packet packet;

	ck_assert_msg(try_receive(end, HANG_TIMEOUT_MS, &packet), "storaged's responder is silent");
	return packet;
}

struct roce_packet request_of(const struct end *end, uint8_t opcode, uint64_t offset)
{
	return (struct roce_packet){.opcode = opcode,
				    .ack_request = true,
				    .qpn = le32_get(end->theirs.qpn),
				    .psn = end->psn,
				    .address = le64_get(end->theirs.region_address) + offset,
				    .rkey = le32_get(end->theirs.rkey)};
}

struct roce_packet add_of(const struct end *end)
{
	struct roce_packet packet = request_of(end, ROCE_FETCH_ADD, end->base);

	packet.swap_or_add = 1;
	return packet;
}

void took(struct end *end, uint32_t psns)
{
	end->psn = roce_psn_add(end->psn, psns);
}

void expect_acknowledge(const struct end *end, uint32_t psn, uint8_t syndrome)
{
	struct roce_packet answer = receive_packet(end);

	ck_assert_int_eq(answer.opcode, ROCE_ACKNOWLEDGE);
	ck_assert_uint_eq(answer.psn, psn);
	ck_assert_uint_eq(answer.syndrome, syndrome);
}

void expect_original(const struct end *end, uint32_t psn, uint64_t original)
{
	struct roce_packet answer = receive_packet(end);

	ck_assert_int_eq(answer.opcode, ROCE_ATOMIC_ACKNOWLEDGE);
	ck_assert_uint_eq(answer.syndrome, ROCE_SYNDROME_ACK);
	ck_assert_uint_eq(answer.psn, psn);
	ck_assert_uint_eq(answer.original, original);
}

void expect_silence(const struct end *end, const char *what)
{
	struct roce_packet packet;

	ck_assert_msg(!try_receive(end, 0, &packet), "%s: storaged answered by %s", what,
		      roce_opcode_name(packet.opcode));
}

void serves(struct end *end)
{
	struct roce_packet packet = add_of(end);

	send_packet(end, &packet, 0);
	expect_original(end, end->psn, end->sum++);
	took(end, 1);
	ck_assert_uint_eq(word_at(end->base), end->sum);
}

/* Packets since @before that were nobody's or came again. */
static uint64_t superfluous(const struct end *end, const struct figures *before)
{
	struct figures now = figures_now(end->control);

	return figure(&now, "duplicates") - figure(before, "duplicates") +
	       figure(&now, "dropped_unknown_queue_pair") -
	       figure(before, "dropped_unknown_queue_pair");
}

/* The first packet may come before the worker knows the queue pair, and is sent again as everything
 * is. */
static void serves_at_last(struct end *end)
{
	struct figures before = figures_now(end->control);
	struct roce_packet packet = add_of(end), answer;
	int64_t end_ms = now_ms() + HANG_TIMEOUT_MS;
	unsigned sent = 0;

	do {
		ck_assert_msg(now_ms() < end_ms, "storaged's responder is silent");
		send_packet(end, &packet, 0);
		sent++;
	} while (!try_receive(end, RESEND_MS, &answer));
	ck_assert_int_eq(answer.opcode, ROCE_ATOMIC_ACKNOWLEDGE);
	ck_assert_uint_eq(answer.original, 0);
	end->sum = 1;
	took(end, 1);
	/* Leave nothing behind for the test to wonder at: neither figures that rise nor answers. */
	while (superfluous(end, &before) < sent - 1 && now_ms() < end_ms)
		usleep(1000);
	while (try_receive(end, 0, &answer))
		;
}

struct end end_new(const char *name)
{
	struct end end = {.control = dial_tcp(), .psn = PSN};
	struct control_queue_pair ours;

	end.welcome = greet(end.control);
	ck_assert(end.welcome.transports & CONTROL_ROCE);
	end.base = open_memory(end.control, name, 8 * MTU);
	end.udp = udp_socket(1, 0, &end.path.local);
	ours = ask_for(&end.path.local);
	ck_assert_uint_eq(try_queue_pair(end.control, &ours, &end.theirs), WIRE_OK);
	ck_assert_uint_eq(le16_get(end.theirs.mtu), MTU);
	ck_assert_uint_eq(le16_get(end.theirs.rd_atomic), RD_ATOMIC);
	memcpy(end.path.remote.ip, end.theirs.ip, sizeof end.theirs.ip);
	end.path.remote.port = le16_get(end.theirs.port);
	roce_path_prepare(&end.path);
	serves_at_last(&end);
	return end;
}

void end_close(struct end *end)
{
	close(end->control);
	close(end->udp);
}

/* ---- memory ---- */

void map_region(const struct end *end)
{
	int region_fd, fd = attach_shm(&end->welcome, &region_fd);

	region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, region_fd, 0);
	ck_assert_ptr_ne(region, MAP_FAILED);
	close(region_fd);
	close(fd);
}

void unmap_region(void)
{
	munmap(region, REGION_BYTES);
}

uint64_t word_at(uint64_t offset)
{
	uint64_t word;

	memcpy(&word, region + offset, sizeof word);
	return word;
}

const uint8_t *bytes_at(uint64_t offset)
{
	return region + offset;
}

uint8_t *copy_region(void)
{
	return memcpy(malloc(REGION_BYTES), region, REGION_BYTES);
}

void expect_untouched(uint8_t *copy, const char *what)
{
	ck_assert_msg(!memcmp(copy, region, REGION_BYTES), "%s: memory was touched", what);
	free(copy);
}
