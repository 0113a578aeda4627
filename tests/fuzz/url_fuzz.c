/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a URL: it is taken apart or refused with a reason. */
#include "lib/remote/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	char *text = malloc(count + 1), reason[100] = "";
	struct url url;

	memcpy(text, bytes, count);
	text[count] = 0;
	if (url_parse(text, &url, reason, sizeof reason) && strlen(reason) == 0)
		abort();
	free(text);
	return 0;
}
