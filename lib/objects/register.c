/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A register is two slots and a head word {version, owner, flags} (proto/layout.h). A writer takes
 * the head by putting its owner number in, writes the slot that is not current, and publishes it by
 * the CAS that also lets the head go. A reader loads the head and the slot that it expects to be
 * current in one batch and believes the slot only if its checksums hold for the version that the
 * head named.
 *
 * Death: an unpublished slot is never looked at. The owner number of a dead session is taken out of
 * the head by storaged, after the session was fenced.
 *
 * Waiting for a newer version: storaged parks the session and sets OWNED_WAITED in the head. A
 * writer keeps the flag when it takes the head, takes it out with the CAS that publishes, and then
 * wakes all waiters. Where nobody waits there is no flag, and a write costs what it did. A writer
 * that dies between its CAS and its WAKE: storaged looks at the head again for the waiters.
 */
#include "lib/client/check.h"
#include "lib/objects/bytes.h"
#include "lib/core/clock.h"
#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/objects/slot.h"
#include "lib/client/renew.h"
#include "proto/layout.h"

#include <errno.h>
#include <string.h>

#define BATCH          64   /* operations of one value under way at once */
#define GUESS_BYTES    4096 /* read along with the first look at a slot */
#define BACKOFF_MAX_NS (DSO_MILLISECOND / 2)

struct dso_register {
	struct object object;
	uint64_t capacity;
	uint64_t head_seen; /* the last head that was loaded */
	size_t length_seen; /* the last length that was read */
};

static uint64_t slot_offset(const struct dso_register *reg, uint64_t version)
{
	return reg->object.offset + REGISTER_SLOT_OFFSET(version % 2, reg->capacity);
}

static struct op head_op(const struct dso_register *reg, uint8_t opcode, uint64_t operand,
			 uint64_t swap)
{
	return (struct op){.opcode = opcode,
			   .length_bytes = 8,
			   .offset = reg->object.offset + REGISTER_HEAD_OFFSET,
			   .operand = operand,
			   .swap = swap};
}

/* CAS of the head. Returns 0 when it was swapped, 1 when it held something else (which is now in
 * head_seen), or a negative errno. */
static int swap_head(struct dso_register *reg, uint64_t expected, uint64_t value)
{
	struct op op = head_op(reg, DATA_CAS, expected, value);
	int r = session_execute_one(&reg->object, &op);

	if (r)
		return r;
	reg->head_seen = op.value == expected ? value : op.value;
	return op.value != expected;
}

/* That somebody waits for a newer version. */
static uint64_t head_flags(const struct dso_register *reg)
{
	return reg->head_seen & OWNED_WAITED;
}

static int load_head(struct dso_register *reg)
{
	struct op op = head_op(reg, DATA_FAA, 0, 0);
	int r = session_execute_one(&reg->object, &op);

	if (r == 0)
		reg->head_seen = op.value;
	return r;
}

/* ---- reading ---- */

static bool slot_header_holds(const struct dso_register *reg, const struct register_slot *slot,
			      uint64_t version)
{
	return le64_get(slot->version) == version &&
	       le64_get(slot->length_bytes) <= reg->capacity &&
	       le64_get(slot->header_checksum) == slot_checksum(slot);
}

/* Load the head, and in the same batch the slot that it most likely names, with @guess_bytes of the
 * value. */
static int read_head_and_slot(struct dso_register *reg, struct register_slot *slot, uint8_t *buffer,
			      size_t guess_bytes, uint64_t *ret_slot_version)
{
	uint64_t guess = owned_word_token(reg->head_seen);
	uint64_t offset = slot_offset(reg, guess);
	struct op ops[3] = {
		head_op(reg, DATA_FAA, 0, 0),
		{.opcode = DATA_READ,
		 .length_bytes = sizeof *slot,
		 .offset = offset,
		 .buffer = slot},
		{.opcode = DATA_READ,
		 .length_bytes = (uint32_t)guess_bytes,
		 .offset = offset + sizeof *slot,
		 .buffer = buffer},
	};
	int r = session_execute(&reg->object, ops, guess_bytes ? 3 : 2);

	if (r)
		return r;
	reg->head_seen = ops[0].value;
	*ret_slot_version = guess;
	return 0;
}

static int read_bytes(struct dso_register *reg, uint64_t offset, void *buffer, size_t length_bytes)
{
	return bytes_transfer(&reg->object, DATA_READ, offset, buffer, length_bytes);
}

/*
 * One attempt. Returns 0; 1 when what was read is not the version that the head named; -EMSGSIZE;
 * or a negative errno. @buffer NULL: only length and version are wanted.
 */
static int try_read(struct dso_register *reg, uint8_t *buffer, size_t buffer_bytes,
		    size_t *ret_length, uint64_t *ret_version)
{
	size_t have = reg->length_seen > GUESS_BYTES ? reg->length_seen : GUESS_BYTES;
	struct register_slot slot;
	uint64_t version, guess;
	size_t length;
	int r;

	have = have < reg->capacity ? have : reg->capacity;
	have = have < buffer_bytes ? have : buffer_bytes;
	have = have < DATA_TRANSFER_BYTES_MAX ? have : DATA_TRANSFER_BYTES_MAX;
	have = buffer ? have : 0;
	r = read_head_and_slot(reg, &slot, buffer, have, &guess);
	if (r)
		return r;
	version = *ret_version = owned_word_token(reg->head_seen);
	*ret_length = 0;
	if (version == 0)
		return 0;
	if (version % 2 != guess % 2) {
		/* The other slot is current: one more round trip. */
		r = read_bytes(reg, slot_offset(reg, version), &slot, sizeof slot);
		if (r)
			return r;
		have = 0;
	}
	if (!slot_header_holds(reg, &slot, version))
		return 1;
	length = *ret_length = le64_get(slot.length_bytes);
	if (!buffer)
		return 0;
	if (length > buffer_bytes)
		return -EMSGSIZE;
	if (length > have) {
		r = read_bytes(reg, slot_offset(reg, version) + sizeof slot + have, buffer + have,
			       length - have);
		if (r)
			return r;
	}
	reg->length_seen = length;
	return slot_value_checksum(buffer, length, version) != le64_get(slot.checksum);
}

static int read_value(struct dso_register *reg, void *buffer, size_t buffer_bytes,
		      size_t *ret_length, uint64_t *ret_version)
{
	int64_t deadline_ns = clock_now_ns() + reg->object.session->timeout_ns;
	uint64_t failed_version = 0;
	int r;

	while ((r = try_read(reg, buffer, buffer_bytes, ret_length, ret_version)) == 1) {
		/* A slot is overwritten only after the head has moved on. The head names the same
		 * version as at the last failed attempt, so it had not moved on: what lies in the
		 * slot is no value. */
		if (*ret_version == failed_version)
			return -EBADMSG;
		failed_version = *ret_version;
		if (clock_now_ns() > deadline_ns)
			return -ETIMEDOUT;
	}
	return r;
}

/* read_value for a session that has not claimed the register: a renewed session may try it
 * again. */
static int read_safely(struct dso_register *reg, void *buffer, size_t buffer_bytes,
		       size_t *ret_length, uint64_t *ret_version)
{
	int r = read_value(reg, buffer, buffer_bytes, ret_length, ret_version);

	if (renewed(reg->object.session, r))
		r = read_value(reg, buffer, buffer_bytes, ret_length, ret_version);
	return r;
}

/* ---- waiting ---- */

/* Read as read_value, once the version is newer than @newer_than. */
static int wait_for(struct dso_register *reg, uint64_t newer_than, void *buffer,
		    size_t buffer_bytes, int64_t deadline_ns, size_t *ret_length,
		    uint64_t *ret_version)
{
	struct park park = {.offset = REGISTER_HEAD_OFFSET,
			    .expected = newer_than,
			    .until = CONTROL_WAIT_NEWER,
			    .flags = OWNED_WAITED};
	struct spin spin = spin_begin(reg->object.session, deadline_ns);
	uint64_t nothing;

	for (;;) {
		int r = load_head(reg);

		if (r)
			return r;
		if (owned_word_token(reg->head_seen) > newer_than)
			return read_value(reg, buffer, buffer_bytes, ret_length, ret_version);
		if (spin_on(&spin, &reg->object, REGISTER_HEAD_OFFSET, reg->head_seen))
			continue;
		park.again = spin.parked;
		spin.parked = true;
		r = futex_park(&reg->object, &park, deadline_ns, &nothing);
		if (r)
			return r;
	}
}

/* ---- writing ---- */

static void back_off(int64_t *wait_ns)
{
	struct timespec pause = {.tv_nsec = *wait_ns};

	nanosleep(&pause, NULL);
	*wait_ns = *wait_ns * 2 < BACKOFF_MAX_NS ? *wait_ns * 2 : BACKOFF_MAX_NS;
}

/*
 * Take the head for writing; where @expected is not NULL only at that version. Returns 0 with the
 * current version in *ret_version; -EAGAIN, also with it, when it is not *expected; -EOVERFLOW (no
 * version can follow); -ETIMEDOUT; or another errno.
 */
static int claim(struct dso_register *reg, const uint64_t *expected, uint64_t *ret_version)
{
	struct dso_session *session = reg->object.session;
	int64_t deadline_ns = 0, wait_ns = 1000;
	bool looked = false;
	int r;

	for (;;) {
		uint64_t version = owned_word_token(reg->head_seen), flags;

		*ret_version = version;
		if (looked && expected && version != *expected)
			return -EAGAIN;
		if (expected && !looked)
			version = *expected;
		if (version >= DSO_REGISTER_VERSION_MAX) {
			/* It is no version, or it is the last one: the head says which. */
			if (looked)
				return -EOVERFLOW;
			r = load_head(reg);
			if (r)
				return r;
			looked = true;
			continue;
		}
		flags = version == owned_word_token(reg->head_seen) ? head_flags(reg) : 0;
		r = swap_head(reg, owned_word(version, 0) | flags,
			      owned_word(version, session->owner) | flags);
		if (r <= 0) {
			*ret_version = version;
			return r;
		}
		looked = true;
		if (deadline_ns == 0)
			deadline_ns = clock_now_ns() + session->timeout_ns;
		else if (clock_now_ns() > deadline_ns)
			return -ETIMEDOUT;
		if (owned_word_owner(reg->head_seen))
			back_off(&wait_ns);
	}
}

/* Whether this session has the head, as it was last seen, at @version. */
static bool has_head(const struct dso_register *reg, uint64_t version)
{
	return owned_word_token(reg->head_seen) == version &&
	       owned_word_owner(reg->head_seen) == reg->object.session->owner;
}

/* Let the head go without a new version. Whoever waits still does. */
static int give_back(struct dso_register *reg, uint64_t version)
{
	int r = 1;

	/* The second try is for one who has begun to wait since the head was seen. */
	for (unsigned tries = 0; tries < 2 && r == 1 && has_head(reg, version); tries++)
		r = swap_head(reg, reg->head_seen, owned_word_without_owner(reg->head_seen));
	return r;
}

/* Write @version into its slot and publish it, in one ordered stream. This session has the head. */
static int publish(struct dso_register *reg, uint64_t version, const void *value,
		   size_t length_bytes)
{
	uint64_t mine = owned_word(version - 1, reg->object.session->owner) | head_flags(reg);
	struct register_slot slot = {
		.version = le64_of(version),
		.length_bytes = le64_of(length_bytes),
		.checksum = le64_of(slot_value_checksum(value, length_bytes, version)),
	};
	uint64_t offset = slot_offset(reg, version);
	struct op ops[BATCH];
	unsigned count = 0;
	uint8_t *at = (uint8_t *)(uintptr_t)value;
	int r;

	slot.header_checksum = le64_of(slot_checksum(&slot));
	ops[count++] = (struct op){.opcode = DATA_WRITE,
				   .length_bytes = sizeof slot,
				   .offset = offset,
				   .buffer = &slot};
	offset += sizeof slot;
	while (length_bytes) {
		uint32_t part = length_bytes < DATA_TRANSFER_BYTES_MAX ? (uint32_t)length_bytes
								       : DATA_TRANSFER_BYTES_MAX;

		ops[count++] = (struct op){
			.opcode = DATA_WRITE, .length_bytes = part, .offset = offset, .buffer = at};
		at += part, offset += part, length_bytes -= part;
		if (count == BATCH - 1 && length_bytes) {
			r = session_execute(&reg->object, ops, count);
			if (r)
				return r == -ENOTCONN ? -ECONNRESET : r;
			count = 0;
		}
	}
	ops[count] = head_op(reg, DATA_CAS, mine, owned_word(version, 0));
	r = session_execute(&reg->object, ops, count + 1);
	if (r == 0 && ops[count].value != mine) {
		/* Somebody has begun to wait meanwhile. One who waits more makes no difference. */
		reg->head_seen = mine = ops[count].value;
		r = has_head(reg, version - 1) ? swap_head(reg, mine, owned_word(version, 0)) : 1;
	}
	/* This session has the head until it lets it go; only storaged takes it away, from a
	 * session that is over. */
	if (r)
		return r == -ENOTCONN ? -ECONNRESET : r == 1 ? -ESHUTDOWN : r;
	reg->head_seen = owned_word(version, 0);
	return mine & OWNED_WAITED ? futex_wake_all(&reg->object, REGISTER_HEAD_OFFSET) : 0;
}

static int write_value(struct dso_register *reg, const uint64_t *expected, const void *value,
		       size_t length_bytes, uint64_t *ret_version)
{
	uint64_t version;
	int r;

	if (length_bytes > reg->capacity)
		return -EMSGSIZE;
	r = claim(reg, expected, &version);
	if (r == 0)
		r = publish(reg, ++version, value, length_bytes);
	if ((r == 0 || r == -EAGAIN) && ret_version)
		*ret_version = version;
	return r;
}

/* ---- the public form ---- */

static int fail(struct dso_register *reg, const char *verb, int error, size_t length_bytes,
		size_t most)
{
	struct object *object = &reg->object;

	if (error == -EMSGSIZE)
		return session_fail(object->session, error,
				    "register %s %s at %s: %zu bytes, at most %zu", object->name,
				    verb, object->session->url, length_bytes, most);
	if (error == -EAGAIN)
		return session_fail(object->session, error,
				    "register %s %s at %s: the version is another", object->name,
				    verb, object->session->url);
	return object_fail(object, verb, error);
}

int dso_register_open(struct dso_session *session, const char *name,
		      const struct dso_register_params *params, struct dso_register **ret_register)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_REGISTER,
		.unwanted = !ret_register,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_register *reg;
	int r;

	if (params)
		request.parameters[REGISTER_PARAMETER_CAPACITY] = params->capacity_bytes;
	r = object_open(session, name, &request, sizeof *reg, &reg);
	if (r)
		return r;
	reg->capacity = reg->object.parameters[REGISTER_PARAMETER_CAPACITY];
	*ret_register = reg;
	return 0;
}

void dso_register_close(struct dso_register *reg)
{
	INSIDE(check_session(reg));

	object_close((struct object *)reg);
}

int dso_register_get(struct dso_register *reg, void *buffer, size_t buffer_bytes,
		     size_t *ret_length, uint64_t *ret_version)
{
	INSIDE_OF(reg);
	uint64_t version = 0;
	uint8_t none;
	size_t length = 0;
	int r = read_safely(reg, buffer ? buffer : &none, buffer ? buffer_bytes : 0, &length,
			    &version);

	if ((r == 0 || r == -EMSGSIZE) && ret_length)
		*ret_length = length;
	if ((r == 0 || r == -EMSGSIZE) && ret_version)
		*ret_version = version;
	return r ? fail(reg, "get", r, length, buffer_bytes) : 0;
}

static int fail_wait(struct dso_register *reg, int64_t timeout, int error, size_t length_bytes,
		     size_t most)
{
	return error == -EMSGSIZE ? fail(reg, "wait", error, length_bytes, most)
				  : object_fail_wait(&reg->object, "wait", timeout, error);
}

int dso_register_wait(struct dso_register *reg, uint64_t newer_than, void *buffer,
		      size_t buffer_bytes, int64_t timeout, size_t *ret_length,
		      uint64_t *ret_version)
{
	INSIDE_OF(reg);
	uint64_t version;
	size_t length = 0;
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0 && newer_than >= DSO_REGISTER_VERSION_MAX)
		return object_refuse(&reg->object, "wait", -EINVAL, "no version is newer than %llu",
				     (unsigned long long)newer_than);
	if (r == 0)
		r = wait_for(reg, newer_than, buffer, buffer_bytes, deadline_ns, &length, &version);
	if ((r == 0 || r == -EMSGSIZE) && ret_length)
		*ret_length = length;
	if ((r == 0 || r == -EMSGSIZE) && ret_version)
		*ret_version = version;
	return r ? fail_wait(reg, timeout, r, length, buffer_bytes) : 0;
}

int dso_register_set(struct dso_register *reg, const void *value, size_t length_bytes,
		     uint64_t *ret_version)
{
	INSIDE_OF(reg);
	int r = write_value(reg, NULL, value, length_bytes, ret_version);

	return r ? fail(reg, "set", r, length_bytes, reg->capacity) : 0;
}

int dso_register_set_if_version(struct dso_register *reg, uint64_t expected, const void *value,
				size_t length_bytes, uint64_t *ret_version)
{
	INSIDE_OF(reg);
	int r = write_value(reg, &expected, value, length_bytes, ret_version);

	return r ? fail(reg, "set_if_version", r, length_bytes, reg->capacity) : 0;
}

int dso_register_exchange(struct dso_register *reg, const void *value, size_t length_bytes,
			  void *buffer, size_t buffer_bytes, size_t *ret_length,
			  uint64_t *ret_version)
{
	INSIDE_OF(reg);
	uint64_t version, old_version;
	size_t length = 0;
	uint8_t none;
	int r, s;

	if (length_bytes > reg->capacity)
		return fail(reg, "exchange", -EMSGSIZE, length_bytes, reg->capacity);
	r = claim(reg, NULL, &version);
	if (r)
		return fail(reg, "exchange", r, 0, 0);
	/* No other session can change it now. */
	r = read_value(reg, buffer ? buffer : &none, buffer ? buffer_bytes : 0, &length,
		       &old_version);
	if (r) {
		s = give_back(reg, version);
		if (r == -EMSGSIZE && ret_length)
			*ret_length = length;
		if (r == -EMSGSIZE && ret_version)
			*ret_version = old_version;
		return fail(reg, "exchange", s < 0 ? s : r, length, buffer_bytes);
	}
	r = publish(reg, version + 1, value, length_bytes);
	if (r)
		return fail(reg, "exchange", r, 0, 0);
	if (ret_length)
		*ret_length = length;
	if (ret_version)
		*ret_version = version + 1;
	return 0;
}

int dso_register_version(struct dso_register *reg, uint64_t *ret_version)
{
	INSIDE_OF(reg);
	int r = load_head(reg);

	if (renewed(reg->object.session, r))
		r = load_head(reg);
	if (r)
		return fail(reg, "version", r, 0, 0);
	if (ret_version)
		*ret_version = owned_word_token(reg->head_seen);
	return 0;
}

int dso_register_size(struct dso_register *reg, size_t *ret_length)
{
	INSIDE_OF(reg);
	uint64_t version;
	size_t length;
	int r = read_safely(reg, NULL, 0, &length, &version);

	if (r)
		return fail(reg, "size", r, 0, 0);
	if (ret_length)
		*ret_length = length;
	return 0;
}

uint64_t dso_register_capacity(const struct dso_register *reg)
{
	return reg->capacity;
}
