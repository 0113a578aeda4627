/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds what, since when. Holds are one-sided: nobody tells storaged. Who holds what at this
 * moment is read from the words of objects when somebody asks (lib/core/holds.h). Since when is
 * known because storaged looks at those words now and then, and keeps for each session in which of
 * them it saw it, with which token, and when first: a token that is the same later is the same
 * hold, never given back between.
 *
 * A round of looks goes over every object that somebody has open. It is made in turns of the loop
 * that come anyway, with heartbeats if with nothing else, so many words for the time that has
 * passed: what it costs does not depend on what clients do.
 */
#ifndef STORAGED_SESSION_HOLDS_H
#define STORAGED_SESSION_HOLDS_H

#include <stdint.h>

#define SIGHTINGS_MAX    64                /* words that one session is remembered in */
#define LOOK_WORDS_MAX   64                /* words, or objects, of a look */
#define LOOK_NS          INT64_C(10000000) /* there is one for so much time, */
#define LOOK_BATCHES_MAX 64                /* and so many at once at most, */
#define LOOK_TURN_NS     INT64_C(1000000)  /* until they have taken this long, */
#define LOOK_PAUSE_NS    INT64_C(50000000) /* after which there is none for so long */

struct server;
struct session;

/* Where the looks of a namespace have got to. */
struct looks {
	uint32_t object;     /* where store_next_open goes on */
	uint32_t generation; /* of the object that is not finished yet */
	uint64_t word;       /* of it, the next one */
	int64_t began_ns;    /* this round */
	int64_t behind_ns;   /* the last whole round began: what was held then was seen since */
};

/* A word that a session was seen in. */
struct sighting {
	uint64_t word; /* offset in the region; 0: none */
	uint64_t token;
	uint32_t generation; /* of the object */
	int64_t first_ns;
	int64_t last_ns;
	int64_t before_ns; /* the hold is not older than this */
};

/* Of each session. */
struct sightings {
	struct sighting *seen; /* SIGHTINGS_MAX of them, or NULL: none yet */
	int64_t missed_ns;     /* when there was no room for one, last */
};

/* Look at as many words as are due. */
void holds_look(struct server *server, int64_t now_ns);
/* The session is gone. */
void holds_forget(struct session *session);

#endif
