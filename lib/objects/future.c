/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A future is an owned word and a slot. The session that sets the future takes the word, writes the
 * slot, and gives the word back with OWNED_DONE. If it ends in between, or after it has promised to
 * set the future, storaged takes its owner number out of the word and leaves OWNED_DIED: the
 * promise is broken.
 */
#include "lib/client/check.h"
#include "lib/objects/bytes.h"
#include "lib/objects/object.h"
#include "lib/objects/owned.h"
#include "lib/objects/slot.h"
#include "lib/objects/word.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SETTLED (OWNED_DONE | OWNED_DIED)
#define VERSION 1 /* of a slot, which is laid out as a register's and written once */

struct dso_future {
	/* its parameters are as storaged last answered them */
	struct object object;
	uint64_t word; /* as it was last seen */
	bool mine;     /* promised */
};

static bool lose(struct object *object, struct dso_loss *loss)
{
	struct dso_future *future = (struct dso_future *)object;
	bool held = future->mine;

	if (!loss)
		return held;
	loss->role = DSO_HOLDER;
	loss->count = held;
	future->mine = false;
	future->word = 0;
	return held;
}

int dso_future_open(struct dso_session *session, const char *name,
		    const struct dso_future_params *params, struct dso_future **ret_future)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_FUTURE,
		.lose = lose,
		.unwanted = !ret_future,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_future *future;
	int r;

	if (params)
		request.parameters[FUTURE_PARAMETER_CAPACITY] = params->capacity_bytes;
	r = object_open(session, name, &request, sizeof *future, &future);
	if (r)
		return r;
	*ret_future = future;
	return 0;
}

static uint64_t parameter(const struct dso_future *future, unsigned index)
{
	return future->object.parameters[index];
}

/* Ask storaged for the future's parameters, which another session may have decided since this
 * handle was opened. A @capacity other than 0 decides them. Returns 0, -ESTALE, or what opening
 * returns. */
static int ask(struct dso_future *future, uint64_t capacity)
{
	struct object *object = &future->object;
	struct open_request request = {
		.type = OBJECT_FUTURE,
		.lose = lose,
		.given = capacity != 0,
		.is_there = true,
		.parameters[FUTURE_PARAMETER_CAPACITY] = capacity,
	};
	struct dso_future *again;
	int r = object_open(object->session, object->name, &request, sizeof *again, &again);

	if (r)
		return r == -ENOENT || r == -EEXIST ? -ESTALE : r;
	if (again->object.generation == object->generation)
		memcpy(object->parameters, again->object.parameters, sizeof object->parameters);
	else
		r = -ESTALE;
	object_close(&again->object);
	return r;
}

/* Make room for a value of @length_bytes. Returns 0, -EMSGSIZE, or why there is none. */
static int make_room(struct dso_future *future, uint64_t length_bytes)
{
	int r = 0;

	if (length_bytes <= parameter(future, FUTURE_PARAMETER_CAPACITY))
		return 0;
	if (length_bytes > DSO_FUTURE_BYTES_MAX || !parameter(future, FUTURE_PARAMETER_UNDECIDED))
		return -EMSGSIZE;
	r = ask(future, length_bytes);
	/* Another session has decided another capacity meanwhile. */
	if (r == -EINVAL)
		r = ask(future, 0);
	if (r == 0 && length_bytes > parameter(future, FUTURE_PARAMETER_CAPACITY))
		r = -EMSGSIZE;
	return r;
}

/* Where a value of @length_bytes lies, from the beginning of the region; 0: nowhere. The future's
 * own memory may have room for more than its capacity: then the setter opened the future before the
 * capacity was decided. */
static uint64_t place(const struct dso_future *future, uint64_t length_bytes)
{
	if (length_bytes <= parameter(future, FUTURE_PARAMETER_ROOM))
		return future->object.offset + FUTURE_SLOT_OFFSET + sizeof(struct register_slot);
	return length_bytes <= parameter(future, FUTURE_PARAMETER_CAPACITY)
		       ? parameter(future, FUTURE_PARAMETER_ANNEX)
		       : 0;
}

/* To close the handle of a promise breaks the promise. */
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
	/* Another session has promised it, and will be first. */
	if (r == -ETIMEDOUT)
		r = -EALREADY;
	future->mine |= r == 0;
	return r;
}

static int write_slot(struct dso_future *future, const void *value, size_t length_bytes)
{
	uint64_t offset = future->object.offset + FUTURE_SLOT_OFFSET;
	struct register_slot slot = {
		.version = le64_of(VERSION),
		.length_bytes = le64_of(length_bytes),
		.checksum = le64_of(slot_value_checksum(value, length_bytes, VERSION)),
	};
	int r;

	slot.header_checksum = le64_of(slot_checksum(&slot));
	r = bytes_transfer(&future->object, DATA_WRITE, offset, &slot, sizeof slot);
	/* A WRITE's buffer is only read: struct op has one pointer for both directions. */
	return r ? r
		 : bytes_transfer(&future->object, DATA_WRITE, place(future, length_bytes),
				  (void *)(uintptr_t)value, length_bytes);
}

static int settle(struct dso_future *future, const void *value, size_t length_bytes, uint64_t flags)
{
	int r = make_room(future, length_bytes);

	if (r == 0)
		r = promise(future);
	if (r)
		return r;
	/* The future is promised from here on: if this session ends, storaged tells the waiters. */
	r = write_slot(future, value, length_bytes);
	if (r)
		return object_half_done(r);
	r = owned_give(&future->object, FUTURE_WORD_OFFSET, &future->word, 0, flags, OWNED_WAKE_ALL,
		       NULL);
	future->mine = owned_is_kept(r, future->word);
	return object_half_done(r);
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
	size_t length_bytes = sentence ? strlen(sentence) : 0;
	int r = settle(future, sentence, length_bytes, OWNED_DONE | OWNED_ERROR);

	if (r == -EMSGSIZE || r == -ENOSPC)
		r = settle(future, sentence, parameter(future, FUTURE_PARAMETER_CAPACITY),
			   OWNED_DONE | OWNED_ERROR);
	return r ? object_fail(&future->object, "set_error", r) : 0;
}

/* ---- getting ---- */

/* No session may have promised it yet, so wait for any other value. Returns 0: look again. */
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

	/* A settled word never changes again. */
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
	if (le64_get(slot.version) != VERSION ||
	    le64_get(slot.header_checksum) != slot_checksum(&slot))
		return -EBADMSG;
	*ret_length = le64_get(slot.length_bytes);
	if (place(future, *ret_length) == 0 && parameter(future, FUTURE_PARAMETER_UNDECIDED))
		r = ask(future, 0);
	if (r)
		return r;
	if (place(future, *ret_length) == 0)
		return -EBADMSG;
	if (*ret_length > buffer_bytes)
		return -EMSGSIZE;
	r = bytes_transfer(&future->object, DATA_READ, place(future, *ret_length), buffer,
			   *ret_length);
	if (r == 0 && slot_value_checksum(buffer, *ret_length, VERSION) != le64_get(slot.checksum))
		r = -EBADMSG;
	return r;
}

/* Leave the sentence that the future was set to for dso_error(), and return -EREMOTEIO. */
static int tell_error(struct dso_future *future)
{
	struct object *object = &future->object;
	char *sentence = NULL;
	size_t length = 0;
	int r = read_slot(future, NULL, 0, &length);

	if (r == -EMSGSIZE) {
		sentence = malloc(length);
		r = sentence ? read_slot(future, sentence, length, &length) : -ENOMEM;
	}
	r = r ? object_fail(object, "get", r)
	      : session_fail(object->session, -EREMOTEIO, "future %s get at %s: %.*s", object->name,
			     object->session->url, length ? (int)length : INT_MAX,
			     length ? sentence : "it was set to an error without a sentence");
	free(sentence);
	return r;
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
	return r ? object_fail_wait(&future->object, "get", timeout, r) : 0;
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
