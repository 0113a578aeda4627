/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which session holds what, and since when. Sessions take holds one-sidedly, without telling
 * storaged. What they hold at this moment is read from the words of objects on request
 * (lib/core/holds.h). Since when is known because storaged looks at those words now and then, and
 * remembers for each session in which words it saw it (sightings.h).
 *
 * A round of looks covers every open object. It is made in turns of the loop that come anyway, at
 * least with heartbeats, with a number of words for the time that has passed. So its cost does not
 * depend on what clients do.
 */
#ifndef STORAGED_SESSION_HOLDS_H
#define STORAGED_SESSION_HOLDS_H

#include "storaged/session/session.h"

#define LOOK_WORDS_MAX   64                /* the words, or objects, of a look */
#define LOOK_NS          INT64_C(10000000) /* there is one for so much time, */
#define LOOK_BATCHES_MAX 64                /* and so many at once at most, */
#define LOOK_TURN_NS     INT64_C(1000000)  /* until they have taken this long, */
#define LOOK_PAUSE_NS    INT64_C(50000000) /* after which there is none for so long */

/* How far the looks have got in a namespace. */
struct looks {
	/* where store_next_open goes on */
	uint32_t object;
	/* the next word of the object that is not finished */
	uint32_t generation;
	/* of it, the next one */
	uint64_t word;
	/* this round */
	int64_t began_ns;
	/* when the last whole round began: what was held then was seen since */
	int64_t behind_ns;
};

struct holds {
	struct sessions *sessions;
	struct namespaces *namespaces;
	/* of each namespace */
	struct looks looks[SETTINGS_ITEMS_MAX];
	/* the namespace whose turn it is */
	unsigned turn;
	/* last */
	int64_t looked_ns;
};

void holds_init(struct holds *holds, struct sessions *sessions, struct namespaces *namespaces);
/* Look at as many words as are due. */
void holds_look(struct holds *holds, int64_t now_ns);
/* For how long @session has had @hold at @now_ns, at least and at most. */
void holds_time(const struct holds *holds, const struct session *session, const struct hold *hold,
		int64_t now_ns, int64_t *ret_min_ns, int64_t *ret_max_ns);

#endif
