/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/word.h"

#include <errno.h>

int word_flag(struct object *object, uint64_t offset, uint64_t flags, uint64_t *value)
{
	uint64_t before;
	int r;

	if ((*value & flags) == flags)
		return 0;
	r = word_cas(object, offset, *value, *value | flags, &before);
	if (r)
		return r;
	if (before != *value) {
		*value = before;
		return -EAGAIN;
	}
	*value |= flags;
	return 0;
}

int word_cas_far(struct object *object, uint64_t offset, uint64_t expected, uint64_t value,
		 uint64_t *ret_before)
{
	struct op op = word_op(object, DATA_CAS, offset, expected, value);
	int r = session_execute(object, &op, 1);

	*ret_before = op.value;
	return r;
}
