/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/collections.h"
#include "tests/await.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define KINDS        4

static const char *const suffixes[KINDS] = {"map", "set", "queue", "aggregator"};

static const char *name_of(const char *name, unsigned kind)
{
	static char whole[64];

	snprintf(whole, sizeof whole, "%s/%s", name, suffixes[kind]);
	return whole;
}

int collections_open(struct dso_session *session, const char *name, struct collections *ret)
{
	const struct dso_queue_params two = {.capacity = 2, .item_bytes = 8};
	const struct dso_aggregator_params pair = {
		.length = 1, .element = DSO_INT64, .contributors = 2};
	int r = dso_map_open(session, name_of(name, 0), NULL, &ret->map);

	if (r == 0)
		r = dso_set_open(session, name_of(name, 1), NULL, &ret->set);
	if (r == 0)
		r = dso_queue_open(session, name_of(name, 2), &two, &ret->queue);
	if (r == 0)
		r = dso_aggregator_open(session, name_of(name, 3), &pair, &ret->aggregator);
	return r;
}

int collections_leave(struct collections *collections)
{
	static char bytes[8];
	struct dso_queue_item item = {.bytes = bytes, .bytes_max = sizeof bytes};
	int64_t value = 7;
	int r = dso_map_put(collections->map, "key", 3, "value", 5, NULL);

	if (r == 0)
		r = dso_set_add(collections->set, "key", 3, NULL);
	if (r == 0)
		r = dso_queue_push(collections->queue, "item", 4, DSO_NOWAIT);
	if (r == 0)
		r = dso_queue_lease(collections->queue, &item, DSO_NOWAIT);
	if (r == 0)
		r = dso_aggregator_contribute(collections->aggregator, 0, &value, sizeof value, 0,
					      DSO_NOWAIT, NULL);
	return r;
}

bool collections_say(struct collections *collections, int status)
{
	int is_there;
	uint64_t length;

	return dso_map_contains(collections->map, "key", 3, &is_there) == status &&
	       dso_set_contains(collections->set, "key", 3, &is_there) == status &&
	       dso_queue_length(collections->queue, &length) == status &&
	       dso_aggregator_stat(collections->aggregator, NULL, NULL, NULL) == status;
}

int collections_delete(struct dso_session *session, const char *name)
{
	int r = 0;

	for (unsigned kind = 0; kind < KINDS && r == 0; kind++)
		r = dso_object_delete(session, name_of(name, kind));
	return r;
}

static void expect_entries(struct collections *collections)
{
	char bytes[8];
	size_t length;
	int was_there = 0;

	ck_assert_int_eq(
		dso_map_get(collections->map, "key", 3, bytes, sizeof bytes, &length, NULL), 0);
	ck_assert(length == 5 && memcmp(bytes, "value", 5) == 0);
	ck_assert_int_eq(dso_map_put(collections->map, "key", 3, "other", 5, NULL), 0);
	ck_assert_int_eq(dso_map_remove(collections->map, "key", 3), 0);
	ck_assert_int_eq(dso_set_remove(collections->set, "key", 3, &was_there), 0);
	ck_assert(was_there);
}

static bool is_broken(struct collections *collections)
{
	uint32_t contributed;
	int broken;

	ck_assert_int_eq(dso_aggregator_stat(collections->aggregator, NULL, &contributed, &broken),
			 0);
	ck_assert_uint_eq(contributed, 1);
	return broken;
}

void collections_expect(struct collections *collections, bool has_ended, bool abruptly)
{
	char bytes[8];
	size_t length = 0;

	expect_entries(collections);
	ck_assert_int_eq(dso_queue_pop(collections->queue, bytes, sizeof bytes,
				       has_ended ? HANG_TIMEOUT : DSO_NOWAIT, &length),
			 has_ended ? 0 : -ETIMEDOUT);
	ck_assert_uint_eq(length, has_ended ? 4 : 0);
	if (abruptly)
		AWAIT(is_broken(collections));
	else
		ck_assert(!is_broken(collections));
}
