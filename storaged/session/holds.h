/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds what, since when. Holds are one-sided: nobody tells storaged. Who holds what at this
 * moment is read from the words of objects when somebody asks (lib/core/holds.h). Since when is
 * known because storaged looks at those words now and then, and keeps for each session in which of
 * them it saw it (sightings.h).
 *
 * A round of looks goes over every object that somebody has open. It is made in turns of the loop
 * that come anyway, with heartbeats if with nothing else, so many words for the time that has
 * passed: what it costs does not depend on what clients do.
 */
#ifndef STORAGED_SESSION_HOLDS_H
#define STORAGED_SESSION_HOLDS_H

#include "storaged/session/session.h"

#define LOOK_WORDS_MAX   64                /* words, or objects, of a look */
#define LOOK_NS          INT64_C(10000000) /* there is one for so much time, */
#define LOOK_BATCHES_MAX 64                /* and so many at once at most, */
#define LOOK_TURN_NS     INT64_C(1000000)  /* until they have taken this long, */
#define LOOK_PAUSE_NS    INT64_C(50000000) /* after which there is none for so long */

/* Where the looks of a namespace have got to. */
struct looks {
	/* where store_next_open goes on */
	uint32_t object;
	/* of the object that is not finished yet */
	uint32_t generation;
	/* of it, the next one */
	uint64_t word;
	/* this round */
	int64_t began_ns;
	/* the last whole round began: what was held then was seen since */
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
/* How long @session has had @hold at @now_ns, at least and at most. */
void holds_time(const struct holds *holds, const struct session *session, const struct hold *hold,
		int64_t now_ns, int64_t *ret_min_ns, int64_t *ret_max_ns);

#endif
