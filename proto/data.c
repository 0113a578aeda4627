/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data.h"

enum wire_status data_check(const struct data_request *request, uint64_t region_bytes)
{
	enum wire_status status = data_check_operation(
		request->opcode, le64_get(request->offset), le32_get(request->length_bytes),
		le16_get(request->region) ? 0 : region_bytes);

	return request->reserved ? WIRE_MALFORMED : status;
}
