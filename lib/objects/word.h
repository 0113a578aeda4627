/* SPDX-License-Identifier: Apache-2.0 */
/* Single atomics on a word of an object; @offset counts from the object's header. Each returns 0 or
 * what session_execute_one returns. */
#ifndef LIB_OBJECTS_WORD_H
#define LIB_OBJECTS_WORD_H

#include "lib/client/session.h"
#include "proto/layout.h"

static inline struct op word_op(const struct object *object, uint8_t opcode, uint64_t offset,
				uint64_t operand, uint64_t swap)
{
	return (struct op){.opcode = opcode,
			   .length_bytes = 8,
			   .offset = object->offset + offset,
			   .operand = operand,
			   .swap = swap};
}

/* The part of word_cas for memory that this processor does not reach. */
int word_cas_far(struct object *object, uint64_t offset, uint64_t expected, uint64_t value,
		 uint64_t *ret_before);

static inline int word_cas(struct object *object, uint64_t offset, uint64_t expected,
			   uint64_t value, uint64_t *ret_before)
{
	struct dso_session *session = object->session;
	const struct transport_ops *transport = transport_ops(session->transport);
	int r;

	if (!transport->cas)
		return word_cas_far(object, offset, expected, value, ret_before);
	r = session_enter(object);
	if (__builtin_expect(r == 0, 1))
		r = transport->cas(session->transport, object->offset + offset, expected, value,
				   ret_before);
	session_leave(session);
	return r;
}

/* word_cas by this processor and nothing else. Returns false, and has done nothing, where it takes
 * more: the memory is far, the session or the handle is over, or lib/client/check.h is on. */
static inline bool word_cas_at_once(struct object *object, uint64_t offset, uint64_t expected,
				    uint64_t value, uint64_t *ret_before)
{
	struct dso_session *session = object->session;
	const struct transport_ops *transport = transport_ops(session->transport);
	bool done;

	if (!transport->cas)
		return false;
	done = session_enter(object) == 0 &&
	       !atomic_load_explicit(&object->is_slow, memory_order_relaxed) &&
	       transport->cas(session->transport, object->offset + offset, expected, value,
			      ret_before) == 0;
	session_leave(session);
	return done;
}

static inline int word_add(struct object *object, uint64_t offset, uint64_t addend,
			   uint64_t *ret_before)
{
	struct op op = word_op(object, DATA_FAA, offset, addend, 0);
	int r = session_execute_one(object, &op);

	*ret_before = op.value;
	return r;
}

static inline int word_load(struct object *object, uint64_t offset, uint64_t *ret_value)
{
	return word_add(object, offset, 0, ret_value);
}

/* Set @flags in the word, last seen as *value. Returns -EAGAIN where the word has changed since;
 * *value is then what it is now. */
int word_flag(struct object *object, uint64_t offset, uint64_t flags, uint64_t *value);

#endif
