/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/bytes.h"
#include "lib/objects/object.h"

/* Operations of one long READ or WRITE under way at once. */
#define BATCH 64

int bytes_transfer(struct object *object, uint8_t opcode, uint64_t offset, void *buffer,
		   size_t length_bytes)
{
	struct op ops[BATCH];
	unsigned count = 0;
	uint8_t *at = buffer;
	bool has_written = false;

	while (length_bytes) {
		uint32_t part = length_bytes < DATA_TRANSFER_BYTES_MAX ? (uint32_t)length_bytes
								       : DATA_TRANSFER_BYTES_MAX;
		int r;

		ops[count++] = (struct op){
			.opcode = opcode, .length_bytes = part, .offset = offset, .buffer = at};
		at += part, offset += part, length_bytes -= part;
		if (count < BATCH && length_bytes)
			continue;
		r = session_execute(object, ops, count);
		if (r)
			return has_written ? object_half_done(r) : r;
		has_written = opcode == DATA_WRITE;
		count = 0;
	}
	return 0;
}
