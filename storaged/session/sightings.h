/* SPDX-License-Identifier: Apache-2.0 */
/* In which words a session was seen, with which token, and when first: a token that is the same
 * later is the same hold, never given back between. */
#ifndef STORAGED_SESSION_SIGHTINGS_H
#define STORAGED_SESSION_SIGHTINGS_H

#include "lib/core/holds.h"

#include <stdint.h>

#define SIGHTINGS_MAX 64 /* words that one session is remembered in */

/* A word that a session was seen in. */
struct sighting {
	/* offset in the region; 0: none */
	uint64_t word;
	uint64_t token;
	/* of the object */
	uint32_t generation;
	int64_t first_ns;
	int64_t last_ns;
	/* the hold is not older than this */
	int64_t before_ns;
};

/* Of each session. */
struct sightings {
	/* SIGHTINGS_MAX of them, or NULL: none yet */
	struct sighting *seen;
	/* when there was no room for one, last */
	int64_t missed_ns;
};

/* The session was seen in @word. The last whole round of looks began at @behind_ns. */
void sightings_see(struct sightings *sightings, const struct sweep_word *word, int64_t behind_ns,
		   int64_t now_ns);
/* Whether some holds may be older than they seem, because there was no room to remember them. */
bool sightings_are_missing(const struct sightings *sightings, int64_t behind_ns);
/* The oldest that is @hold still, or NULL. */
const struct sighting *sightings_find(const struct sightings *sightings, const struct hold *hold);
/* The session is gone. */
void sightings_forget(struct sightings *sightings);

#endif
