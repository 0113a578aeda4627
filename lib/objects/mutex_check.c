/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

void mutex_check(const struct image *image, struct findings *findings)
{
	image_check_word(image, MUTEX_WORD_OFFSET,
			 OWNED_WAITED | OWNED_QUEUED | OWNED_GRANTED | OWNED_DIED | OWNED_LOST,
			 findings);
}
