/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/fencing.h"

int fencing_advance(struct object *object, uint64_t offset, uint64_t word)
{
	/* In this order: while the word is as it was taken, the epoch that was read before it
	 * cannot be too new. */
	struct op ops[2] = {fencing_epoch_op(object), word_op(object, DATA_FAA, offset, 0, 0)};
	int r = session_execute(object, ops, 2);
	uint64_t epoch = ops[0].value, before, next;

	if (r || owned_word_token(ops[1].value) != owned_word_token(word))
		return r;
	next = fencing_epoch(fencing_count(word, epoch));
	/* A session that loses the word by force meanwhile finds another epoch, or sets the right
	 * one. */
	return next == epoch ? 0
			     : word_cas(object, OBJECT_TOKEN_EPOCH_OFFSET, epoch, next, &before);
}
