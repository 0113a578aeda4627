/* SPDX-License-Identifier: Apache-2.0 */
/* Fencing tokens of 64 bits, of an owned word that counts in 40 (proto/layout.h: fencing_count). */
#ifndef LIB_OBJECTS_FENCING_H
#define LIB_OBJECTS_FENCING_H

#include "lib/objects/word.h"

static inline struct op fencing_epoch_op(const struct object *object)
{
	return word_op(object, DATA_FAA, OBJECT_TOKEN_EPOCH_OFFSET, 0, 0);
}

/* The token of @word, of which the object's epoch was @epoch. */
static inline uint64_t fencing_token(const struct object *object, uint64_t word, uint64_t epoch)
{
	return object->token_origin + fencing_count(word, epoch);
}

/* The epoch of the object may be behind the word at @offset, which this session took as @word:
 * advance it. Returns 0 or the errors of any operation. Only after fencing_is_due(). */
__attribute__((cold)) int fencing_advance(struct object *object, uint64_t offset, uint64_t word);

#endif
