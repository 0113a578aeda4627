/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"
#include "lib/objects/event.h"
#include "lib/objects/object.h"
#include "lib/objects/owned.h"
#include "lib/objects/word.h"

#include <errno.h>
#include <stdlib.h>

struct dso_semaphore {
	struct object object;
	uint32_t permits;
	uint32_t held_count;
	uint32_t *held;  /* indices of the permits that this handle has */
	uint64_t *words; /* of all permits, as they were last seen */
	struct courtesy courtesy;
};

int dso_semaphore_open(struct dso_session *session, const char *name,
		       const struct dso_semaphore_params *params,
		       struct dso_semaphore **ret_semaphore)
{
	struct open_request request = {.type = OBJECT_SEMAPHORE, .given = params != NULL};
	struct dso_semaphore *semaphore;
	int r;

	if (params) {
		if (params->permits > DSO_SEMAPHORE_PERMITS_MAX || params->reserved)
			return session_fail(
				session, -EINVAL,
				"cannot open semaphore %s: it has 1 to %d permits, not %u", name,
				DSO_SEMAPHORE_PERMITS_MAX, params->permits);
		request.parameters[SEMAPHORE_PARAMETER_PERMITS] = params->permits;
	}
	r = object_open(session, name, &request, sizeof *semaphore, &semaphore);
	if (r)
		return r;
	semaphore->permits = (uint32_t)semaphore->object.parameters[SEMAPHORE_PARAMETER_PERMITS];
	semaphore->words =
		calloc(semaphore->permits, sizeof *semaphore->words + sizeof *semaphore->held);
	semaphore->held = (uint32_t *)(semaphore->words + semaphore->permits);
	semaphore->object.memory = semaphore->words;
	if (!semaphore->words) {
		dso_semaphore_close(semaphore);
		return session_fail(session, -ENOMEM, "cannot open semaphore %s: out of memory",
				    name);
	}
	*ret_semaphore = semaphore;
	return 0;
}

/* ---- permits ---- */

/* Read all of them, as hints. Returns how many look free. */
static int look(struct dso_semaphore *semaphore, uint32_t *ret_free)
{
	struct op op = {.opcode = DATA_READ,
			.length_bytes = semaphore->permits * 8,
			.offset = semaphore->object.offset + SEMAPHORE_PERMIT_OFFSET(0),
			.buffer = semaphore->words};
	int r = session_execute_one(&semaphore->object, &op);

	*ret_free = 0;
	for (uint32_t i = 0; r == 0 && i < semaphore->permits; i++)
		*ret_free += owned_word_owner(semaphore->words[i]) == 0;
	return r;
}

/* Take permit @index, if it is as it was seen. Returns whether it is this handle's, or an error. */
static int take(struct dso_semaphore *semaphore, uint32_t index)
{
	uint64_t seen = semaphore->words[index], before;
	uint64_t mine = owned_word(owned_word_token(seen) + 1, semaphore->object.session->owner);
	int r = word_cas(&semaphore->object, SEMAPHORE_PERMIT_OFFSET(index), seen, mine, &before);

	if (r)
		return r;
	semaphore->words[index] = before == seen ? mine : before;
	if (before != seen)
		return 0;
	semaphore->held[semaphore->held_count++] = index;
	return 1;
}

/*
 * Take @count of those that look free, or as many as there are before it is seen that there are not enough.
 * Who wants one begins at one that depends on the session, not to meet others there. Who wants several goes
 * from the first on as all of those do: then of any two the one who is behind sees it and steps back, and
 * they do not both.
 */
static int take_free(struct dso_semaphore *semaphore, uint32_t count, uint32_t *ret_taken)
{
	uint32_t permits = semaphore->permits, i = 0;
	uint32_t first = count == 1 ? semaphore->object.session->owner % permits : 0;

	for (*ret_taken = 0; *ret_taken < count && *ret_taken + permits - i >= count; i++) {
		uint32_t index = (first + i) % permits;
		int r = owned_word_owner(semaphore->words[index]) ? 0 : take(semaphore, index);

		if (r < 0)
			return r;
		*ret_taken += (uint32_t)r;
	}
	return 0;
}

/* Give the newest @count permits of this handle back, without telling anybody. */
static int give(struct dso_semaphore *semaphore, uint32_t count)
{
	while (count--) {
		uint32_t index = semaphore->held[--semaphore->held_count];
		uint64_t mine = semaphore->words[index], before;
		int r = word_cas(&semaphore->object, SEMAPHORE_PERMIT_OFFSET(index), mine,
				 owned_word(owned_word_token(mine), 0), &before);

		if (r || before != mine)
			return r ? r : -EPERM;
	}
	return 0;
}

static struct event event_of(struct dso_semaphore *semaphore)
{
	return (struct event){&semaphore->object, SEMAPHORE_EVENT_OFFSET};
}

/* Permits came back: wake who waits for them. */
static int announce(struct dso_semaphore *semaphore, uint32_t count)
{
	struct event event = event_of(semaphore);
	uint64_t waiters;
	int r = event_raise(&event, &waiters);

	if (r || waiters == 0)
		return r;
	/* Somebody who wants several may not be satisfied by what is there, and another one be. */
	if (waiters >= SEMAPHORE_MANY)
		count = FUTEX_ALL;
	courtesy_count(&semaphore->courtesy);
	return futex_wake(&semaphore->object, SEMAPHORE_EVENT_OFFSET, count);
}

/* ---- acquire and release ---- */

/* Take @count or none. Returns 0, -EAGAIN (there are not as many), or an error. */
static int try(struct dso_semaphore *semaphore, uint32_t count)
{
	uint32_t free, taken;
	int r = look(semaphore, &free);

	if (r || free < count)
		return r ? r : -EAGAIN;
	r = take_free(semaphore, count, &taken);
	if (r || taken == count)
		return r;
	r = give(semaphore, taken);
	if (r == 0 && taken)
		r = announce(semaphore, taken);
	return r ? r : -EAGAIN;
}

static int wait_and_try(struct dso_semaphore *semaphore, uint32_t count, int64_t deadline_ns)
{
	struct event event = event_of(semaphore);
	struct spin spin = spin_begin(semaphore->object.session, deadline_ns);
	uint64_t weight = count > 1 ? SEMAPHORE_MANY : 1, seen;
	int r = event_enlist(&event, weight, &seen);

	if (r)
		return r;
	for (;;) {
		r = try(semaphore, count);
		if (r == -EAGAIN)
			r = event_wait(&event, weight, seen, &spin, deadline_ns);
		else
			break;
		/* Before the next look: what comes back after it counts the event up. */
		if (r == 0)
			r = event_count(&event, &seen);
		if (r)
			break;
	}
	return event_leave(&event, weight, r);
}

/* Let one of those who wait be first, for a moment. */
static int let_pass(struct dso_semaphore *semaphore, int64_t deadline_ns)
{
	struct spin spin = courtesy_spin(semaphore->object.session, deadline_ns);
	uint32_t before, free;
	int r = look(semaphore, &before);

	free = before;
	while (r == 0 && free >= before &&
	       spin_on(&spin, &semaphore->object, SEMAPHORE_PERMIT_OFFSET(0), semaphore->words[0]))
		r = look(semaphore, &free);
	return r;
}

static int acquire(struct dso_semaphore *semaphore, uint32_t count, int64_t deadline_ns)
{
	int r = 0;

	if (semaphore->courtesy.due) {
		semaphore->courtesy.due = false;
		r = let_pass(semaphore, deadline_ns);
	}
	if (r == 0)
		r = try(semaphore, count);
	if (r != -EAGAIN)
		return r;
	return clock_now_ns() >= deadline_ns ? -ETIMEDOUT
					     : wait_and_try(semaphore, count, deadline_ns);
}

int dso_semaphore_acquire(struct dso_semaphore *semaphore, uint32_t count, int64_t timeout)
{
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (count < 1 || count > semaphore->permits)
		r = -EINVAL;
	if (r == 0)
		r = acquire(semaphore, count, deadline_ns);
	return r ? object_fail(&semaphore->object, "acquire", r) : 0;
}

int dso_semaphore_release(struct dso_semaphore *semaphore, uint32_t count)
{
	int r = 0;

	if (count < 1 || count > semaphore->held_count)
		r = -EPERM;
	if (r == 0)
		r = give(semaphore, count);
	if (r == 0)
		r = announce(semaphore, count);
	return r ? object_fail(&semaphore->object, "release", r) : 0;
}

int dso_semaphore_available(struct dso_semaphore *semaphore, uint32_t *ret_count)
{
	uint32_t free;
	int r = look(semaphore, &free);

	if (r)
		return object_fail(&semaphore->object, "available", r);
	if (ret_count)
		*ret_count = free;
	return 0;
}

void dso_semaphore_close(struct dso_semaphore *semaphore)
{
	if (!semaphore)
		return;
	if (semaphore->held_count) {
		uint32_t count = semaphore->held_count;

		if (give(semaphore, count) == 0)
			announce(semaphore, count);
	}
	object_close((struct object *)semaphore);
}
