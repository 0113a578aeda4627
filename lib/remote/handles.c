/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handles of a session by their numbers, and what happens to them when another session deletes
 * their object. Notices come by thousands: each handle is found at once, one barrier is run for all
 * that came together, and acknowledgements leave in the order in which operations leave, as many as
 * there is room for.
 */
#include "lib/client/handles.h"
#include "lib/core/process_barrier.h"
#include "lib/remote/remote.h"

#include <stdlib.h>

#define BUCKETS_FIRST 64

/* ---- by number ---- */

static struct object **bucket_of(struct remote *remote, uint32_t handle)
{
	/* Fibonacci hashing, because only the low bits of handles count up. */
	return remote->bucket_mask
		       ? &remote->buckets[(handle * 0x9e3779b1u >> 4) & remote->bucket_mask]
		       : &remote->bucket;
}

/* Without memory for more buckets they only become longer. */
static void grow(struct remote *remote)
{
	uint32_t count = remote->bucket_mask ? 2 * (remote->bucket_mask + 1) : BUCKETS_FIRST;
	struct object **buckets = calloc(count, sizeof *buckets);

	if (!buckets)
		return;
	free(remote->buckets);
	remote->buckets = buckets;
	remote->bucket_mask = count - 1;
	for (struct object *object = remote->session->objects; object; object = object->next) {
		struct object **bucket = bucket_of(remote, object->handle);

		object->bucket_next = *bucket;
		*bucket = object;
	}
}

void remote_link(struct remote *remote, struct object *object)
{
	struct object **bucket;

	object_link(object);
	if (++remote->handle_count > remote->bucket_mask) {
		uint32_t before = remote->bucket_mask;

		grow(remote);
		if (remote->bucket_mask != before)
			return;
	}
	bucket = bucket_of(remote, object->handle);
	object->bucket_next = *bucket;
	*bucket = object;
}

static struct object *find(struct remote *remote, uint32_t handle)
{
	struct object *object = *bucket_of(remote, handle);

	while (object && object->handle != handle)
		object = object->bucket_next;
	return object;
}

/* ---- acknowledgements ---- */

static void wait_for_quiescence(struct remote *remote, struct object *object)
{
	object->waits_to_leave = true;
	object->leaving_next = NULL;
	object->leaving_previous = remote->leaving_last;
	if (remote->leaving_last)
		remote->leaving_last->leaving_next = object;
	else
		remote->leaving_first = object;
	remote->leaving_last = object;
}

static void stop_waiting(struct remote *remote, struct object *object)
{
	if (!object->waits_to_leave)
		return;
	object->waits_to_leave = false;
	if (object->leaving_previous)
		object->leaving_previous->leaving_next = object->leaving_next;
	else
		remote->leaving_first = object->leaving_next;
	if (object->leaving_next)
		object->leaving_next->leaving_previous = object->leaving_previous;
	else
		remote->leaving_last = object->leaving_previous;
}

void remote_unlink(struct remote *remote, struct object *object)
{
	struct object **at = bucket_of(remote, object->handle);

	while (*at != object)
		at = &(*at)->bucket_next;
	*at = object->bucket_next;
	remote->handle_count--;
	stop_waiting(remote, object);
	object_unlink(object);
}

void remote_acknowledge(struct remote *remote, struct object *object)
{
	struct control_close close = {.handle = le32_of(object->handle)};

	stop_waiting(remote, object);
	object->acknowledged = true;
	remote_append(remote, CONTROL_CLOSE, REMOTE_NOBODY, &close, sizeof close, NULL, 0);
}

bool remote_quiesce(struct remote *remote)
{
	uint64_t left = atomic_load_explicit(&remote->session->left, memory_order_acquire);

	while (remote->leaving_first && remote->leaving_first->leave_serial <= left &&
	       remote->out_fill <= REMOTE_OUT_BYTES / 2) {
		while (remote->leaving_first && remote->leaving_first->leave_serial <= left &&
		       remote->out_fill <= REMOTE_OUT_BYTES / 2)
			remote_acknowledge(remote, remote->leaving_first);
		remote_send(remote);
	}
	return remote->leaving_first == NULL;
}

/* ---- deletions ---- */

void remote_mark_deleted(struct remote *remote, struct object *object)
{
	if (atomic_load(&object->deleted))
		return;
	object_mark_deleted(object);
	object->leaving_next = remote->marked;
	remote->marked = object;
}

void remote_settle(struct remote *remote)
{
	uint64_t entered;

	if (!remote->marked)
		return;
	/* Without a barrier a deletion is acknowledged when the handle is closed. */
	if (!process_barrier_works()) {
		remote->marked = NULL;
		return;
	}
	/* See session_enter: an operation that does not see the flag after this has its entry
	 * counted here. */
	process_barrier();
	entered = atomic_load_explicit(&remote->session->entered, memory_order_relaxed);
	while (remote->marked) {
		struct object *object = remote->marked;

		remote->marked = object->leaving_next;
		object->leave_serial = entered;
		wait_for_quiescence(remote, object);
	}
	remote_quiesce(remote);
}

void remote_take_deleted(struct remote *remote, uint32_t handle)
{
	struct object *object = find(remote, handle);

	if (object)
		remote_mark_deleted(remote, object);
	else if (handle == remote->opened_handle)
		remote->opened_deleted = true;
}
