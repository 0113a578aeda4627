/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

/* A session has one handle's lock at a time, and that once. */
static void check_once(uint64_t *seen, uint64_t word, uint64_t offset, struct findings *findings)
{
	uint16_t owner = owned_word_owner(word);

	if (owner == 0 || owner == OWNED_BY_STORAGED)
		return;
	if (seen[owner / 64] >> owner % 64 & 1)
		findings_add(findings, DSO_FINDING_DAMAGE, offset, "session %u has the lock twice",
			     owner);
	seen[owner / 64] |= UINT64_C(1) << owner % 64;
}

static void check_slot(const struct image *image, uint64_t offset, struct findings *findings)
{
	uint64_t word = image_word(image, offset);

	if (owned_word_owner(word))
		image_check_word(image, offset, OWNED_WAITED, findings);
	else if (word & UINT8_MAX)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "the slot has no reader and a flag, with which none can take it");
}

void rwlock_check(const struct image *image, struct findings *findings)
{
	uint64_t readers = image->parameters[RWLOCK_PARAMETER_READERS];
	uint64_t seen[IMAGE_OWNERS / 64] = {0};

	image_check_word(image, RWLOCK_WORD_OFFSET,
			 OWNED_WAITED | OWNED_QUEUED | OWNED_GRANTED | OWNED_DIED | OWNED_LOST,
			 findings);
	check_once(seen, image_word(image, RWLOCK_WORD_OFFSET), RWLOCK_WORD_OFFSET, findings);
	for (uint64_t i = 0; i < readers; i++) {
		check_slot(image, RWLOCK_SLOT_OFFSET(i), findings);
		check_once(seen, image_word(image, RWLOCK_SLOT_OFFSET(i)), RWLOCK_SLOT_OFFSET(i),
			   findings);
	}
}
