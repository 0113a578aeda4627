/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of a map and of a set, all of them at a few keys. */
#include "tests/linearizability/clients.h"
#include "tests/linearizability/specs.h"

#include <errno.h>
#include <string.h>

static int64_t nothing(unsigned clients)
{
	return 0;
}

/* ---- map ---- */

static int map_open(struct client *client, const char *name, int64_t parameter)
{
	return dso_map_open(client->session, name, NULL, &client->map);
}

static void map_close(struct client *client)
{
	dso_map_close(client->map);
}

/* seen is the value of key 0 that the client has read last, and its version. */
static bool map_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	static const uint8_t kinds[] = {MAP_GET,     MAP_GET,   MAP_PUT,    MAP_ADD,
					MAP_REPLACE, MAP_FIRST, MAP_REMOVE, MAP_CONTAINS};

	operation->kind = kinds[draw_below(client, sizeof kinds)];
	if (operation->kind == MAP_REPLACE && client->seen[0] == 0)
		operation->kind = MAP_GET;
	operation->arguments[0] =
		operation->kind == MAP_REPLACE ? client->seen[0] : draw_below(client, MAP_KEYS);
	operation->arguments[1] = draw_value(client);
	return !client->ending;
}

/* The values of the last key are small enough for a cell, the others lie in blocks. */
static size_t write_for(int64_t key, int64_t value, uint8_t *bytes)
{
	if (key < MAP_KEYS - 1)
		return value_write(value, bytes);
	memcpy(bytes, &value, sizeof value);
	return sizeof value;
}

static int64_t read_for(int64_t key, const uint8_t *bytes, size_t length)
{
	int64_t value;

	if (key < MAP_KEYS - 1)
		return value_read(bytes, length);
	memcpy(&value, bytes, sizeof value);
	return length == sizeof value ? value : -1;
}

static void get(struct client *client, int64_t key, struct operation *operation)
{
	uint8_t bytes[VALUE_BYTES_MAX];
	uint64_t version;
	size_t length;
	int r = dso_map_get(client->map, &key, sizeof key, bytes, sizeof bytes, &length, &version);

	operation->status = r == -ENOENT ? 0 : r;
	operation->results[0] = r ? 0 : read_for(key, bytes, length);
	operation->results[1] = r ? 0 : (int64_t)version;
}

static void contains(struct client *client, int64_t key, struct operation *operation)
{
	int is_there = 0;

	operation->status = dso_map_contains(client->map, &key, sizeof key, &is_there);
	operation->results[0] = is_there;
}

static int write_by(struct client *client, unsigned kind, int64_t key, int64_t value)
{
	uint8_t bytes[VALUE_BYTES_MAX];
	size_t length = write_for(key, value, bytes);

	switch (kind) {
	case MAP_PUT:
		return dso_map_put(client->map, &key, sizeof key, bytes, length, NULL);
	case MAP_ADD:
		return dso_map_put_if_absent(client->map, &key, sizeof key, bytes, length, NULL);
	case MAP_FIRST:
		return dso_map_merge(client->map, &key, sizeof key, DSO_FIRST, bytes, length, NULL);
	}
	return dso_map_replace(client->map, &key, sizeof key, (uint64_t)client->seen[1], bytes,
			       length, NULL);
}

static void map_perform(struct client *client, struct operation *operation)
{
	int64_t key = operation->kind == MAP_REPLACE ? 0 : operation->arguments[0];

	switch (operation->kind) {
	case MAP_GET:
		get(client, key, operation);
		break;
	case MAP_CONTAINS:
		contains(client, key, operation);
		break;
	case MAP_REMOVE:
		operation->status = dso_map_remove(client->map, &key, sizeof key);
		break;
	default:
		operation->status = write_by(client, operation->kind, key, operation->arguments[1]);
	}
}

static void map_learn(struct client *client, const struct operation *operation)
{
	if (operation->kind == MAP_GET && operation->arguments[0] == 0)
		memcpy(client->seen, operation->results, sizeof client->seen);
}

const struct object_kind map_kind = {
	.specification = &map_specification,
	.clients = 8,
	.mortal = true,
	.parameter = nothing,
	.open = map_open,
	.close = map_close,
	.draw = map_draw,
	.perform = map_perform,
	.learn = map_learn,
};

/* ---- set ---- */

static int set_open(struct client *client, const char *name, int64_t parameter)
{
	return dso_set_open(client->session, name, NULL, &client->set);
}

static void set_close(struct client *client)
{
	dso_set_close(client->set);
}

static bool set_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	static const uint8_t kinds[] = {SET_ADD, SET_REMOVE, SET_CONTAINS};

	operation->kind = kinds[draw_below(client, sizeof kinds)];
	operation->arguments[0] = draw_below(client, SET_KEYS);
	return !client->ending;
}

static void set_perform(struct client *client, struct operation *operation)
{
	static int (*const calls[])(struct dso_set * set, const void *key, size_t key_bytes,
				    int *ret_answer) = {
		[SET_ADD] = dso_set_add,
		[SET_REMOVE] = dso_set_remove,
		[SET_CONTAINS] = dso_set_contains,
	};
	int answer = 0;

	operation->status = calls[operation->kind](client->set, &operation->arguments[0],
						   sizeof operation->arguments[0], &answer);
	operation->results[0] = answer;
}

static void set_learn(struct client *client, const struct operation *operation)
{
}

const struct object_kind set_kind = {
	.specification = &set_specification,
	.clients = 8,
	.mortal = true,
	.parameter = nothing,
	.open = set_open,
	.close = set_close,
	.draw = set_draw,
	.perform = set_perform,
	.learn = set_learn,
};
