/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/fencing.h"

int fencing_advance(struct object *object, uint64_t word)
{
	uint64_t epoch, before, next;
	int r = word_load(object, OBJECT_TOKEN_EPOCH_OFFSET, &epoch);

	if (r)
		return r;
	next = fencing_epoch(fencing_count(word, epoch));
	/* Who lost the word by force meanwhile finds another epoch, or sets the right one. */
	return next == epoch ? 0
			     : word_cas(object, OBJECT_TOKEN_EPOCH_OFFSET, epoch, next, &before);
}
