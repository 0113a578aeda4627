/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of transport tcp: requests and responses in order, after ATTACH on a connection of
 * their own. A WRITE's bytes follow its request, a READ's bytes follow its response.
 */
#ifndef PROTO_DATA_H
#define PROTO_DATA_H

#include "proto/le.h"
#include "proto/status.h"

/* One READ or WRITE; the library splits longer ones. Bounds every buffer of the data path. */
#define DATA_TRANSFER_BYTES_MAX 65536

enum data_opcode { DATA_READ = 1, DATA_WRITE = 2, DATA_CAS = 3, DATA_FAA = 4 };

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
