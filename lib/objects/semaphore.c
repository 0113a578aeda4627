/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/objects/event.h"
#include "lib/objects/object.h"
#include "lib/objects/owned.h"
#include "lib/objects/word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A waiter that wants several permits takes the turn after so many releases have passed it by. */
#define TURN_RELEASES 64
/* The owner of a turn renews it. A turn that was not renewed for TURN_NS belongs to a frozen
 * session. */
#define TURN_NS       DSO_SECOND
#define TURN_RENEW_NS (TURN_NS / 4)

struct dso_semaphore {
	struct object object;
	uint32_t permits;
	uint32_t held_count;
	uint32_t *held;  /* indices of the permits that this handle has */
	uint64_t *seen;  /* the turn as it was last seen, with the permits after it */
	uint64_t *words; /* all permits */
	/* another session's turn that is respected, and until when if it is not renewed */
	uint64_t respected;
	int64_t respected_until_ns;
	struct courtesy courtesy;
};

static bool lose(struct object *object, struct dso_loss *loss)
{
	struct dso_semaphore *semaphore = (struct dso_semaphore *)object;
	bool held = semaphore->held_count;

	if (!loss)
		return held;
	loss->role = DSO_HOLDER;
	loss->count = semaphore->held_count;
	semaphore->held_count = 0;
	memset(semaphore->words, 0, semaphore->permits * sizeof *semaphore->words);
	return held;
}

int dso_semaphore_open(struct dso_session *session, const char *name,
		       const struct dso_semaphore_params *params,
		       struct dso_semaphore **ret_semaphore)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_SEMAPHORE,
		.lose = lose,
		.unwanted = !ret_semaphore,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_semaphore *semaphore;
	int r;

	if (params)
		request.parameters[SEMAPHORE_PARAMETER_PERMITS] = params->permits;
	r = object_open(session, name, &request, sizeof *semaphore, &semaphore);
	if (r)
		return r;
	semaphore->permits = (uint32_t)semaphore->object.parameters[SEMAPHORE_PARAMETER_PERMITS];
	semaphore->seen =
		calloc(semaphore->permits + 1, sizeof *semaphore->seen + sizeof *semaphore->held);
	semaphore->words = semaphore->seen + 1;
	semaphore->held = (uint32_t *)(semaphore->words + semaphore->permits);
	semaphore->object.memory[0] = semaphore->seen;
	if (!semaphore->seen) {
		dso_semaphore_close(semaphore);
		return session_fail(session, -ENOMEM, "cannot open semaphore %s: out of memory",
				    name);
	}
	*ret_semaphore = semaphore;
	return 0;
}

/* ---- permits ---- */

/* How many permits looked free when they were last seen. */
static uint32_t count_free(const struct dso_semaphore *semaphore)
{
	uint32_t free = 0;

	for (uint32_t i = 0; i < semaphore->permits; i++)
		free += owned_word_owner(semaphore->words[i]) == 0;
	return free;
}

/* Read all permits and the turn, as hints. *ret_free is how many permits look free. */
static int read_permits(struct dso_semaphore *semaphore, uint32_t *ret_free)
{
	struct op op = {.opcode = DATA_READ,
			.length_bytes = (semaphore->permits + 1) * 8,
			.offset = semaphore->object.offset + SEMAPHORE_TURN_OFFSET,
			.buffer = semaphore->seen};
	int r = session_execute_one(&semaphore->object, &op);

	*ret_free = r ? 0 : count_free(semaphore);
	return r;
}

/* Take permit @index, if it still is as it was seen. Returns 1 (taken), 0 (not), or an error. */
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
 * Take @count of the permits that look free, or as many as there are before it is seen that there
 * are not enough. A session that wants one permit begins at one that depends on the session, so
 * that sessions do not meet there. Sessions that want several all begin at the first: then of any
 * two only the one behind sees the other, and only that one steps back.
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

/* Give the newest @count permits of this handle back, without waking anybody. Permits that cannot
 * be given back because the session is over stay with the handle: a renewal reports them. */
static int give(struct dso_semaphore *semaphore, uint32_t count)
{
	for (uint32_t given = 0; given < count; given++) {
		uint32_t index = semaphore->held[semaphore->held_count - 1];
		uint64_t mine = semaphore->words[index], before;
		int r = word_cas(&semaphore->object, SEMAPHORE_PERMIT_OFFSET(index), mine,
				 owned_word(owned_word_token(mine), 0), &before);

		if (owned_is_kept(r, mine))
			return given ? object_half_done(r) : r;
		semaphore->held_count--;
		if (r || before != mine)
			return r ? r : -EPERM;
	}
	return 0;
}

static struct event event_of(struct dso_semaphore *semaphore)
{
	return (struct event){&semaphore->object, SEMAPHORE_EVENT_OFFSET};
}

/* Wake the owner of the turn. An owner that is not parked is about to look, or is frozen. Then the
 * waiters for the @free permits are woken to look at the turn, and wait no longer than the turn
 * lasts. This takes a control round trip, and only while a session has the turn. */
static int wake_turn(struct dso_semaphore *semaphore, uint32_t free)
{
	struct object *object = &semaphore->object;
	uint32_t woken;
	uint64_t before;
	int r = word_add(object, SEMAPHORE_TURN_EVENT_OFFSET, 1, &before);

	if (r == 0)
		r = futex_wake_some(object, SEMAPHORE_TURN_EVENT_OFFSET, 1, &woken);
	if (r == 0 && woken == 0 && free)
		r = futex_wake(object, SEMAPHORE_EVENT_OFFSET, free);
	return object_half_done(r);
}

/* Permits came back while a session waits for several: wake the owner of the turn, or else as many
 * waiters as there are permits for. */
static int announce_to_many(struct dso_semaphore *semaphore)
{
	uint32_t free;
	int r = read_permits(semaphore, &free);

	if (r)
		return r;
	return owned_word_holder(*semaphore->seen)
		       ? wake_turn(semaphore, free)
		       : futex_wake(&semaphore->object, SEMAPHORE_EVENT_OFFSET, free);
}

/* Permits came back: wake the waiters. */
static int announce(struct dso_semaphore *semaphore, uint32_t count)
{
	struct event event = event_of(semaphore);
	uint64_t waiters;
	int r = event_raise(&event, &waiters);

	if (r || waiters == 0)
		return r;
	courtesy_count(&semaphore->courtesy);
	/* There may be too few permits for a waiter that wants several, and enough for another
	 * one. */
	return waiters < SEMAPHORE_MANY
		       ? futex_wake(&semaphore->object, SEMAPHORE_EVENT_OFFSET, count)
		       : announce_to_many(semaphore);
}

/* ---- the turn ---- */

/* Whether the free permits are left to another session, which has the turn. A session that has
 * permits takes more all the same: it may be that no permits come back before it is done. */
static bool is_left_to_another(struct dso_semaphore *semaphore)
{
	uint64_t turn = *semaphore->seen >> 8;
	uint16_t owner = owned_word_holder(*semaphore->seen);
	int64_t now_ns;

	if (owner == 0 || owner == semaphore->object.session->owner || semaphore->held_count)
		return false;
	now_ns = clock_now_ns();
	if (turn != semaphore->respected) {
		semaphore->respected = turn;
		semaphore->respected_until_ns = now_ns + TURN_NS;
	}
	return now_ns < semaphore->respected_until_ns;
}

/* ---- acquire and release ---- */

/* Give back the @taken permits of a try that were too few. */
static int step_back(struct dso_semaphore *semaphore, uint32_t taken)
{
	int r = give(semaphore, taken);

	return r ? r : announce(semaphore, taken);
}

/* Take @count permits or none. Returns 0, -EAGAIN (there are too few), or an error. *ret_free is
 * then how many there are for other sessions. */
static int try(struct dso_semaphore *semaphore, uint32_t count, uint32_t *ret_free)
{
	uint32_t taken, held = semaphore->held_count;
	int r = read_permits(semaphore, ret_free);

	if (r == 0 && is_left_to_another(semaphore))
		*ret_free = 0;
	if (r || *ret_free < count)
		return r ? r : -EAGAIN;
	r = take_free(semaphore, count, &taken);
	if (r == 0 && taken == count)
		return 0;
	*ret_free = taken ? 0 : count_free(semaphore);
	if (r == 0 && taken)
		r = step_back(semaphore, taken);
	/* What a session took that is over comes back with it: no caller has had it. */
	semaphore->held_count = held;
	if (r)
		return taken ? object_half_done(r) : r;
	return -EAGAIN;
}

/* The state of one acquire. */
struct acquisition {
	uint32_t count;
	uint32_t free; /* how many permits were free at the last look: too few */
	bool has_turn;
	uint64_t turn;        /* the word, with it */
	uint64_t first, seen; /* of the event; with the turn, of the turn's */
	uint64_t passed;      /* the event, when this one passed on what was too little for it */
	struct spin spin;
	int64_t deadline_ns;
};

/* An owner that has had the turn for too long may be frozen: then this waiter goes on without the
 * turn. */
static int take_turn(struct dso_semaphore *semaphore, struct acquisition *acquisition)
{
	struct object *object = &semaphore->object;
	int64_t overdue_ns = clock_now_ns() + TURN_NS;
	bool ends = acquisition->deadline_ns <= overdue_ns;
	int r = owned_take(object, SEMAPHORE_TURN_OFFSET, &acquisition->turn, 0, NULL,
			   ends ? acquisition->deadline_ns : overdue_ns);

	acquisition->has_turn = r == 0;
	acquisition->first = acquisition->seen;
	if (r == -ETIMEDOUT && !ends)
		return 0;
	return r ? r : word_load(object, SEMAPHORE_TURN_EVENT_OFFSET, &acquisition->seen);
}

/* Show the others that this session is alive. */
static int renew_turn(struct dso_semaphore *semaphore, struct acquisition *acquisition)
{
	uint64_t before, turn = acquisition->turn;

	acquisition->turn =
		owned_word(owned_word_token(turn) + 1, owned_word_owner(turn)) | (turn & UINT8_MAX);
	for (;;) {
		int r = word_cas(&semaphore->object, SEMAPHORE_TURN_OFFSET, turn, acquisition->turn,
				 &before);

		if (r || before == turn)
			return r;
		/* Another session has set a flag in it. */
		acquisition->turn |= before & UINT8_MAX;
		turn = before;
	}
}

/* Give the turn back, and let the others have what is free. The result of the acquire is kept, also
 * where this fails: then the session is over, which the next call tells, or the semaphore was
 * deleted. */
static void give_turn(struct dso_semaphore *semaphore, struct acquisition *acquisition)
{
	int r = owned_give(&semaphore->object, SEMAPHORE_TURN_OFFSET, &acquisition->turn, 0, 0, 1,
			   NULL);

	acquisition->has_turn = false;
	if (r == 0)
		announce(semaphore, 1);
}

/* Wait until permits come back, with the turn. */
static int wait_in_turn(struct dso_semaphore *semaphore, struct acquisition *acquisition)
{
	int64_t renew_ns = clock_now_ns() + TURN_RENEW_NS;
	bool ends = acquisition->deadline_ns <= renew_ns;
	int r = futex_wait(&semaphore->object, SEMAPHORE_TURN_EVENT_OFFSET, acquisition->seen,
			   ends ? acquisition->deadline_ns : renew_ns);

	if (r == -ETIMEDOUT && !ends)
		r = renew_turn(semaphore, acquisition);
	return r ? r
		 : word_load(&semaphore->object, SEMAPHORE_TURN_EVENT_OFFSET, &acquisition->seen);
}

static uint64_t weight_of(uint32_t count)
{
	return count > 1 ? SEMAPHORE_MANY : 1;
}

/* A waiter that was parked and woken finds too few free permits: they may be enough for others. It
 * passes the wake-up on once for each count of the event; otherwise many waiters would wake each
 * other for ever. Permits that come back later raise the event. */
static int pass_on(struct dso_semaphore *semaphore, struct acquisition *acquisition)
{
	if (!acquisition->spin.parked || acquisition->free == 0 ||
	    acquisition->seen == acquisition->passed)
		return 0;
	acquisition->passed = acquisition->seen;
	return futex_wake(&semaphore->object, SEMAPHORE_EVENT_OFFSET, acquisition->free);
}

/* Wait until permits come back, or the turn of another session is old. */
static int wait_for_permits(struct dso_semaphore *semaphore, struct acquisition *acquisition)
{
	struct event event = event_of(semaphore);
	int64_t until_ns = acquisition->deadline_ns;
	int r = pass_on(semaphore, acquisition);

	if (r)
		return r;
	if (is_left_to_another(semaphore) && semaphore->respected_until_ns < until_ns)
		until_ns = semaphore->respected_until_ns;
	r = event_wait(&event, weight_of(acquisition->count), acquisition->seen,
		       (uint16_t)acquisition->count, &acquisition->spin, until_ns);
	if (r == -ETIMEDOUT && until_ns < acquisition->deadline_ns)
		r = 0;
	/* Before the next look: permits that come back after it raise the count. */
	return r ? r : event_count(&event, &acquisition->seen);
}

static int wait_once(struct dso_semaphore *semaphore, struct acquisition *acquisition)
{
	if (acquisition->has_turn)
		return wait_in_turn(semaphore, acquisition);
	if (acquisition->count > 1 && acquisition->seen - acquisition->first >= TURN_RELEASES)
		return take_turn(semaphore, acquisition);
	return wait_for_permits(semaphore, acquisition);
}

static int wait_and_try(struct dso_semaphore *semaphore, uint32_t count, int64_t deadline_ns)
{
	struct acquisition acquisition = {
		.count = count,
		.spin = spin_begin(semaphore->object.session, deadline_ns),
		.deadline_ns = deadline_ns,
	};
	struct event event = event_of(semaphore);
	int r = event_enlist(&event, weight_of(count), &acquisition.seen);

	if (r)
		return r;
	acquisition.first = acquisition.passed = acquisition.seen;
	do {
		r = try(semaphore, count, &acquisition.free);
		if (r != -EAGAIN)
			break;
		r = wait_once(semaphore, &acquisition);
	} while (r == 0);
	if (acquisition.has_turn)
		give_turn(semaphore, &acquisition);
	return event_leave(&event, weight_of(count), r);
}

/* Let a waiter be first, for a moment. */
static int let_pass(struct dso_semaphore *semaphore, int64_t deadline_ns)
{
	struct spin spin = courtesy_spin(semaphore->object.session, deadline_ns);
	uint32_t before, free;
	int r = read_permits(semaphore, &before);

	free = before;
	while (r == 0 && free >= before &&
	       spin_on(&spin, &semaphore->object, SEMAPHORE_PERMIT_OFFSET(0), semaphore->words[0]))
		r = read_permits(semaphore, &free);
	return r;
}

static int acquire(struct dso_semaphore *semaphore, uint32_t count, int64_t deadline_ns)
{
	uint32_t free;
	int r = 0;

	if (semaphore->courtesy.due) {
		semaphore->courtesy.due = false;
		r = let_pass(semaphore, deadline_ns);
	}
	if (r == 0)
		r = try(semaphore, count, &free);
	if (r != -EAGAIN)
		return r;
	return clock_now_ns() >= deadline_ns ? -ETIMEDOUT
					     : wait_and_try(semaphore, count, deadline_ns);
}

int dso_semaphore_acquire(struct dso_semaphore *semaphore, uint32_t count, int64_t timeout)
{
	INSIDE_OF(semaphore);
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (count < 1 || count > semaphore->permits)
		return object_refuse(&semaphore->object, "acquire", -EINVAL,
				     "count: %u asked, 1 to %u are allowed, which are its permits",
				     count, semaphore->permits);
	if (r == 0)
		r = acquire(semaphore, count, deadline_ns);
	return r ? object_fail_wait(&semaphore->object, "acquire", timeout, r) : 0;
}

int dso_semaphore_release(struct dso_semaphore *semaphore, uint32_t count)
{
	INSIDE_OF(semaphore);
	int r;

	if (count < 1)
		return object_refuse(&semaphore->object, "release", -EINVAL,
				     "count: 0 asked, 1 at least is allowed");
	r = count > semaphore->held_count ? -EPERM : give(semaphore, count);
	if (r == 0)
		r = object_half_done(announce(semaphore, count));
	return r ? object_fail(&semaphore->object, "release", r) : 0;
}

int dso_semaphore_available(struct dso_semaphore *semaphore, uint32_t *ret_count)
{
	INSIDE_OF(semaphore);
	uint32_t free;
	int r = read_permits(semaphore, &free);

	if (r)
		return object_fail(&semaphore->object, "available", r);
	if (ret_count)
		*ret_count = free;
	return 0;
}

void dso_semaphore_close(struct dso_semaphore *semaphore)
{
	INSIDE(check_session(semaphore));

	if (!semaphore)
		return;
	if (semaphore->held_count) {
		uint32_t count = semaphore->held_count;

		if (give(semaphore, count) == 0)
			announce(semaphore, count);
	}
	object_close((struct object *)semaphore);
}
