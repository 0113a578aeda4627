/* SPDX-License-Identifier: Apache-2.0 */
/* A set: a map whose values are empty. */
#include "lib/client/check.h"
#include "lib/objects/map.h"

static struct dso_map *map_of(struct dso_set *set)
{
	return (struct dso_map *)set;
}

int dso_set_open(struct dso_session *session, const char *name, const struct dso_set_params *params,
		 struct dso_set **ret_set)
{
	INSIDE(session);

	struct open_request request = {
		.type = OBJECT_SET,
		.unwanted = !ret_set,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_map *map;
	int r;

	if (params)
		request.parameters[MAP_PARAMETER_MEMBERS] = params->members;
	r = map_open(session, name, &request, &map);
	if (r == 0)
		*ret_set = (struct dso_set *)map;
	return r;
}

void dso_set_close(struct dso_set *set)
{
	INSIDE(check_session(set));

	map_close(map_of(set));
}

int dso_set_add(struct dso_set *set, const void *key, size_t key_bytes, int *ret_added)
{
	INSIDE_OF(set);
	const struct map_change_request add = {.kind = MAP_PUT_IF_ABSENT};
	int r = map_change(map_of(set), "add", &add, key, key_bytes, NULL);

	if (r && r != -EEXIST)
		return r;
	if (ret_added)
		*ret_added = r == 0;
	return 0;
}

int dso_set_remove(struct dso_set *set, const void *key, size_t key_bytes, int *ret_removed)
{
	INSIDE_OF(set);
	const struct map_change_request remove = {.kind = MAP_REMOVE};
	int r = map_change(map_of(set), "remove", &remove, key, key_bytes, NULL);

	if (r && r != -ENOENT)
		return r;
	if (ret_removed)
		*ret_removed = r == 0;
	return 0;
}

int dso_set_contains(struct dso_set *set, const void *key, size_t key_bytes, int *ret_contains)
{
	INSIDE_OF(set);

	return map_contains(map_of(set), "contains", key, key_bytes, ret_contains);
}

int dso_set_size(struct dso_set *set, uint64_t *ret_size)
{
	INSIDE_OF(set);

	return map_size(map_of(set), "size", ret_size);
}

int dso_set_scan(struct dso_set *set, uint64_t *cursor,
		 int (*each)(const struct dso_map_entry *entry, void *context), void *context)
{
	INSIDE_OF(set);

	return map_scan(map_of(set), "scan", cursor, each, context);
}

int dso_set_clear(struct dso_set *set)
{
	INSIDE_OF(set);

	return map_clear(map_of(set), "clear");
}
