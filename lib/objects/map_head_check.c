/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a map's head. What is behind them is looked at by lib/objects/map_findings.c. */
#include "lib/objects/image.h"
#include "proto/map.h"

void map_head_check(const struct image *image, struct findings *findings)
{
	uint64_t members = image->parameters[MAP_PARAMETER_MEMBERS];

	image_check_event(image, MAP_EVENT_OFFSET, false, findings);
	for (uint64_t i = 0; i < members; i++)
		image_check_word(image, MAP_MEMBERS_OFFSET + 8 * i, OWNED_DIED, findings);
}
