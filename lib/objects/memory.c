/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/memory.h"
#include "lib/client/check.h"
#include "lib/objects/bytes.h"
#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/objects/word.h"
#include "lib/client/renew.h"
#include "proto/layout.h"

#include <errno.h>

struct dso_memory {
	struct object object;
	uint64_t size_bytes;
};

static bool inside(const struct dso_memory *memory, uint64_t offset, uint64_t length_bytes)
{
	return data_is_inside(offset, length_bytes, memory->size_bytes);
}

static uint64_t place(const struct dso_memory *memory, uint64_t offset)
{
	return memory->object.offset + MEMORY_DATA_OFFSET + offset;
}

/* -ERANGE, -EINVAL or 0 for an atomic at @offset. */
static int check_word(const struct dso_memory *memory, uint64_t offset)
{
	return !inside(memory, offset, 8) ? -ERANGE : offset % 8 ? -EINVAL : 0;
}

static int transfer(struct dso_memory *memory, uint8_t opcode, uint64_t offset, void *buffer,
		    size_t length_bytes)
{
	if (!inside(memory, offset, length_bytes))
		return -ERANGE;
	return bytes_transfer(&memory->object, opcode, place(memory, offset), buffer, length_bytes);
}

/* What lies outside, or is no word, is said in numbers. Apart from the way of those that succeed,
 * which would save a register more. */
static __attribute__((cold, noinline)) int fail(struct dso_memory *memory, const char *verb,
						int error, uint64_t offset, uint64_t length_bytes)
{
	struct object *object = &memory->object;

	if (error == -ERANGE && length_bytes == 0 && inside(memory, offset, 0))
		return object_refuse(
			object, verb, error,
			"0 bytes are too few to submit; leave it out, or submit 1 to %d",
			DSO_SUBMIT_BYTES_MAX);
	if (error == -EMSGSIZE)
		return object_refuse(object, verb, error,
				     "more than %d bytes; submit it in parts, or wait for it with "
				     "dso_memory_%s()",
				     DSO_SUBMIT_BYTES_MAX, verb);
	if (error == -ERANGE)
		return object_refuse(object, verb, error,
				     "%llu bytes at offset %llu are outside the object, which has "
				     "%llu",
				     (unsigned long long)length_bytes, (unsigned long long)offset,
				     (unsigned long long)memory->size_bytes);
	if (error == -EINVAL)
		return object_refuse(object, verb, error,
				     "offset %llu is no multiple of 8, as a word's is",
				     (unsigned long long)offset);
	return object_fail(object, verb, error);
}

static int memory_open(struct dso_session *session, const char *name,
		       const struct open_request *request, struct dso_memory **ret_memory)
{
	struct dso_memory *memory;
	int r = object_open(session, name, request, sizeof *memory, &memory);

	if (r)
		return r;
	memory->size_bytes = memory->object.parameters[MEMORY_PARAMETER_BYTES];
	*ret_memory = memory;
	return 0;
}

int dso_memory_open(struct dso_session *session, const char *name,
		    const struct dso_memory_params *params, struct dso_memory **ret_memory)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_MEMORY,
		.unwanted = !ret_memory,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};

	if (params)
		request.parameters[MEMORY_PARAMETER_BYTES] = params->size_bytes;
	return memory_open(session, name, &request, ret_memory);
}

int memory_open_existing(struct dso_session *session, const char *name,
			 struct dso_memory **ret_memory)
{
	INSIDE(session);
	struct open_request request = {.type = OBJECT_MEMORY, .is_there = true};

	return memory_open(session, name, &request, ret_memory);
}

void dso_memory_close(struct dso_memory *memory)
{
	INSIDE(check_session(memory));

	object_close((struct object *)memory);
}

uint64_t dso_memory_size(const struct dso_memory *memory)
{
	return memory->size_bytes;
}

int dso_memory_read(struct dso_memory *memory, uint64_t offset, void *buffer, size_t length_bytes)
{
	INSIDE_OF(memory);
	int r = transfer(memory, DATA_READ, offset, buffer, length_bytes);

	if (renewed(memory->object.session, r))
		r = transfer(memory, DATA_READ, offset, buffer, length_bytes);
	return r ? fail(memory, "read", r, offset, length_bytes) : 0;
}

int dso_memory_write(struct dso_memory *memory, uint64_t offset, const void *buffer,
		     size_t length_bytes)
{
	INSIDE_OF(memory);

	/* A WRITE's buffer is only read: struct op has one pointer for both directions. */
	int r = transfer(memory, DATA_WRITE, offset, (void *)(uintptr_t)buffer, length_bytes);

	return r ? fail(memory, "write", r, offset, length_bytes) : 0;
}

static inline int atomic_op(struct dso_memory *memory, struct op op, const char *function,
			    const char *verb, uint64_t *ret_before)
{
	int r = check_word(memory, op.offset);

	op.offset = place(memory, op.offset);
	if (r == 0)
		r = session_execute_in(&memory->object, &op, function);
	if (__builtin_expect(r != 0, 0))
		return fail(memory, verb, r, op.offset - place(memory, 0), 8);
	if (ret_before)
		*ret_before = op.value;
	return 0;
}

int dso_memory_cas(struct dso_memory *memory, uint64_t offset, uint64_t expected, uint64_t value,
		   uint64_t *ret_before)
{
	return atomic_op(memory,
			 (struct op){.opcode = DATA_CAS,
				     .length_bytes = 8,
				     .offset = offset,
				     .operand = expected,
				     .swap = value},
			 __func__, "cas", ret_before);
}

int dso_memory_fetch_add(struct dso_memory *memory, uint64_t offset, uint64_t delta,
			 uint64_t *ret_before)
{
	return atomic_op(
		memory,
		(struct op){
			.opcode = DATA_FAA, .length_bytes = 8, .offset = offset, .operand = delta},
		__func__, "fetch_add", ret_before);
}

/* Check and submit; @op's offset is still the object's. */
static int submit(struct dso_memory *memory, struct op op, uint64_t tag, const char *verb)
{
	bool word = op.opcode == DATA_CAS || op.opcode == DATA_FAA;
	int r = word                                          ? check_word(memory, op.offset)
		: op.length_bytes > DSO_SUBMIT_BYTES_MAX      ? -EMSGSIZE
		: !inside(memory, op.offset, op.length_bytes) ? -ERANGE
		: op.length_bytes == 0                        ? -ERANGE
							      : 0;

	if (r)
		return fail(memory, verb, r, op.offset, op.length_bytes);
	op.offset = place(memory, op.offset);
	return session_submit(&memory->object, &op, tag, verb);
}

static uint32_t submit_length(size_t length_bytes)
{
	return length_bytes > DSO_SUBMIT_BYTES_MAX ? DSO_SUBMIT_BYTES_MAX + 1
						   : (uint32_t)length_bytes;
}

static int wait_while(struct dso_memory *memory, uint64_t offset, uint64_t expected,
		      int64_t deadline_ns)
{
	struct spin spin = spin_begin(memory->object.session, deadline_ns);
	uint64_t value;
	int r;

	do {
		r = word_load(&memory->object, offset, &value);
		if (r || value != expected)
			return r;
	} while (spin_on(&spin, &memory->object, offset, expected));
	return futex_wait(&memory->object, offset, expected, deadline_ns);
}

int dso_memory_wait(struct dso_memory *memory, uint64_t offset, uint64_t expected, int64_t timeout)
{
	INSIDE_OF(memory);
	int64_t deadline_ns;
	int r = check_word(memory, offset);

	if (r)
		return fail(memory, "wait", r, offset, 8);
	r = futex_deadline(timeout, &deadline_ns);
	if (r == 0)
		r = wait_while(memory, MEMORY_DATA_OFFSET + offset, expected, deadline_ns);
	return r ? object_fail_wait(&memory->object, "wait", timeout, r) : 0;
}

int dso_memory_wake(struct dso_memory *memory, uint64_t offset, uint32_t count, uint32_t *ret_woken)
{
	INSIDE_OF(memory);
	uint64_t word = MEMORY_DATA_OFFSET + offset;
	int r = check_word(memory, offset);

	if (r == 0)
		r = ret_woken || count > FUTEX_ALL
			    ? futex_wake_counted(&memory->object, word, count, ret_woken)
			    : futex_wake_quietly(&memory->object, word, count);
	return r ? fail(memory, "wake", r, offset, 8) : 0;
}

int dso_memory_read_submit(struct dso_memory *memory, uint64_t offset, void *buffer,
			   size_t length_bytes, uint64_t tag)
{
	INSIDE_OF(memory);

	return submit(memory,
		      (struct op){.opcode = DATA_READ,
				  .length_bytes = submit_length(length_bytes),
				  .offset = offset,
				  .buffer = buffer},
		      tag, "read");
}

int dso_memory_write_submit(struct dso_memory *memory, uint64_t offset, const void *buffer,
			    size_t length_bytes, uint64_t tag)
{
	INSIDE_OF(memory);

	return submit(memory,
		      (struct op){.opcode = DATA_WRITE,
				  .length_bytes = submit_length(length_bytes),
				  .offset = offset,
				  .buffer = (void *)(uintptr_t)buffer},
		      tag, "write");
}

int dso_memory_cas_submit(struct dso_memory *memory, uint64_t offset, uint64_t expected,
			  uint64_t value, uint64_t tag)
{
	INSIDE_OF(memory);

	return submit(memory,
		      (struct op){.opcode = DATA_CAS,
				  .length_bytes = 8,
				  .offset = offset,
				  .operand = expected,
				  .swap = value},
		      tag, "cas");
}

int dso_memory_fetch_add_submit(struct dso_memory *memory, uint64_t offset, uint64_t delta,
				uint64_t tag)
{
	INSIDE_OF(memory);

	return submit(
		memory,
		(struct op){
			.opcode = DATA_FAA, .length_bytes = 8, .offset = offset, .operand = delta},
		tag, "fetch_add");
}
