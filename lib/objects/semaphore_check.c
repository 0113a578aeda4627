/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

void semaphore_check(const struct image *image, struct findings *findings)
{
	uint64_t permits = image->parameters[SEMAPHORE_PARAMETER_PERMITS];

	image_check_event(image, SEMAPHORE_EVENT_OFFSET, true, findings);
	image_check_word(image, SEMAPHORE_TURN_OFFSET, OWNED_WAITED | OWNED_QUEUED | OWNED_GRANTED,
			 findings);
	for (uint64_t i = 0; i < permits; i++)
		image_check_word(image, SEMAPHORE_PERMIT_OFFSET(i), 0, findings);
}
