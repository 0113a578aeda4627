/* SPDX-License-Identifier: Apache-2.0 */
/* A header and a body of any bytes: control_check must say what they are and read nothing beyond
 * them. */
#include "proto/control.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct control_header header;
	uint8_t *body;

	if (count < sizeof header)
		return 0;
	memcpy(&header, bytes, sizeof header);
	count -= sizeof header;
	/* The caller has received what the header announces, and no byte more. */
	if (le32_get(header.length_bytes) > count) {
		control_check(&header, NULL);
		return 0;
	}
	count = le32_get(header.length_bytes);
	body = malloc(count ? count : 1);
	memcpy(body, bytes + sizeof header, count);
	if (control_check(&header, count ? body : NULL) == WIRE_OK &&
	    count > CONTROL_BODY_BYTES_MAX)
		abort();
	free(body);
	control_type_name(le16_get(header.type));
	return 0;
}
