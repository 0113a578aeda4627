/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

#include <inttypes.h>

/* Each session that has arrived in a round that is not over is a party. Returns how many are. */
static uint64_t check_parties(const struct image *image, struct findings *findings)
{
	uint64_t count = 0;

	for (unsigned owner = 0; owner < IMAGE_OWNERS; owner++) {
		uint64_t offset = BARRIER_PARTY_OFFSET(owner);

		if (!(image_word(image, offset) & BARRIER_PARTY(owner)))
			continue;
		count++;
		if (owner == 0 || owner == OWNED_BY_STORAGED)
			findings_add(findings, DSO_FINDING_DAMAGE, offset,
				     "%u is a party, and is the number of no session", owner);
		else if (image->is_alone)
			findings_add(findings, DSO_FINDING_DAMAGE, offset,
				     "session %u is a party, and no session has it open", owner);
	}
	return count;
}

void barrier_check(const struct image *image, struct findings *findings)
{
	uint64_t word = image_word(image, BARRIER_WORD_OFFSET);
	uint64_t event = image_word(image, BARRIER_EVENT_OFFSET);
	uint64_t arrived = word % BARRIER_ROUND / BARRIER_ARRIVAL;
	uint64_t parties = check_parties(image, findings);

	if (!(word & BARRIER_BROKEN) && arrived > parties)
		findings_add(findings, DSO_FINDING_DAMAGE, BARRIER_WORD_OFFSET,
			     "%" PRIu64 " have arrived, and there are %" PRIu64
			     " sessions that have ever waited at it and not closed it",
			     arrived, parties);
	if (image->is_alone &&
	    (uint16_t)(event / BARRIER_RESET_BEGUN) != (uint16_t)(event / BARRIER_RESET_ENDED))
		findings_add(findings, DSO_FINDING_LEFTOVER, BARRIER_EVENT_OFFSET,
			     "a session ended in the middle of a reset: parties that are late "
			     "by more than %u rounds are told of a reset",
			     BARRIER_HISTORY_BITS);
}
