/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

static const uint8_t *place(const struct image *image, uint64_t offset, uint64_t length_bytes)
{
	return length_bytes <= image->parameters[REGISTER_PARAMETER_CAPACITY]
		       ? image->bytes + offset
		       : NULL;
}

void register_check(const struct image *image, struct findings *findings)
{
	uint64_t version = owned_word_token(image_word(image, REGISTER_HEAD_OFFSET));
	uint64_t capacity = image->parameters[REGISTER_PARAMETER_CAPACITY];

	image_check_word(image, REGISTER_HEAD_OFFSET, OWNED_WAITED, findings);
	if (version)
		image_check_slot(image, REGISTER_SLOT_OFFSET(version % 2, capacity), version, place,
				 findings);
}
