/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of a change (map_change.c) and the decisions between them (map_decide.c) share. */
#ifndef LIB_OBJECTS_MAP_CHANGE_H
#define LIB_OBJECTS_MAP_CHANGE_H

#include "lib/objects/map.h"

/* The change is over. */
void map_change_finish(struct dso_map *map, struct map_change *change, int result);
/* It begins anew, since another client was quicker; after a pause where that is not the first time.
 * It is over, with -ETIMEDOUT, after the session's timeout. */
void map_change_again(struct dso_map *map, struct map_change *change);

/* What its look has found. */
void map_change_decide(struct dso_map *map, struct map_change *change);
/* Write over the entry that its look has found or that was recalled. */
void map_change_write_over(struct dso_map *map, struct map_change *change);

#endif
