/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/space_slots_test.h"

#include <stdlib.h>

#define MEMBERS_OFFSET MEMORY_DATA_OFFSET
#define SLOT_OFFSET(i) (MEMBERS_OFFSET + 8 * (MEMBERS + (uint64_t)(i)))

static int end_at_limit(struct steered *steered, const struct op *op)
{
	(void)op;
	return steered->executed < steered->limit ? 0 : -ENOTCONN;
}

/* ---- the object ---- */

static struct handle *handle_of(struct space *space)
{
	return (struct handle *)((uint8_t *)space - offsetof(struct handle, space));
}

static uint64_t slot_of(const struct space_name *name)
{
	return name->reference | (name->state >> 4) << SPACE_REFERENCE_BITS;
}

static bool slot_names(uint64_t slot, const struct space_name *name)
{
	return slot && slot == slot_of(name);
}

static int is_referenced(struct space *space, const struct space_name *block)
{
	struct handle *handle = handle_of(space);

	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t slot;
		int r = word_load(&handle->object, SLOT_OFFSET(i), &slot);

		if (r || slot_names(slot, block))
			return r ? r : 1;
	}
	return 0;
}

static const struct space_ops ops = {.is_referenced = is_referenced};

struct dso_session *open_session(void)
{
	return steered_open("embedded:space");
}

struct handle *begin(void)
{
	struct dso_session *session = open_session();
	struct open_request request = {
		.type = OBJECT_MEMORY, .given = true, .parameters = {8 * (MEMBERS + SLOTS)}};
	struct handle *handle;

	ck_assert_msg(object_open(session, "o", &request, sizeof *handle, &handle) == 0, "%s",
		      dso_error(session));
	handle->steered = steered_of(session);
	handle->steered->before = end_at_limit;
	space_open(&handle->space, &handle->object, &ops, MEMBERS_OFFSET, MEMBERS);
	return handle;
}

void end(struct handle *handle)
{
	struct dso_session *session = handle->object.session;

	space_close(&handle->space);
	object_close(&handle->object);
	dso_close(session);
}

void die(struct handle *handle)
{
	struct dso_session *session = handle->object.session;

	handle->steered->limit = UINT64_MAX;
	space_lose(&handle->space);
	for (unsigned i = 0; i < MEMBERS; i++) {
		uint64_t word, before;

		ck_assert_int_eq(word_load(&handle->object, MEMBERS_OFFSET + 8 * i, &word), 0);
		if (owned_word_owner(word) == session->owner)
			ck_assert_int_eq(word_cas(&handle->object, MEMBERS_OFFSET + 8 * i, word,
						  owned_word_without_owner(word) | OWNED_DIED,
						  &before),
					 0);
	}
	object_close(&handle->object);
	dso_close(session);
}

void end_or_die(struct handle *handle)
{
	if (handle->steered->limit == UINT64_MAX) {
		end(handle);
	} else {
		space_close(&handle->space);
		die(handle);
	}
}

/* ---- its verbs ---- */

/* The block that the slot refers to; reference 0: none. */
static int look(struct handle *handle, unsigned i, uint64_t *ret_slot, struct space_name *ret_name)
{
	uint64_t offset;
	struct op op;
	int r;

	do {
		*ret_name = (struct space_name){0};
		r = word_load(&handle->object, SLOT_OFFSET(i), ret_slot);
		if (r || *ret_slot == 0)
			return r;
		ret_name->reference = *ret_slot & SPACE_REFERENCE_MASK;
		r = space_find(&handle->space, ret_name->reference, 8, &offset);
		if (r)
			return r;
		op = space_op(DATA_FAA, offset, 0, 0);
		r = session_execute_one(&handle->object, &op);
		ret_name->state = op.value | SPACE_STATE_USED;
	} while (r == 0 && !(op.value & SPACE_STATE_USED && slot_names(*ret_slot, ret_name)));
	return r;
}

/* The byte that a block is filled with; its length comes before it. */
static uint8_t pattern(uint64_t state)
{
	return (uint8_t)(state >> 20);
}

int put(struct handle *handle, unsigned i, uint64_t bytes)
{
	static _Thread_local uint8_t content[SPACE_PAGE_BYTES * 600];
	struct space *space = &handle->space;
	struct space_block block = {0}, *taken = &block;
	struct op batch[SPACE_PREPARE_MAX + 32];
	bool is_written = false;
	uint32_t lease;
	int r = bytes ? space_take(space, bytes, &block) : space_lease(space, &lease);

	if (r == 0 && bytes) {
		le64_t length = le64_of(bytes);

		memset(content, pattern(block.name.state), bytes);
		memcpy(content + 8, &length, sizeof length);
	}
	while (r == 0) {
		struct space_name old;
		struct space_change change = {
			.taken = &taken, .taken_count = bytes != 0, .outgoing = &old};
		uint64_t slot;
		unsigned count;

		r = look(handle, i, &slot, &old);
		if (r)
			break;
		change.outgoing_count = slot != 0;
		count = space_prepare(space, &change, batch);
		for (uint32_t at = 8; bytes && !is_written && at < bytes;) {
			uint32_t left = (uint32_t)bytes - at;

			left = left > DATA_TRANSFER_BYTES_MAX ? DATA_TRANSFER_BYTES_MAX : left;
			batch[count++] = space_write_op(block.offset + at, content + at, left);
			at += left;
		}
		batch[count++] = word_op(&handle->object, DATA_CAS, SLOT_OFFSET(i), slot,
					 bytes ? slot_of(&block.name) : 0);
		r = session_execute(&handle->object, batch, count);
		if (r)
			break;
		is_written = true;
		space_executed(space, batch);
		if (!space_op_succeeded(&batch[count - 1]))
			continue;
		if (slot)
			space_retire(space, &old);
		return 0;
	}
	return r;
}

/* ---- what must hold ---- */

static bool is_in(void *context, const struct space_name *block)
{
	return is_referenced(context, block) == 1;
}

struct space_report check(struct handle *handle)
{
	struct space_report report;

	ck_assert_int_eq(space_check(&handle->space, is_in, &handle->space, &report), 0);
	return report;
}

unsigned filled(struct handle *handle)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t slot;

		ck_assert_int_eq(word_load(&handle->object, SLOT_OFFSET(i), &slot), 0);
		count += slot != 0;
	}
	return count;
}

void verify(struct handle *handle)
{
	static uint8_t bytes[SPACE_PAGE_BYTES * 600];

	for (unsigned i = 0; i < SLOTS; i++) {
		struct space_name name;
		uint64_t slot, offset;
		le64_t length;
		struct op op;

		ck_assert_int_eq(look(handle, i, &slot, &name), 0);
		if (!slot)
			continue;
		ck_assert_int_eq(space_find(&handle->space, name.reference, 16, &offset), 0);
		op = space_read_op(offset + 8, &length, 8);
		ck_assert_int_eq(session_execute_one(&handle->object, &op), 0);
		ck_assert_uint_le(le64_get(length), sizeof bytes);
		for (uint64_t at = 16; at < le64_get(length); at += op.length_bytes) {
			uint64_t left = le64_get(length) - at;

			op = space_read_op(offset + at, bytes + at,
					   left < DATA_TRANSFER_BYTES_MAX
						   ? (uint32_t)left
						   : DATA_TRANSFER_BYTES_MAX);
			ck_assert_int_eq(session_execute_one(&handle->object, &op), 0);
		}
		for (uint64_t at = 16; at < le64_get(length); at++)
			if (bytes[at] != pattern(name.state))
				ck_assert_uint_eq(bytes[at], pattern(name.state));
	}
}

void recover_all(struct handle *handle)
{
	uint32_t lease;
	bool any;

	ck_assert_int_eq(space_lease(&handle->space, &lease), 0);
	ck_assert_int_eq(space_members_recover(&handle->space, &any), 0);
	space_close(&handle->space);
}

void delete_object(void)
{
	struct dso_session *session = open_session();

	ck_assert_int_eq(dso_object_delete(session, "o"), 0);
	dso_close(session);
}
