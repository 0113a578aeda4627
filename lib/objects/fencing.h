/* SPDX-License-Identifier: Apache-2.0 */
/* Fencing tokens of 64 bits, made of an owned word that counts in 40 bits (proto/layout.h:
 * fencing_count). */
#ifndef LIB_OBJECTS_FENCING_H
#define LIB_OBJECTS_FENCING_H

#include "lib/objects/word.h"

static inline struct op fencing_epoch_op(const struct object *object)
{
	return word_op(object, DATA_FAA, OBJECT_TOKEN_EPOCH_OFFSET, 0, 0);
}

/* The token of @word, where @epoch is the object's epoch. */
static inline uint64_t fencing_token(const struct object *object, uint64_t word, uint64_t epoch)
{
	return object->token_origin + fencing_count(word, epoch);
}

/* Advance the object's epoch, which may lag behind the word at @offset that this session took as
 * @word. Call it only after fencing_is_due(). Returns 0 or the errors of any operation. */
__attribute__((cold)) int fencing_advance(struct object *object, uint64_t offset, uint64_t word);

#endif
