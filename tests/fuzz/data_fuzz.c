/* SPDX-License-Identifier: Apache-2.0 */
/* A data request of any bytes against a region of any size: what passes must lie inside it. */
#include "proto/data.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct data_request request;
	uint64_t region_bytes, offset, length;

	if (count < sizeof request + sizeof region_bytes)
		return 0;
	memcpy(&request, bytes, sizeof request);
	memcpy(&region_bytes, bytes + sizeof request, sizeof region_bytes);
	if (data_check(&request, region_bytes) != WIRE_OK)
		return 0;
	offset = le64_get(request.offset);
	length = le32_get(request.length_bytes);
	if (length == 0 || length > DATA_TRANSFER_BYTES_MAX || offset > region_bytes ||
	    length > region_bytes - offset)
		abort();
	if ((request.opcode == DATA_CAS || request.opcode == DATA_FAA) &&
	    (offset % 8 || length != 8))
		abort();
	return 0;
}
