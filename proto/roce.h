/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RoCEv2 packets of the transport service Reliable Connection: what a UDP payload holds, from the
 * base transport header to the invariant CRC. InfiniBand Architecture Specification, volume 1:
 * chapter 5.2 (headers), 9.2 to 9.7 (opcodes, PSNs, acknowledges); annex A17 (RoCEv2: UDP port
 * 4791, the ICRC's pseudo header).
 */
#ifndef PROTO_ROCE_H
#define PROTO_ROCE_H

#include "proto/be.h"

#include <stdbool.h>
#include <stddef.h>

#define ROCE_PORT       4791
#define ROCE_MTU_MIN    256
#define ROCE_MTU_MAX    4096
#define ROCE_ICRC_BYTES 4

/* READs and atomics that a queue pair of ours may have under way. */
#define ROCE_RD_ATOMIC_MAX 256

/* A packet's bytes beside its payload, at most: BTH, AtomicETH, three of padding, ICRC. */
#define ROCE_OVERHEAD_BYTES   48
#define ROCE_PACKET_BYTES_MAX (ROCE_MTU_MAX + ROCE_OVERHEAD_BYTES)

enum roce_opcode {
	ROCE_WRITE_FIRST = 0x06,
	ROCE_WRITE_MIDDLE = 0x07,
	ROCE_WRITE_LAST = 0x08,
	ROCE_WRITE_ONLY = 0x0a,
	ROCE_READ_REQUEST = 0x0c,
	ROCE_READ_RESPONSE_FIRST = 0x0d,
	ROCE_READ_RESPONSE_MIDDLE = 0x0e,
	ROCE_READ_RESPONSE_LAST = 0x0f,
	ROCE_READ_RESPONSE_ONLY = 0x10,
	ROCE_ACKNOWLEDGE = 0x11,
	ROCE_ATOMIC_ACKNOWLEDGE = 0x12,
	ROCE_COMPARE_SWAP = 0x13,
	ROCE_FETCH_ADD = 0x14,
};

/* The three upper bits of an AETH's syndrome say what it is, the lower ones a credit count, a timer
 * or a code (9.7.5.1). */
enum roce_syndrome {
	ROCE_SYNDROME_ACK = 0x1f, /* with "no end-to-end credits" */
	ROCE_SYNDROME_RNR = 0x20, /* | timer: the receiver is not ready */
	ROCE_SYNDROME_NAK_SEQUENCE = 0x60,
	ROCE_SYNDROME_NAK_REQUEST = 0x61,   /* invalid request */
	ROCE_SYNDROME_NAK_ACCESS = 0x62,    /* remote access error */
	ROCE_SYNDROME_NAK_OPERATION = 0x63, /* remote operational error */
};

static inline bool roce_syndrome_is_ack(uint8_t syndrome)
{
	return syndrome >> 5 == 0;
}

static inline bool roce_syndrome_is_rnr(uint8_t syndrome)
{
	return syndrome >> 5 == 1;
}

struct roce_bth { /* base transport header */
	uint8_t opcode;
	uint8_t flags; /* solicited event:1 migration:1 pad count:2 version:4 */
	be16_t pkey;
	uint8_t congestion; /* FECN:1 BECN:1, the rest reserved; not under the ICRC */
	be24_t qpn;         /* of the receiver */
	uint8_t ack;        /* acknowledge request:1, the rest reserved */
	be24_t psn;
};
_Static_assert(sizeof(struct roce_bth) == 12, "BTH");

struct roce_reth { /* RDMA extended transport header */
	be64_t address;
	be32_t rkey;
	be32_t length_bytes;
};
_Static_assert(sizeof(struct roce_reth) == 16, "RETH");

struct roce_atomic_eth {
	be64_t address;
	be32_t rkey;
	be64_t swap_or_add;
	be64_t compare;
};
_Static_assert(sizeof(struct roce_atomic_eth) == 28, "AtomicETH");

struct roce_aeth { /* acknowledge extended transport header */
	uint8_t syndrome;
	be24_t msn;
};
_Static_assert(sizeof(struct roce_aeth) == 4, "AETH");

/* A packet's fields. Those that its opcode has not are zero, and are not looked at by
 * roce_encode. */
struct roce_packet {
	uint8_t opcode;
	bool ack_request;
	uint32_t qpn;
	uint32_t psn;
	uint64_t address; /* READ request, WRITE FIRST and ONLY, atomics */
	uint32_t rkey;
	uint32_t length_bytes; /* of the whole message; without atomics */
	uint64_t swap_or_add;
	uint64_t compare;
	uint8_t syndrome; /* acknowledges, READ responses but MIDDLE */
	uint32_t msn;
	uint64_t original;      /* atomic acknowledge */
	const uint8_t *payload; /* where roce_decode found it */
	uint32_t payload_bytes; /* without padding */
};

enum roce_malformation {
	ROCE_WELL_FORMED,
	ROCE_TRUNCATED,    /* shorter than its headers and ICRC */
	ROCE_BAD_VERSION,  /* of the transport header; there is only 0 */
	ROCE_BAD_KEY,      /* not the default partition */
	ROCE_BAD_OPCODE,   /* none of enum roce_opcode: another service, SEND, immediate data */
	ROCE_BAD_LENGTH,   /* a payload where there is none, or not padded to four bytes */
	ROCE_MALFORMATIONS /* how many there are */
};

/* Read the UDP payload @bytes, whose ICRC is not looked at here. */
enum roce_malformation roce_decode(const uint8_t *bytes, size_t count,
				   struct roce_packet *ret_packet);

/*
 * Write the headers of @packet at @to, with @packet->payload_bytes in account for padding. Returns
 * their bytes: there the payload is to be put by the caller, then roce_pad.
 */
size_t roce_encode(const struct roce_packet *packet, uint8_t *to);

/* Zero the padding behind a packet of @header_bytes and @payload_bytes. Returns the bytes up to the
 * ICRC. */
size_t roce_pad(uint8_t *packet, size_t header_bytes, size_t payload_bytes);

/* "READ request"; "unknown" where it is. */
const char *roce_opcode_name(unsigned opcode);

/* ---- packet sequence numbers: 24 bits, compared across their wrap ---- */

#define ROCE_PSN_MASK 0xffffffu

static inline uint32_t roce_psn_add(uint32_t psn, uint32_t count)
{
	return (psn + count) & ROCE_PSN_MASK;
}

/* How far @psn lies behind @other, from -2^23 to 2^23 - 1. */
static inline int32_t roce_psn_distance(uint32_t psn, uint32_t other)
{
	return (int32_t)((psn - other) << 8) >> 8;
}

/* PSNs that a READ or WRITE of @length_bytes takes; one of no bytes takes one too. */
static inline uint32_t roce_psn_count(uint32_t length_bytes, uint32_t mtu)
{
	return length_bytes ? (uint32_t)(((uint64_t)length_bytes + mtu - 1) / mtu) : 1;
}

#endif
