/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP payload of any bytes: it is counted as malformed or its fields lie inside it and are those
 * that it is made of; and its ICRC is computed from its own bytes alone.
 */
#include "lib/roce/arrival.h"
#include "tests/fuzz/feed.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT_MAX 8192

/* Bits of the first byte: what the path is like. */
enum { IPV6 = 1, TO_DEVICE = 2, OTHER_PORT = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/*
 * A copy of @bytes that ends where a page begins that nobody may touch: the CRC is assembler, which
 * the sanitizers do not see into.
 */
static uint8_t *at_the_edge(const uint8_t *bytes, size_t count)
{
	static uint8_t *edge;

	if (!edge) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		uint8_t *pages = mmap(NULL, COUNT_MAX + page, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		MUST(pages != MAP_FAILED && mprotect(pages + COUNT_MAX, page, PROT_NONE) == 0);
		edge = pages + COUNT_MAX;
	}
	return memcpy(edge - count, bytes, count);
}

static struct roce_path path_of(uint8_t flags)
{
	struct roce_path path = {
		.local = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = ROCE_PORT},
		.remote = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 40000},
		.to_device = flags & TO_DEVICE,
	};

	if (flags & IPV6)
		path.local.ip[0] = path.remote.ip[0] = 0xfd;
	roce_path_prepare(&path);
	return path;
}

static void check_counters(const struct roce_counters *counters, bool well_formed)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < ROCE_COUNTER_COUNT; i++)
		total += roce_counter_get(counters, i);
	MUST(total == !well_formed);
	MUST(counters->dropped_truncated + counters->dropped_version +
		     counters->dropped_partition_key + counters->dropped_opcode +
		     counters->dropped_length ==
	     total);
}

/* Encoding what was decoded gives the packet again, but for bits that say nothing to us. */
static void check_round_trip(const struct roce_packet *packet, const uint8_t *bytes)
{
	/* solicited event and migration; full membership; congestion; reserved beside the ACK
	 * bit */
	static const uint8_t ignored[sizeof(struct roce_bth)] = {
		[1] = 0xc0, [2] = 0x80, [4] = 0xff, [8] = 0x7f};
	size_t headers_end = (size_t)(packet->payload - bytes);
	uint8_t again[ROCE_OVERHEAD_BYTES];

	MUST(headers_end <= sizeof again);
	MUST(roce_encode(packet, again) == headers_end);
	for (size_t i = 0; i < headers_end; i++)
		MUST(((again[i] ^ bytes[i]) & ~(i < sizeof ignored ? ignored[i] : 0)) == 0);
}

static void check_packet(const struct roce_packet *packet, const uint8_t *bytes, size_t count)
{
	size_t pad = bytes[offsetof(struct roce_bth, flags)] >> 4 & 3;

	MUST(strcmp(roce_opcode_name(packet->opcode), "unknown"));
	MUST(packet->payload >= bytes + sizeof(struct roce_bth));
	MUST(packet->payload + packet->payload_bytes + pad + ROCE_ICRC_BYTES == bytes + count);
	MUST(packet->qpn <= ROCE_PSN_MASK && packet->psn <= ROCE_PSN_MASK &&
	     packet->msn <= ROCE_PSN_MASK);
	check_round_trip(packet, bytes);
}

/* A sealed packet holds for its receiver, and with one bit changed it does so only where routers
 * may. */
static void check_icrc(struct feed *feed, const struct roce_path *path, uint8_t *packet,
		       size_t count)
{
	struct roce_path back = {
		.local = path->remote, .remote = path->local, .to_device = path->to_device};
	uint16_t port = path->local.port;
	size_t at = feed16(feed) % count;

	roce_path_prepare(&back);
	roce_icrc_holds(&back, port, packet, count);
	roce_icrc_seal(path, packet, count - ROCE_ICRC_BYTES, path->is_ipv6 ? 0 : feed8(feed) % 64);
	MUST(roce_icrc_holds(&back, port, packet, count));
	if (path->to_device)
		return; /* 16 bits of check: some other packet may pass */
	packet[at] ^= (uint8_t)(1 << feed8(feed) % 8);
	MUST(roce_icrc_holds(&back, port, packet, count) ==
	     (at == offsetof(struct roce_bth, congestion)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct feed feed = {bytes, bytes + count};
	uint8_t flags = feed8(&feed), *exact;
	struct feed choices = {feed.at, feed.at + (count > 5 ? 4 : 0)};
	struct roce_path path = path_of(flags);
	struct roce_address source = path.remote;
	struct roce_counters counters = {0};
	struct roce_packet packet;
	bool well_formed;

	feed.at = choices.end;
	count = (size_t)(feed.end - feed.at);
	if (count > COUNT_MAX)
		return 0;
	exact = malloc(count ? count : 1);
	memcpy(exact, feed.at, count);
	well_formed = roce_arrival_decode(exact, count, &packet, &counters);
	check_counters(&counters, well_formed);
	if (well_formed) {
		check_packet(&packet, exact, count);
		source.port += flags & OTHER_PORT;
		if (roce_arrival_holds(&path, &source, exact, count, &counters))
			MUST(path.to_device || !(flags & OTHER_PORT));
	}
	if (count >= sizeof(struct roce_bth) + ROCE_ICRC_BYTES)
		check_icrc(&choices, &path, at_the_edge(exact, count), count);
	free(exact);
	return 0;
}
