/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

#include <inttypes.h>

void latch_check(const struct image *image, struct findings *findings)
{
	uint64_t count = image_word(image, LATCH_WORD_OFFSET);
	uint64_t first = image->parameters[LATCH_PARAMETER_COUNT];

	if (count > first)
		findings_add(findings, DSO_FINDING_DAMAGE, LATCH_WORD_OFFSET,
			     "its count is %" PRIu64 ", it began with %" PRIu64, count, first);
}
