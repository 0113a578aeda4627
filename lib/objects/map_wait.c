/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for an entry. */
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/objects/event.h"
#include "lib/objects/map.h"

static struct event event_of(struct dso_map *map)
{
	return (struct event){&map->object, MAP_EVENT_OFFSET};
}

/* ---- the side of writers ---- */

void map_ask_for_waiters(struct dso_map *map)
{
	uint64_t offset = map->object.offset + MAP_EVENT_OFFSET + EVENT_WAITERS_OFFSET;
	struct op op = op_load(offset);

	/* In memory that this process reaches a READ is a load, for which writers do not
	 * contend. A READ of a device may be torn. */
	if (transport_ops(map->object.session->transport)->at)
		op = map_read_op(offset, &map->waiters, sizeof map->waiters);
	map->waiters_op = map->op_count;
	map_op(map, op);
}

bool map_has_waiters(const struct dso_map *map)
{
	const struct op *op = &map->ops[map->waiters_op];

	return op->opcode == DATA_READ ? map->waiters : op->value;
}

int map_wake(struct dso_map *map)
{
	struct event event = event_of(map);
	uint64_t waiters;
	int r = event_raise(&event, &waiters);

	if (r)
		return object_session_is_over(r) ? -ECONNRESET : r;
	return waiters ? futex_wake(&map->object, MAP_EVENT_OFFSET, FUTEX_ALL) : 0;
}

/* ---- the side of those who wait ---- */

/* 0: the map has the key, in another version than @seen. -EAGAIN: it does not. */
static int look(struct dso_map *map, const void *key, size_t key_bytes, uint64_t seen)
{
	int r = map_look_for(map, key, key_bytes, true);

	if (r == -ENOENT || (r == 0 && seen && map->looks[0].content.version == seen))
		return -EAGAIN;
	return r;
}

static int wait_enlisted(struct dso_map *map, const void *key, size_t key_bytes, uint64_t seen,
			 uint64_t count, int64_t deadline_ns)
{
	struct spin spin = spin_begin(map->object.session, deadline_ns);
	struct event event = event_of(map);
	int r, s;

	for (;;) {
		r = look(map, key, key_bytes, seen);
		if (r != -EAGAIN)
			return r;
		r = event_wait(&event, 1, count, 0, &spin, deadline_ns);
		s = r ? 0 : event_count(&event, &count);
		if (r || s)
			return r ? r : s;
	}
}

static int wait_for(struct dso_map *map, const void *key, size_t key_bytes, uint64_t seen,
		    int64_t deadline_ns)
{
	struct event event = event_of(map);
	uint64_t count;
	int r = look(map, key, key_bytes, seen);

	if (r != -EAGAIN)
		return r;
	if (clock_now_ns() >= deadline_ns)
		return -ETIMEDOUT;
	r = event_enlist(&event, 1, &count);
	if (r)
		return r;
	r = wait_enlisted(map, key, key_bytes, seen, count, deadline_ns);
	return event_leave(&event, 1, r);
}

int dso_map_wait(struct dso_map *map, const void *key, size_t key_bytes, uint64_t seen,
		 void *buffer, size_t buffer_bytes, int64_t timeout, size_t *ret_length,
		 uint64_t *ret_version)
{
	INSIDE_OF(map);
	int64_t deadline_ns;
	int r = map_check_key(map, "wait", key_bytes);

	if (r)
		return r;
	r = futex_deadline(timeout, &deadline_ns);
	if (r == 0)
		r = wait_for(map, key, key_bytes, seen, deadline_ns);
	return r ? object_fail_wait(&map->object, "wait", timeout, r)
		 : map_give(map, "wait", buffer, buffer_bytes, ret_length, ret_version);
}
