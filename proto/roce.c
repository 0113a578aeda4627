/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/roce.h"

#include <string.h>

#define PKEY_DEFAULT 0xffff
#define PKEY_MASK    0x7fff /* without the bit for full membership */
#define ACK_REQUEST  0x80

enum headers { RETH = 1, ATOMIC_ETH = 2, AETH = 4, ATOMIC_ACK = 8, PAYLOAD = 16 };

static const struct {
	const char *name; /* NULL: no opcode of ours */
	uint8_t headers;
} opcodes[] = {
	[ROCE_WRITE_FIRST] = {"WRITE first", RETH | PAYLOAD},
	[ROCE_WRITE_MIDDLE] = {"WRITE middle", PAYLOAD},
	[ROCE_WRITE_LAST] = {"WRITE last", PAYLOAD},
	[ROCE_WRITE_ONLY] = {"WRITE only", RETH | PAYLOAD},
	[ROCE_READ_REQUEST] = {"READ request", RETH},
	[ROCE_READ_RESPONSE_FIRST] = {"READ response first", AETH | PAYLOAD},
	[ROCE_READ_RESPONSE_MIDDLE] = {"READ response middle", PAYLOAD},
	[ROCE_READ_RESPONSE_LAST] = {"READ response last", AETH | PAYLOAD},
	[ROCE_READ_RESPONSE_ONLY] = {"READ response only", AETH | PAYLOAD},
	[ROCE_ACKNOWLEDGE] = {"acknowledge", AETH},
	[ROCE_ATOMIC_ACKNOWLEDGE] = {"atomic acknowledge", AETH | ATOMIC_ACK},
	[ROCE_COMPARE_SWAP] = {"compare-and-swap", ATOMIC_ETH},
	[ROCE_FETCH_ADD] = {"fetch-and-add", ATOMIC_ETH},
};

#define OPCODE_COUNT (sizeof opcodes / sizeof *opcodes)

static size_t header_bytes(uint8_t headers)
{
	return sizeof(struct roce_bth) + (headers & RETH ? sizeof(struct roce_reth) : 0) +
	       (headers & ATOMIC_ETH ? sizeof(struct roce_atomic_eth) : 0) +
	       (headers & AETH ? sizeof(struct roce_aeth) : 0) +
	       (headers & ATOMIC_ACK ? sizeof(be64_t) : 0);
}

static void decode_extensions(uint8_t headers, const uint8_t *at, struct roce_packet *packet)
{
	struct roce_reth reth;
	struct roce_atomic_eth atomic;
	struct roce_aeth aeth;
	be64_t original;

	if (headers & RETH) {
		memcpy(&reth, at, sizeof reth);
		packet->address = be64_get(reth.address);
		packet->rkey = be32_get(reth.rkey);
		packet->length_bytes = be32_get(reth.length_bytes);
	}
	if (headers & ATOMIC_ETH) {
		memcpy(&atomic, at, sizeof atomic);
		packet->address = be64_get(atomic.address);
		packet->rkey = be32_get(atomic.rkey);
		packet->swap_or_add = be64_get(atomic.swap_or_add);
		packet->compare = be64_get(atomic.compare);
	}
	if (headers & AETH) {
		memcpy(&aeth, at, sizeof aeth);
		packet->syndrome = aeth.syndrome;
		packet->msn = be24_get(aeth.msn);
		at += sizeof aeth;
	}
	if (headers & ATOMIC_ACK) {
		memcpy(&original, at, sizeof original);
		packet->original = be64_get(original);
	}
}

enum roce_malformation roce_decode(const uint8_t *bytes, size_t count,
				   struct roce_packet *ret_packet)
{
	struct roce_bth bth;
	size_t headers_end, pad, behind;
	uint8_t headers;

	if (count < sizeof bth + ROCE_ICRC_BYTES)
		return ROCE_TRUNCATED;
	memcpy(&bth, bytes, sizeof bth);
	if (bth.flags & 0x0f)
		return ROCE_BAD_VERSION;
	if ((be16_get(bth.pkey) & PKEY_MASK) != (PKEY_DEFAULT & PKEY_MASK))
		return ROCE_BAD_KEY;
	if (bth.opcode >= OPCODE_COUNT || !opcodes[bth.opcode].name)
		return ROCE_BAD_OPCODE;
	headers = opcodes[bth.opcode].headers;
	headers_end = header_bytes(headers);
	pad = bth.flags >> 4 & 3;
	if (count < headers_end + pad + ROCE_ICRC_BYTES)
		return ROCE_TRUNCATED;
	behind = count - headers_end - ROCE_ICRC_BYTES;
	if (behind % 4 || (behind && !(headers & PAYLOAD)))
		return ROCE_BAD_LENGTH;
	*ret_packet = (struct roce_packet){
		.opcode = bth.opcode,
		.ack_request = bth.ack & ACK_REQUEST,
		.qpn = be24_get(bth.qpn),
		.psn = be24_get(bth.psn),
		.payload = bytes + headers_end,
		.payload_bytes = (uint32_t)(behind - pad),
	};
	decode_extensions(headers, bytes + sizeof bth, ret_packet);
	return ROCE_WELL_FORMED;
}

size_t roce_encode(const struct roce_packet *packet, uint8_t *to)
{
	uint8_t headers = opcodes[packet->opcode].headers;
	uint8_t pad = headers & PAYLOAD ? -packet->payload_bytes & 3 : 0;
	struct roce_bth bth = {
		.opcode = packet->opcode,
		.flags = (uint8_t)(pad << 4),
		.pkey = be16_of(PKEY_DEFAULT),
		.qpn = be24_of(packet->qpn),
		.ack = packet->ack_request ? ACK_REQUEST : 0,
		.psn = be24_of(packet->psn),
	};
	uint8_t *at = to + sizeof bth;

	memcpy(to, &bth, sizeof bth);
	if (headers & RETH) {
		struct roce_reth reth = {be64_of(packet->address), be32_of(packet->rkey),
					 be32_of(packet->length_bytes)};

		memcpy(at, &reth, sizeof reth);
	}
	if (headers & ATOMIC_ETH) {
		struct roce_atomic_eth atomic = {be64_of(packet->address), be32_of(packet->rkey),
						 be64_of(packet->swap_or_add),
						 be64_of(packet->compare)};

		memcpy(at, &atomic, sizeof atomic);
	}
	if (headers & AETH) {
		struct roce_aeth aeth = {packet->syndrome, be24_of(packet->msn)};

		memcpy(at, &aeth, sizeof aeth);
		at += sizeof aeth;
	}
	if (headers & ATOMIC_ACK) {
		be64_t original = be64_of(packet->original);

		memcpy(at, &original, sizeof original);
	}
	return header_bytes(headers);
}

size_t roce_pad(uint8_t *packet, size_t headers_end, size_t payload_bytes)
{
	size_t pad = -payload_bytes & 3, end = headers_end + payload_bytes;

	memset(packet + end, 0, pad);
	return end + pad;
}

const char *roce_opcode_name(unsigned opcode)
{
	const char *name = opcode < OPCODE_COUNT ? opcodes[opcode].name : NULL;

	return name ? name : "unknown";
}
