/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

void condition_check(const struct image *image, struct findings *findings)
{
	image_check_event(image, CONDITION_EVENT_OFFSET, false, findings);
}
