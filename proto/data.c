/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data.h"

enum wire_status data_check(const struct data_request *request, uint64_t region_bytes)
{
	uint32_t length_bytes = le32_get(request->length_bytes);
	uint64_t offset = le64_get(request->offset);

	if (request->reserved)
		return WIRE_MALFORMED;
	switch (request->opcode) {
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
	/* Written so that no sum can overflow: the offset is the peer's. */
	if (le16_get(request->region) != 0 || offset > region_bytes ||
	    length_bytes > region_bytes - offset)
		return WIRE_RANGE;
	return WIRE_OK;
}
