/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/sightings.h"

#include <stdlib.h>

/* The sighting of @word; or one that is not needed any more; or NULL. */
static struct sighting *place_for(const struct sightings *sightings, uint64_t word,
				  int64_t behind_ns)
{
	struct sighting *vacant = NULL;

	for (unsigned i = 0; i < SIGHTINGS_MAX; i++) {
		struct sighting *sighting = &sightings->seen[i];

		if (sighting->word == word)
			return sighting;
		/* The last whole round did not see the session there. */
		if (sighting->word == 0 || sighting->last_ns < behind_ns)
			vacant = sighting;
	}
	return vacant;
}

bool sightings_are_missing(const struct sightings *sightings, int64_t behind_ns)
{
	return sightings->missed_ns && sightings->missed_ns >= behind_ns;
}

void sightings_see(struct sightings *sightings, const struct sweep_word *word, int64_t behind_ns,
		   int64_t now_ns)
{
	uint64_t token = owned_word_token(word->value);
	struct sighting *sighting;

	if (!sightings->seen)
		sightings->seen = calloc(SIGHTINGS_MAX, sizeof *sightings->seen);
	sighting = sightings->seen ? place_for(sightings, word->offset, behind_ns) : NULL;
	if (!sighting) {
		sightings->missed_ns = now_ns;
		return;
	}
	if (sighting->word != word->offset || sighting->token != token ||
	    sighting->generation != (uint32_t)word->tag)
		*sighting = (struct sighting){
			.word = word->offset,
			.token = token,
			.generation = (uint32_t)word->tag,
			.first_ns = now_ns,
			.before_ns = sightings_are_missing(sightings, behind_ns) ? 0 : behind_ns,
		};
	sighting->last_ns = now_ns;
}

const struct sighting *sightings_find(const struct sightings *sightings, const struct hold *hold)
{
	const struct sighting *oldest = NULL;

	for (unsigned i = 0; sightings->seen && i < SIGHTINGS_MAX; i++) {
		const struct sighting *sighting = &sightings->seen[i];

		if (sighting->generation != hold->stat->generation ||
		    (oldest && oldest->first_ns <= sighting->first_ns))
			continue;
		for (uint32_t j = 0; j < hold->count; j++) {
			const struct sweep_word *word = &hold->words[j];

			if (sighting->word == word->offset &&
			    sighting->token == owned_word_token(word->value))
				oldest = sighting;
		}
	}
	return oldest;
}

void sightings_forget(struct sightings *sightings)
{
	free(sightings->seen);
	*sightings = (struct sightings){0};
}
