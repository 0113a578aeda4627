/* SPDX-License-Identifier: Apache-2.0 */
/* The public form of a map, and its handle. lib/objects/map.h says how it works. */
#include "lib/objects/map.h"
#include "lib/client/check.h"
#include "lib/client/renew.h"

#include <stdlib.h>
#include <sys/random.h>

/* ---- the handle ---- */

static bool lose(struct object *object, struct dso_loss *loss)
{
	struct dso_map *map = (struct dso_map *)object;

	if (loss) {
		space_lose(&map->space);
		map->later_count = 0;
	}
	return false;
}

static const struct space_ops space_ops = {.is_referenced = map_is_referenced};

static size_t aligned(size_t bytes)
{
	return (bytes + 63) & ~(size_t)63;
}

/* What the handle needs, in one piece: it is large, and only what is used of it takes memory. */
static int allocate(struct dso_map *map)
{
	size_t ops = aligned(MAP_OPS_MAX * sizeof *map->ops);
	size_t looks = aligned(MAP_MANY * sizeof *map->looks);
	size_t changes = aligned(MAP_MANY * sizeof *map->changes);
	size_t recalls = MAP_RECALL_MAX * sizeof *map->recalls;
	/* Zeroed memory that is not touched takes none. */
	uint8_t *memory = calloc(1, ops + looks + changes + 2 * MAP_ROOM_BYTES + recalls);

	if (!memory)
		return -ENOMEM;
	map->object.memory[0] = memory;
	map->ops = (struct op *)memory;
	map->looks = (struct map_look *)(memory + ops);
	map->changes = (struct map_change *)(memory + ops + looks);
	map->room = memory + ops + looks + changes;
	map->merged = map->room + MAP_ROOM_BYTES;
	map->recalls = (struct map_recall *)(map->merged + MAP_ROOM_BYTES);
	return map_know_root(map);
}

/* The first client draws the seed. */
static int find_seed(struct dso_map *map)
{
	struct op op = map_cas_op(map->object.offset + MAP_SEED_OFFSET, 0, map_number(map));
	int r = session_execute_one(&map->object, &op);

	map->seed = op.value ? op.value : op.swap;
	return r;
}

static int begin(struct dso_map *map)
{
	uint32_t members = (uint32_t)map->object.parameters[MAP_PARAMETER_MEMBERS];
	int r;

	map->guess_bytes = MAP_GUESS_MIN;
	if (getrandom(&map->number, sizeof map->number, 0) != sizeof map->number)
		return -EIO;
	space_open(&map->space, &map->object, &space_ops, MAP_MEMBERS_OFFSET, members);
	r = allocate(map);
	return r ? r : find_seed(map);
}

int map_open(struct dso_session *session, const char *name, struct open_request *request,
	     struct dso_map **ret_map)
{
	struct dso_map *map;
	int r;

	request->lose = lose;
	r = object_open(session, name, request, sizeof *map, &map);
	if (r)
		return r;
	r = begin(map);
	if (r) {
		r = map_fail(map, "open", r);
		object_close(&map->object);
		return r;
	}
	*ret_map = map;
	return 0;
}

void map_close(struct dso_map *map)
{
	if (!map)
		return;
	/* What is not freed here is so when the lease is over. */
	if (map->later_count)
		(void)map_flush(map);
	space_close(&map->space);
	object_close(&map->object);
}

int map_fail(struct dso_map *map, const char *verb, int error)
{
	static const struct {
		int error;
		const char *sentence;
	} sentences[] = {
		{-ENOENT, "it has no such key"},
		{-EEXIST, "it has the key already"},
		{-EAGAIN, "the entry has another version"},
		{-ENOSPC, "the arena is full"},
		{-EUSERS, "as many sessions change it as may at a time"},
	};

	for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
		if (sentences[i].error == error)
			return object_refuse(&map->object, verb, error, "%s",
					     sentences[i].sentence);
	return object_fail(&map->object, verb, error);
}

/* ---- arguments ---- */

int map_check_key(struct dso_map *map, const char *verb, size_t key_bytes)
{
	if (key_bytes <= DSO_MAP_KEY_BYTES_MAX)
		return 0;
	return object_refuse(&map->object, verb, -EINVAL, "the key has %zu bytes, %d are the most",
			     key_bytes, DSO_MAP_KEY_BYTES_MAX);
}

static int check_value(struct dso_map *map, const char *verb, size_t length_bytes)
{
	if (length_bytes <= DSO_MAP_VALUE_BYTES_MAX)
		return 0;
	return object_refuse(&map->object, verb, -EMSGSIZE,
			     "the value has %zu bytes, %d are the most", length_bytes,
			     DSO_MAP_VALUE_BYTES_MAX);
}

/* ---- one key ---- */

/* Reading may be repeated in a renewed session. */
int map_look_for(struct dso_map *map, const void *key, size_t key_bytes, bool wants_value)
{
	struct map_look *look = &map->looks[0];

	look->key = map_key(map, key, key_bytes);
	look->wants_value = wants_value;
	look->wants_sure = true;
	look->is_writer = false;
	map_look(map, &look, 1);
	if (look->state == MAP_LOOK_FAILED && renewed(map->object.session, look->error))
		map_look(map, &look, 1);
	if (look->state == MAP_LOOK_FAILED)
		return look->error;
	return look->state == MAP_LOOK_FOUND ? 0 : -ENOENT;
}

int map_give(struct dso_map *map, const char *verb, void *buffer, size_t buffer_bytes,
	     size_t *ret_length, uint64_t *ret_version)
{
	const struct map_content *content = &map->looks[0].content;

	if (ret_length)
		*ret_length = content->value_bytes;
	if (ret_version)
		*ret_version = content->version;
	if (content->value_bytes > buffer_bytes)
		return object_refuse(&map->object, verb, -EMSGSIZE,
				     "the value has %zu bytes, the buffer %zu",
				     content->value_bytes, buffer_bytes);
	if (content->value_bytes)
		memcpy(buffer, content->value, content->value_bytes);
	return 0;
}

int map_contains(struct dso_map *map, const char *verb, const void *key, size_t key_bytes,
		 int *ret_contains)
{
	int r = map_check_key(map, verb, key_bytes);

	if (r)
		return r;
	r = map_look_for(map, key, key_bytes, false);
	if (r && r != -ENOENT)
		return map_fail(map, verb, r);
	if (ret_contains)
		*ret_contains = r == 0;
	return 0;
}

int map_change(struct dso_map *map, const char *verb, const struct map_change_request *request,
	       const void *key, size_t key_bytes, uint64_t *ret_version)
{
	struct map_change *change = &map->changes[0];
	int r = map_check_key(map, verb, key_bytes);

	if (r == 0)
		r = check_value(map, verb, request->value_bytes);
	if (r)
		return r;
	change->request = *request;
	map->looks[0].key = map_key(map, key, key_bytes);
	map_run(map, 1);
	r = change->result;
	if ((r == 0 || r == -EEXIST || r == -EAGAIN) && ret_version)
		*ret_version = change->version;
	if (r == -EINVAL && request->kind == MAP_MERGE)
		return object_refuse(&map->object, verb, r,
				     "the value that is there does not have 8 bytes, and the "
				     "function takes 8");
	return r ? map_fail(map, verb, r) : 0;
}

/* ---- the public form ---- */

int dso_map_open(struct dso_session *session, const char *name, const struct dso_map_params *params,
		 struct dso_map **ret_map)
{
	INSIDE(session);

	struct open_request request = {
		.type = OBJECT_MAP,
		.unwanted = !ret_map,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};

	if (params)
		request.parameters[MAP_PARAMETER_MEMBERS] = params->members;
	return map_open(session, name, &request, ret_map);
}

void dso_map_close(struct dso_map *map)
{
	INSIDE(check_session(map));

	map_close(map);
}

int dso_map_get(struct dso_map *map, const void *key, size_t key_bytes, void *buffer,
		size_t buffer_bytes, size_t *ret_length, uint64_t *ret_version)
{
	INSIDE_OF(map);
	int r = map_check_key(map, "get", key_bytes);

	if (r)
		return r;
	r = map_look_for(map, key, key_bytes, true);
	return r ? map_fail(map, "get", r)
		 : map_give(map, "get", buffer, buffer_bytes, ret_length, ret_version);
}

int dso_map_put(struct dso_map *map, const void *key, size_t key_bytes, const void *value,
		size_t length_bytes, uint64_t *ret_version)
{
	INSIDE_OF(map);
	const struct map_change_request put = {
		.kind = MAP_PUT, .value = value, .value_bytes = length_bytes};

	return map_change(map, "put", &put, key, key_bytes, ret_version);
}

int dso_map_put_if_absent(struct dso_map *map, const void *key, size_t key_bytes, const void *value,
			  size_t length_bytes, uint64_t *ret_version)
{
	INSIDE_OF(map);
	const struct map_change_request put = {
		.kind = MAP_PUT_IF_ABSENT, .value = value, .value_bytes = length_bytes};

	return map_change(map, "put_if_absent", &put, key, key_bytes, ret_version);
}

int dso_map_replace(struct dso_map *map, const void *key, size_t key_bytes, uint64_t expected,
		    const void *value, size_t length_bytes, uint64_t *ret_version)
{
	INSIDE_OF(map);
	const struct map_change_request replace = {.kind = MAP_REPLACE,
						   .value = value,
						   .value_bytes = length_bytes,
						   .expected = expected};

	return map_change(map, "replace", &replace, key, key_bytes, ret_version);
}

int dso_map_remove(struct dso_map *map, const void *key, size_t key_bytes)
{
	INSIDE_OF(map);
	const struct map_change_request remove = {.kind = MAP_REMOVE};

	return map_change(map, "remove", &remove, key, key_bytes, NULL);
}

int dso_map_contains(struct dso_map *map, const void *key, size_t key_bytes, int *ret_contains)
{
	INSIDE_OF(map);

	return map_contains(map, "contains", key, key_bytes, ret_contains);
}

int dso_map_merge(struct dso_map *map, const void *key, size_t key_bytes, enum dso_merge function,
		  const void *value, size_t length_bytes, uint64_t *ret_version)
{
	INSIDE_OF(map);
	const struct map_change_request merge = {
		.kind = MAP_MERGE, .value = value, .value_bytes = length_bytes, .merge = function};

	if (!map_merge_is_number(function) && function != DSO_APPEND && function != DSO_FIRST)
		return object_refuse(&map->object, "merge", -EINVAL, "%d is no function",
				     (int)function);
	if (map_merge_is_number(function) && length_bytes != 8)
		return object_refuse(&map->object, "merge", -EINVAL,
				     "the value has %zu bytes, the function takes 8", length_bytes);
	return map_change(map, "merge", &merge, key, key_bytes, ret_version);
}

int dso_map_size(struct dso_map *map, uint64_t *ret_size)
{
	INSIDE_OF(map);

	return map_size(map, "size", ret_size);
}

int dso_map_scan(struct dso_map *map, uint64_t *cursor,
		 int (*each)(const struct dso_map_entry *entry, void *context), void *context)
{
	INSIDE_OF(map);

	return map_scan(map, "scan", cursor, each, context);
}
