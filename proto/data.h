/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of transport tcp: requests and responses in order, after ATTACH on a connection of
 * their own. A WRITE's bytes follow its request, a READ's bytes follow its response.
 */
#ifndef PROTO_DATA_H
#define PROTO_DATA_H

#include "proto/le.h"
#include "proto/status.h"

#include <stdbool.h>

/* One READ or WRITE; the library splits longer ones. Bounds every buffer of the data path. */
#define DATA_TRANSFER_BYTES_MAX 65536

enum data_opcode { DATA_READ = 1, DATA_WRITE = 2, DATA_CAS = 3, DATA_FAA = 4 };

/* Written so that no sum can overflow: the offset is the peer's, or the user's. */
static inline bool data_is_inside(uint64_t offset, uint64_t length_bytes, uint64_t region_bytes)
{
	return offset <= region_bytes && length_bytes <= region_bytes - offset;
}

/* Whether an operation is one, and may be executed on a region of @region_bytes. Returns OK,
 * MALFORMED (no such opcode, or a length that it does not have), MISALIGNED or RANGE. */
static inline enum wire_status data_check_operation(uint8_t opcode, uint64_t offset,
						    uint64_t length_bytes, uint64_t region_bytes)
{
	switch (opcode) {
	case DATA_READ:
	case DATA_WRITE:
		if (length_bytes == 0 || length_bytes > DATA_TRANSFER_BYTES_MAX)
			return WIRE_MALFORMED;
		break;
	case DATA_CAS:
	case DATA_FAA:
		if (length_bytes != 8)
			return WIRE_MALFORMED;
		if (offset % 8)
			return WIRE_MISALIGNED;
		break;
	default:
		return WIRE_MALFORMED;
	}
	return data_is_inside(offset, length_bytes, region_bytes) ? WIRE_OK : WIRE_RANGE;
}

struct data_request {
	uint8_t opcode;
	uint8_t reserved;
	le16_t region;       /* 0 */
	le32_t length_bytes; /* READ, WRITE: 1 to DATA_TRANSFER_BYTES_MAX; atomics: 8 */
	le64_t offset;
	le64_t operand; /* FAA: the addend; CAS: the value compared */
	le64_t swap;    /* CAS: the new value */
};
_Static_assert(sizeof(struct data_request) == 32, "data request");

struct data_response {
	uint8_t opcode; /* of the request */
	uint8_t reserved;
	le16_t status;       /* enum wire_status */
	le32_t length_bytes; /* of the bytes that follow: READ that succeeded, else 0 */
	le64_t value;        /* atomics: the value before */
};
_Static_assert(sizeof(struct data_response) == 16, "data response");

/*
 * Checks a request against the protocol and a region of @region_bytes. Returns OK; MALFORMED
 * (unknown opcode, reserved bits, a length that no opcode has: the stream is lost and the
 * connection is to be dropped); RANGE or MISALIGNED (to be answered; a WRITE's bytes are to be
 * skipped).
 */
enum wire_status data_check(const struct data_request *request, uint64_t region_bytes);

#endif
