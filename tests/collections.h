/* SPDX-License-Identifier: Apache-2.0 */
/* A map, a set, a queue and an aggregator, and what a session has in each of them when it ends. */
#ifndef TESTS_COLLECTIONS_H
#define TESTS_COLLECTIONS_H

#include <dso/dso.h>
#include <stdbool.h>

struct collections {
	struct dso_map *map;
	struct dso_set *set;
	struct dso_queue *queue;
	struct dso_aggregator *aggregator;
};

/* Open those whose names begin with @name. Returns 0 or the first error. */
int collections_open(struct dso_session *session, const char *name, struct collections *ret);
/* An entry, a key, a leased item, and a contribution. Returns 0 or the first error. */
int collections_leave(struct collections *collections);
/* What each of them says to a call that changes nothing: whether all say @status. */
bool collections_say(struct collections *collections, int status);
int collections_delete(struct dso_session *session, const char *name);

/* The test fails where another session does not find what was left: the entry and the key, the item
 * if its consumer @has_ended, and the round broken if that was @abruptly. */
void collections_expect(struct collections *collections, bool has_ended, bool abruptly);

#endif
