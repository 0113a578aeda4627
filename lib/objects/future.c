/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A future is an owned word and a slot. Who sets it takes the word, writes the slot, and gives the word
 * back with OWNED_DONE. One that ends in between, or after it has promised to set it, is taken out by
 * storaged, which leaves OWNED_DIED: the promise is broken.
 */
#include "lib/check.h"
#include "lib/objects/bytes.h"
#include "lib/objects/object.h"
#include "lib/objects/owned.h"
#include "lib/objects/word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SETTLED (OWNED_DONE | OWNED_DIED)
#define VERSION 1 /* of a slot, which is one of a register's that is written once */

struct dso_future {
	struct object object;
	uint64_t capacity;
	uint64_t word; /* as it was last seen */
	bool mine;     /* promised */
};

int dso_future_open(struct dso_session *session, const char *name,
		    const struct dso_future_params *params, struct dso_future **ret_future)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_FUTURE, .unwanted = !ret_future, .given = params != NULL};
	struct dso_future *future;
	int r;

	if (params) {
		if (params->capacity_bytes > DSO_FUTURE_BYTES_MAX || params->reserved)
			return session_fail(
				session, -EINVAL,
				"cannot open future %s: its capacity is 1 to %llu bytes", name,
				(unsigned long long)DSO_FUTURE_BYTES_MAX);
		request.parameters[FUTURE_PARAMETER_CAPACITY] = params->capacity_bytes;
	}
	r = object_open(session, name, &request, sizeof *future, &future);
	if (r)
		return r;
	future->capacity = future->object.parameters[FUTURE_PARAMETER_CAPACITY];
	*ret_future = future;
	return 0;
}

/* A promise that is taken back is a broken one. */
void dso_future_close(struct dso_future *future)
{
	INSIDE(check_session(future));

	if (future && future->mine)
		owned_give(&future->object, FUTURE_WORD_OFFSET, &future->word, 0, OWNED_DIED,
			   OWNED_WAKE_ALL, NULL);
	object_close((struct object *)future);
}

/* ---- setting ---- */

static int promise(struct dso_future *future)
{
	int r = 0;

	if (!future->mine)
		r = owned_take(&future->object, FUTURE_WORD_OFFSET, &future->word, SETTLED, NULL,
			       0);
	/* Another one has promised it, and will be first. */
	if (r == -ETIMEDOUT)
		r = -EALREADY;
	future->mine |= r == 0;
	return r;
}

static uint64_t slot_checksum(const struct register_slot *slot)
{
	return XXH3_64bits(slot, offsetof(struct register_slot, header_checksum));
}

static int write_slot(struct dso_future *future, const void *value, size_t length_bytes)
{
	uint64_t offset = future->object.offset + FUTURE_SLOT_OFFSET;
	struct register_slot slot = {
		.version = le64_of(VERSION),
		.length_bytes = le64_of(length_bytes),
		.checksum = le64_of(XXH3_64bits_withSeed(value, length_bytes, VERSION)),
	};
	int r;

	slot.header_checksum = le64_of(slot_checksum(&slot));
	r = bytes_transfer(&future->object, DATA_WRITE, offset, &slot, sizeof slot);
	/* A WRITE's buffer is only read: struct op has one pointer for both directions. */
	return r ? r
		 : bytes_transfer(&future->object, DATA_WRITE, offset + sizeof slot,
				  (void *)(uintptr_t)value, length_bytes);
}

static int settle(struct dso_future *future, const void *value, size_t length_bytes, uint64_t flags)
{
	int r = length_bytes > future->capacity ? -EMSGSIZE : promise(future);

	if (r == 0)
		r = write_slot(future, value, length_bytes);
	if (r)
		return r;
	future->mine = false;
	return owned_give(&future->object, FUTURE_WORD_OFFSET, &future->word, 0, flags,
			  OWNED_WAKE_ALL, NULL);
}

int dso_future_promise(struct dso_future *future)
{
	INSIDE_OF(future);
	int r = promise(future);

	return r ? object_fail(&future->object, "promise", r) : 0;
}

int dso_future_set(struct dso_future *future, const void *value, size_t length_bytes)
{
	INSIDE_OF(future);
	int r = settle(future, value, length_bytes, OWNED_DONE);

	return r ? object_fail(&future->object, "set", r) : 0;
}

int dso_future_set_error(struct dso_future *future, const char *sentence)
{
	INSIDE_OF(future);
	size_t length_bytes = strlen(sentence);
	int r;

	if (length_bytes > future->capacity)
		length_bytes = future->capacity;
	r = settle(future, sentence, length_bytes, OWNED_DONE | OWNED_ERROR);
	return r ? object_fail(&future->object, "set_error", r) : 0;
}

/* ---- getting ---- */

/* Nobody may have promised it yet: what is waited for is any other value. Returns 0: look again. */
static int wait_for_change(struct dso_future *future, struct spin *spin, int64_t deadline_ns)
{
	struct object *object = &future->object;
	int r;

	if (!(future->word & OWNED_WAITED) &&
	    spin_on(spin, object, FUTURE_WORD_OFFSET, future->word))
		return 0;
	r = word_flag(object, FUTURE_WORD_OFFSET, OWNED_WAITED, &future->word);
	if (r)
		return r == -EAGAIN ? 0 : r;
	return futex_wait(object, FUTURE_WORD_OFFSET, future->word, deadline_ns);
}

static int wait_until_settled(struct dso_future *future, int64_t deadline_ns)
{
	struct spin spin = spin_begin(future->object.session, deadline_ns);
	struct object *object = &future->object;
	int r = 0;

	/* What is settled stays as it is. */
	while (r == 0 && !(future->word & SETTLED)) {
		r = word_load(object, FUTURE_WORD_OFFSET, &future->word);
		if (r == 0 && !(future->word & SETTLED))
			r = wait_for_change(future, &spin, deadline_ns);
	}
	if (r == 0 && !(future->word & OWNED_DONE))
		r = -EOWNERDEAD;
	return r;
}

static int read_slot(struct dso_future *future, void *buffer, size_t buffer_bytes,
		     size_t *ret_length)
{
	uint64_t offset = future->object.offset + FUTURE_SLOT_OFFSET;
	struct register_slot slot;
	int r = bytes_transfer(&future->object, DATA_READ, offset, &slot, sizeof slot);

	if (r)
		return r;
	if (le64_get(slot.version) != VERSION || le64_get(slot.length_bytes) > future->capacity ||
	    le64_get(slot.header_checksum) != slot_checksum(&slot))
		return -EBADMSG;
	*ret_length = le64_get(slot.length_bytes);
	if (*ret_length > buffer_bytes)
		return -EMSGSIZE;
	r = bytes_transfer(&future->object, DATA_READ, offset + sizeof slot, buffer, *ret_length);
	if (r == 0 && XXH3_64bits_withSeed(buffer, *ret_length, VERSION) != le64_get(slot.checksum))
		r = -EBADMSG;
	return r;
}

/* Leave the sentence that the future was set to, and return -EREMOTEIO. */
static int tell_error(struct dso_future *future)
{
	char sentence[256];
	size_t length = 0;
	int r = read_slot(future, sentence, sizeof sentence - 1, &length);

	if (r == -EMSGSIZE)
		length = 0;
	else if (r)
		return object_fail(&future->object, "get", r);
	return session_fail(future->object.session, -EREMOTEIO, "future %s get at %s: %.*s",
			    future->object.name, future->object.session->url,
			    length ? (int)length : 28,
			    length ? sentence : "it was set to a long error");
}

int dso_future_get(struct dso_future *future, void *buffer, size_t buffer_bytes, int64_t timeout,
		   size_t *ret_length)
{
	INSIDE_OF(future);
	int64_t deadline_ns;
	size_t length = 0;
	uint8_t none;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0)
		r = wait_until_settled(future, deadline_ns);
	if (r == 0 && future->word & OWNED_ERROR)
		return tell_error(future);
	if (r == 0)
		r = read_slot(future, buffer ? buffer : &none, buffer ? buffer_bytes : 0, &length);
	if ((r == 0 || r == -EMSGSIZE) && ret_length)
		*ret_length = length;
	return r ? object_fail(&future->object, "get", r) : 0;
}

int dso_future_is_done(struct dso_future *future, int *ret_done)
{
	INSIDE_OF(future);
	int r = future->word & SETTLED
			? 0
			: word_load(&future->object, FUTURE_WORD_OFFSET, &future->word);

	if (r)
		return object_fail(&future->object, "is_done", r);
	if (ret_done)
		*ret_done = (future->word & SETTLED) != 0;
	return 0;
}
