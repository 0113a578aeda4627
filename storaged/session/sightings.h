/* SPDX-License-Identifier: Apache-2.0 */
/* The words in which a session was seen, with which token, and when first. If the token is the same
 * later, so is the hold: it was never given back in between. */
#ifndef STORAGED_SESSION_SIGHTINGS_H
#define STORAGED_SESSION_SIGHTINGS_H

#include "lib/core/holds.h"

#include <stdint.h>

#define SIGHTINGS_MAX 64 /* the words in which one session is remembered */

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
	/* when there was last no room for one */
	int64_t missed_ns;
};

/* The session was seen in @word. The last whole round of looks began at @behind_ns. */
void sightings_see(struct sightings *sightings, const struct sweep_word *word, int64_t behind_ns,
		   int64_t now_ns);
/* Whether some holds may be older than they seem, because there was no room to remember them. */
bool sightings_are_missing(const struct sightings *sightings, int64_t behind_ns);
/* The oldest sighting that still is @hold, or NULL. */
const struct sighting *sightings_find(const struct sightings *sightings, const struct hold *hold);
/* The session is gone. */
void sightings_forget(struct sightings *sightings);

#endif
