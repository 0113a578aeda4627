/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_OBJECTS_MAP_FINDINGS_H
#define LIB_OBJECTS_MAP_FINDINGS_H

#include "lib/objects/image.h"

struct dso_map;

/* Tell @findings of what is wrong behind the head of the map; where the caller @is_alone with it,
 * of what sessions have left half done, too. Returns 0, with findings or without, -EAGAIN (others
 * change it all the time), or as any operation. */
int map_find(struct dso_map *map, bool is_alone, struct findings *findings);

#endif
