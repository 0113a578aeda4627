/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/roce/path.h"

#include "lib/core/cpu.h"

#include <arpa/inet.h>
#include <isa-l/crc.h>
#include <netinet/in.h>
#include <string.h>
#include <zlib.h>

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define UDP_BYTES  8
#define IPV4_ID    4 /* offset of the identification in the header */

/* The CRC's register after eight bytes of ones, which stand for the link's header, as
 * crc32_gzip_refl wants it: inverted. */
#define SEED (~0xdebb20e3u)
/* CRC-32's polynomial is primitive: x^(2^32 - 1) = 1, so going back is going far forward. */
#define CRC_PERIOD INT64_C(0xffffffff)

static const uint8_t ipv4_mapped[12] = {[10] = 0xff, [11] = 0xff};

bool roce_address_is_ipv4(const struct roce_address *address)
{
	return !memcmp(address->ip, ipv4_mapped, sizeof ipv4_mapped);
}

bool roce_address_same_ip(const struct roce_address *left, const struct roce_address *right)
{
	return !memcmp(left->ip, right->ip, sizeof left->ip);
}

bool roce_address_is_any(const struct roce_address *address)
{
	static const struct roce_address any_ipv4 = {.ip = {[10] = 0xff, [11] = 0xff}}, any_ipv6;

	return roce_address_same_ip(address, &any_ipv4) || roce_address_same_ip(address, &any_ipv6);
}

socklen_t roce_address_to(const struct roce_address *address, struct sockaddr_storage *ret_to)
{
	*ret_to = (struct sockaddr_storage){0};
	if (roce_address_is_ipv4(address)) {
		struct sockaddr_in *to = (struct sockaddr_in *)ret_to;

		to->sin_family = AF_INET;
		to->sin_port = htons(address->port);
		memcpy(&to->sin_addr, address->ip + 12, 4);
		return sizeof *to;
	}
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)ret_to;

	to->sin6_family = AF_INET6;
	to->sin6_port = htons(address->port);
	memcpy(&to->sin6_addr, address->ip, 16);
	return sizeof *to;
}

void roce_address_from(const struct sockaddr *from, struct roce_address *ret_address)
{
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;

		memcpy(ret_address->ip, ipv4_mapped, sizeof ipv4_mapped);
		memcpy(ret_address->ip + 12, &in->sin_addr, 4);
		ret_address->port = ntohs(in->sin_port);
	} else {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)from;

		memcpy(ret_address->ip, &in->sin6_addr, 16);
		ret_address->port = ntohs(in->sin6_port);
	}
}

const char *roce_address_text(const struct roce_address *address, char *text, size_t text_bytes)
{
	bool is_ipv4 = roce_address_is_ipv4(address);

	if (!inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address->ip + (is_ipv4 ? 12 : 0), text,
		       (socklen_t)text_bytes))
		text[0] = 0;
	return text;
}

/* The headers of packets from @from to @to. Fields that a router may change are 0xff. */
static void fill(uint8_t *pseudo, bool is_ipv6, const struct roce_address *from,
		 const struct roce_address *to)
{
	uint8_t *udp = pseudo + (is_ipv6 ? IPV6_BYTES : IPV4_BYTES);

	if (is_ipv6) {
		memset(pseudo, 0xff, 8);
		pseudo[0] = 0x6f; /* version; traffic class and flow label are masked */
		pseudo[4] = pseudo[5] = 0;
		pseudo[6] = IPPROTO_UDP;
		memcpy(pseudo + 8, from->ip, 16);
		memcpy(pseudo + 24, to->ip, 16);
	} else {
		memset(pseudo, 0, IPV4_BYTES);
		pseudo[0] = 0x45;
		pseudo[1] = 0xff; /* type of service */
		pseudo[6] = 0x40; /* do not fragment */
		pseudo[8] = 0xff; /* time to live */
		pseudo[9] = IPPROTO_UDP;
		pseudo[10] = pseudo[11] = 0xff; /* checksum */
		memcpy(pseudo + 12, from->ip + 12, 4);
		memcpy(pseudo + 16, to->ip + 12, 4);
	}
	udp[2] = (uint8_t)(to->port >> 8);
	udp[3] = (uint8_t)to->port;
	udp[6] = udp[7] = 0xff; /* checksum */
}

void roce_path_prepare(struct roce_path *path)
{
	path->is_ipv6 = !roce_address_is_ipv4(&path->local);
	path->pseudo_bytes = UDP_BYTES + (path->is_ipv6 ? IPV6_BYTES : IPV4_BYTES);
	fill(path->sent, path->is_ipv6, &path->local, &path->remote);
	fill(path->received, path->is_ipv6, &path->remote, &path->local);
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The ICRC of a packet of @bytes without its ICRC, with the headers @pseudo. */
static uint32_t icrc_of(const struct roce_path *path, const uint8_t *pseudo, uint16_t source_port,
			const uint8_t *packet, size_t bytes, unsigned identification)
{
	size_t pseudo_bytes = path->pseudo_bytes, udp_bytes = UDP_BYTES + bytes + ROCE_ICRC_BYTES;
	uint8_t head[ROCE_PSEUDO_BYTES + sizeof(struct roce_bth)];
	uint32_t crc;

	memcpy(head, pseudo, pseudo_bytes);
	memcpy(head + pseudo_bytes, packet, sizeof(struct roce_bth));
	head[pseudo_bytes + offsetof(struct roce_bth, congestion)] = 0xff;
	put16(head + pseudo_bytes - UDP_BYTES, source_port);
	put16(head + pseudo_bytes - UDP_BYTES + 4, udp_bytes);
	if (path->is_ipv6) {
		put16(head + 4, udp_bytes);
	} else {
		put16(head + 2, IPV4_BYTES + udp_bytes);
		put16(head + IPV4_ID, identification);
	}
	crc = crc32_gzip_refl(SEED, head, pseudo_bytes + sizeof(struct roce_bth));
	crc = crc32_gzip_refl(crc, packet + sizeof(struct roce_bth),
			      bytes - sizeof(struct roce_bth));
	/* isa-l does not. */
	cpu_leave_vectors();
	return crc;
}

/* Stored little-endian, whatever the other fields are. */
static uint32_t stored(const uint8_t *at)
{
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

void roce_icrc_seal(const struct roce_path *path, uint8_t *packet, size_t bytes, unsigned segment)
{
	uint32_t icrc = icrc_of(path, path->sent, path->local.port, packet, bytes,
				path->to_device ? segment : 0);

	for (unsigned i = 0; i < ROCE_ICRC_BYTES; i++)
		packet[bytes + i] = (uint8_t)(icrc >> 8 * i);
}

/* Whether some identification makes this @difference between two ICRCs. */
static bool is_identification(uint32_t difference, size_t bytes_behind)
{
	uint32_t back = (uint32_t)crc32_combine_gen(CRC_PERIOD - (z_off_t)bytes_behind);

	return crc32_combine_op(difference, 0, back) <= UINT16_MAX;
}

bool roce_icrc_holds(const struct roce_path *path, uint16_t source_port, const uint8_t *payload,
		     size_t count)
{
	size_t bytes = count - ROCE_ICRC_BYTES;
	uint32_t difference = icrc_of(path, path->received, source_port, payload, bytes, 0) ^
			      stored(payload + bytes);

	if (difference == 0)
		return true;
	return path->to_device && !path->is_ipv6 &&
	       is_identification(difference, path->pseudo_bytes - IPV4_ID + bytes);
}
