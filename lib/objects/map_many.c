/* SPDX-License-Identifier: Apache-2.0 */
/* Many keys in one call: the batches of MAP_MANY keys go together. */
#include "lib/client/check.h"
#include "lib/client/renew.h"
#include "lib/objects/map.h"

/* ---- get ---- */

static int read_out(struct dso_map_item *item, const struct map_look *look)
{
	const struct map_content *content = &look->content;

	if (look->state == MAP_LOOK_FAILED)
		return look->error;
	if (look->state != MAP_LOOK_FOUND)
		return -ENOENT;
	item->length_bytes = content->value_bytes;
	item->version = content->version;
	if (content->value_bytes > item->value_bytes)
		return -EMSGSIZE;
	if (content->value_bytes)
		memcpy(item->value, content->value, content->value_bytes);
	return 0;
}

static void begin_look(struct dso_map *map, struct map_look *look, const struct dso_map_item *item)
{
	look->key = map_key(map, item->key, item->key_bytes);
	look->wants_value = look->wants_sure = true;
	look->is_writer = false;
}

static void look_for(struct dso_map *map, struct dso_map_item *items, unsigned count)
{
	struct map_look *looks[MAP_MANY];
	unsigned looked = 0;

	for (unsigned i = 0; i < count; i++) {
		items[i].result = items[i].key_bytes > MAP_KEY_BYTES_MAX ? -EINVAL : 0;
		if (items[i].result)
			continue;
		begin_look(map, &map->looks[i], &items[i]);
		looks[looked++] = &map->looks[i];
	}
	if (looked)
		map_look(map, looks, looked);
}

/* Those that need the room for themselves come last, when the others have been read out. */
static void get_some(struct dso_map *map, struct dso_map_item *items, unsigned count)
{
	look_for(map, items, count);
	for (unsigned i = 0; i < count; i++)
		if (items[i].result == 0 && map->looks[i].state != MAP_LOOK_LONG)
			items[i].result = read_out(&items[i], &map->looks[i]);
	for (unsigned i = 0; i < count; i++) {
		struct map_look *look = &map->looks[i];

		if (items[i].result || look->state != MAP_LOOK_LONG)
			continue;
		map_look(map, &look, 1);
		items[i].result = read_out(&items[i], look);
	}
}

static int first_result(struct dso_map *map, const char *verb, const struct dso_map_item *items,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].result)
			return map_fail(map, verb, items[i].result);
	return 0;
}

static bool lost_some(const struct dso_map_item *items, unsigned count, int *ret_error)
{
	for (unsigned i = 0; i < count; i++)
		if (object_session_is_over(items[i].result)) {
			*ret_error = items[i].result;
			return true;
		}
	return false;
}

int dso_map_get_many(struct dso_map *map, struct dso_map_item *items, size_t count)
{
	INSIDE_OF(map);
	int r = 0;

	for (size_t at = 0; at < count; at += MAP_MANY) {
		unsigned some = count - at < MAP_MANY ? (unsigned)(count - at) : MAP_MANY;

		get_some(map, items + at, some);
		if (lost_some(items + at, some, &r) && renewed(map->object.session, r))
			get_some(map, items + at, some);
	}
	return first_result(map, "get_many", items, count);
}

/* ---- put ---- */

static int check_item(const struct dso_map_item *item)
{
	if (item->key_bytes > MAP_KEY_BYTES_MAX)
		return -EINVAL;
	return item->value_bytes > MAP_VALUE_BYTES_MAX ? -EMSGSIZE : 0;
}

static bool is_same_key(const struct map_key *a, const struct map_key *b)
{
	return a->hash == b->hash && a->length == b->length &&
	       (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

/* Begin with the next items, up to one that has the key of one before. Returns how many these are;
 * *ret_changes is how many of them are to be put. */
static size_t begin_some(struct dso_map *map, struct dso_map_item *items, size_t count,
			 struct dso_map_item *of[MAP_MANY], unsigned *ret_changes)
{
	unsigned changes = 0;
	size_t at = 0;

	for (; at < count && changes < MAP_MANY; at++) {
		struct map_key key;

		items[at].result = check_item(&items[at]);
		if (items[at].result)
			continue;
		key = map_key(map, items[at].key, items[at].key_bytes);
		for (unsigned i = 0; i < changes; i++)
			if (is_same_key(&key, &map->looks[i].key))
				goto out;
		map->looks[changes].key = key;
		map->changes[changes].request =
			(struct map_change_request){.kind = MAP_PUT,
						    .value = items[at].value,
						    .value_bytes = items[at].value_bytes};
		of[changes++] = &items[at];
	}
out:
	*ret_changes = changes;
	return at;
}

int dso_map_put_many(struct dso_map *map, struct dso_map_item *items, size_t count)
{
	INSIDE_OF(map);
	struct dso_map_item *of[MAP_MANY];
	unsigned changes;

	for (size_t at = 0; at < count;) {
		at += begin_some(map, items + at, count - at, of, &changes);
		if (changes)
			map_run(map, changes);
		for (unsigned i = 0; i < changes; i++) {
			of[i]->result = map->changes[i].result;
			if (of[i]->result == 0)
				of[i]->version = map->changes[i].version;
		}
	}
	return first_result(map, "put_many", items, count);
}
