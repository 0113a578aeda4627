/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

#define VERSION 1

static const uint8_t *place(const struct image *image, uint64_t offset, uint64_t length_bytes)
{
	if (length_bytes <= image->parameters[FUTURE_PARAMETER_ROOM])
		return image->bytes + offset;
	return image->extent_count && length_bytes <= image->extents[0].length_bytes
		       ? image->extents[0].bytes
		       : NULL;
}

void future_check(const struct image *image, struct findings *findings)
{
	image_check_word(image, FUTURE_WORD_OFFSET,
			 OWNED_WAITED | OWNED_QUEUED | OWNED_GRANTED | OWNED_DIED | OWNED_DONE |
				 OWNED_ERROR,
			 findings);
	if (image_word(image, FUTURE_WORD_OFFSET) & OWNED_DONE)
		image_check_slot(image, FUTURE_SLOT_OFFSET, VERSION, place, findings);
}
