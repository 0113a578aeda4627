/* SPDX-License-Identifier: Apache-2.0 */
/* Of the objects that are held or waited at: mutex, rwlock, semaphore, once, barrier, condition. */
#include "tests/linearizability/specs.h"
#include "tests/linearizability/step.h"

static void begin_free(struct state *state, int64_t parameter)
{
	(void)state, (void)parameter;
}

/* Who holds, as a word has it: 0 is nobody. */
static uint64_t number_of(const struct operation *operation)
{
	return operation->client + UINT64_C(1);
}

/* ---- mutex: {holder + 1, newest token, the holder before died, who died} ---- */

static const struct operation_kind mutex_kinds[] = {
	[DIE] = {"die", 0, 0},
	[MUTEX_LOCK] = {"lock", 1, 1},
	[MUTEX_UNLOCK] = {"unlock", 0, 0},
	[MUTEX_CONSISTENT] = {"consistent", 0, 0},
	[MUTEX_FORCE] = {"force_unlock", 1, 0},
	[MUTEX_HOLDER] = {"holder", 0, 2},
};

/* Who does not get it in time may have found it given to one who waits, and who dies before it
 * takes it up. */
static bool mutex_disturbs(const struct operation *other, const struct operation *operation)
{
	return operation->kind == MUTEX_LOCK && other->kind == MUTEX_LOCK;
}

static bool mutex_lock(struct state *state, const struct operation *operation)
{
	uint64_t *holder = &state->words[0], *token = &state->words[1], died = state->words[2];

	/* It is a CAS that found somebody in the word, also where it waited for long. */
	if (timed_out(operation, 0))
		return *holder ? *holder != number_of(operation) : operation->disturbed;
	if (*holder)
		return false;
	*holder = number_of(operation);
	if (!operation->known) {
		++*token;
		return true;
	}
	if (operation->status != (died ? -EOWNERDEAD : 0) ||
	    (uint64_t)operation->results[0] <= *token)
		return false;
	*token = (uint64_t)operation->results[0];
	return true;
}

/* A mutex that nobody called consistent is lost when it is unlocked: clients always do. */
static bool mutex_step(struct state *state, const struct operation *operation)
{
	uint64_t *holder = &state->words[0], *token = &state->words[1], *died = &state->words[2];
	bool is_mine = *holder == number_of(operation);
	bool is_newest = *holder && *token == (uint64_t)operation->arguments[0];

	if (!is_alive(&state->words[3], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		if (is_mine)
			*holder = 0, *died = 1;
		return true;
	case MUTEX_LOCK:
		return mutex_lock(state, operation);
	case MUTEX_UNLOCK:
		if (returned(operation, -EPERM))
			return !is_mine;
		*holder = 0;
		return is_mine && !failed(operation);
	case MUTEX_CONSISTENT:
		if (returned(operation, -EINVAL))
			return !is_mine;
		if (!is_mine || !*died || failed(operation))
			return false;
		*died = 0;
		return true;
	case MUTEX_FORCE:
		if (returned(operation, -EAGAIN))
			return !is_newest;
		if (is_newest)
			*holder = 0, *died = 1;
		return is_newest && !failed(operation);
	case MUTEX_HOLDER:
		if (failed(operation))
			return false;
		/* Somebody to whom storaged gave it, and who has not taken it up, does not show;
		 * the token does. */
		if (!is_mine && operation->results[0] == 0 &&
		    (uint64_t)operation->results[1] >= *token)
			return true;
		return agrees(operation, 0, *holder != 0) && agrees(operation, 1, *token);
	}
	return false;
}

const struct specification mutex_specification = {
	.name = "mutex",
	.kinds = mutex_kinds,
	.begin = begin_free,
	.step = mutex_step,
	.disturbs = mutex_disturbs,
};

/* ---- rwlock: {writer + 1, readers, a writer died, who died, who would die a writer} ---- */

static const struct operation_kind rwlock_kinds[] = {
	[DIE] = {"die", 0, 0},
	[RWLOCK_RDLOCK] = {"rdlock", 1, 0},
	[RWLOCK_WRLOCK] = {"wrlock", 1, 0},
	[RWLOCK_UNLOCK] = {"unlock", 0, 0},
	[RWLOCK_CONSISTENT] = {"consistent", 0, 0},
};

/*
 * Who does not get it in time may have found one who had not got it either: a reader is in its slot
 * before it looks for a writer, and a writer in the word before it waits for readers. So a lock is
 * refused for one that is held, or for one that is being taken by others meanwhile: any by a
 * writer, and a writer's by a reader.
 */
static bool rwlock_disturbs(const struct operation *other, const struct operation *operation)
{
	if (operation->kind == RWLOCK_RDLOCK)
		return other->kind == RWLOCK_WRLOCK;
	return operation->kind == RWLOCK_WRLOCK &&
	       (other->kind == RWLOCK_WRLOCK || other->kind == RWLOCK_RDLOCK);
}

static bool rwlock_lock(struct state *state, const struct operation *operation)
{
	uint64_t *writer = &state->words[0], *readers = &state->words[1], died = state->words[2];
	bool writes = operation->kind == RWLOCK_WRLOCK;
	bool is_free = *writer == 0 && (!writes || *readers == 0);

	if (timed_out(operation, 0))
		return !is_free || operation->disturbed;
	/* One that dies while it waits for readers is in the writer's word too: whether it would
	 * have got it does not matter for what is found there. */
	if (writes && !operation->known) {
		state->words[4] |= bit_of(operation);
		return *writer == 0;
	}
	if (!is_free || (operation->known && operation->status != (died ? -EOWNERDEAD : 0)))
		return false;
	if (writes)
		*writer = number_of(operation);
	else
		*readers |= bit_of(operation);
	return true;
}

static bool rwlock_unlock(struct state *state, const struct operation *operation)
{
	if (failed(operation))
		return false;
	if (state->words[1] & bit_of(operation))
		state->words[1] &= ~bit_of(operation);
	else if (state->words[0] == number_of(operation))
		state->words[0] = 0;
	else
		return false;
	return true;
}

static bool rwlock_step(struct state *state, const struct operation *operation)
{
	uint64_t *writer = &state->words[0], *died = &state->words[2];

	if (!is_alive(&state->words[3], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		*died |= *writer == number_of(operation) || state->words[4] & bit_of(operation);
		if (*writer == number_of(operation))
			*writer = 0;
		state->words[1] &= ~bit_of(operation);
		return true;
	case RWLOCK_RDLOCK:
	case RWLOCK_WRLOCK:
		return rwlock_lock(state, operation);
	case RWLOCK_UNLOCK:
		return rwlock_unlock(state, operation);
	case RWLOCK_CONSISTENT:
		if (*writer != number_of(operation) || !*died || failed(operation))
			return false;
		*died = 0;
		return true;
	}
	return false;
}

const struct specification rwlock_specification = {
	.name = "rwlock",
	.kinds = rwlock_kinds,
	.begin = begin_free,
	.step = rwlock_step,
	.disturbs = rwlock_disturbs,
};

/* ---- semaphore: {permits, 8 bits of each client's, free ones, who died} ---- */

static const struct operation_kind semaphore_kinds[] = {
	[DIE] = {"die", 0, 0},
	[SEMAPHORE_ACQUIRE] = {"acquire", 2, 0},
	[SEMAPHORE_RELEASE] = {"release", 1, 0},
	[SEMAPHORE_AVAILABLE] = {"available", 0, 1},
};

static void semaphore_begin(struct state *state, int64_t parameter)
{
	state->words[0] = state->words[2] = (uint64_t)parameter;
}

/*
 * A permit is a word, and the words are looked at one after the other: permits that go from one to
 * another meanwhile may all be missed, and who wants several takes those that he finds one by one
 * and puts them back. So who is refused was, with nobody else about, refused for want of permits;
 * else it says nothing.
 */
static bool semaphore_disturbs(const struct operation *other, const struct operation *operation)
{
	return other->kind != SEMAPHORE_AVAILABLE &&
	       (operation->kind == SEMAPHORE_ACQUIRE || operation->kind == SEMAPHORE_AVAILABLE);
}

static bool semaphore_step(struct state *state, const struct operation *operation)
{
	uint64_t *held = &state->words[1], *available = &state->words[2];
	uint64_t n = (uint64_t)operation->arguments[0];
	unsigned shift = operation->client * 8u;
	uint64_t mine = *held >> shift & UINT8_MAX;

	if (!is_alive(&state->words[3], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		*available += mine;
		*held -= mine << shift;
		return true;
	case SEMAPHORE_ACQUIRE:
		if (timed_out(operation, 1))
			return *available < n || operation->disturbed;
		if (*available < n || failed(operation))
			return false;
		*available -= n;
		*held += n << shift;
		return true;
	case SEMAPHORE_RELEASE:
		if (mine < n || failed(operation))
			return false;
		*available += n;
		*held -= n << shift;
		return true;
	case SEMAPHORE_AVAILABLE:
		return !failed(operation) && (agrees(operation, 0, *available) ||
					      (operation->disturbed &&
					       (uint64_t)operation->results[0] <= state->words[0]));
	}
	return false;
}

const struct specification semaphore_specification = {
	.name = "semaphore",
	.kinds = semaphore_kinds,
	.begin = semaphore_begin,
	.step = semaphore_step,
	.disturbs = semaphore_disturbs,
};

/* ---- once: {who is at it + 1, done, who died} ---- */

static const struct operation_kind once_kinds[] = {
	[DIE] = {"die", 0, 0},
	[ONCE_BEGIN] = {"begin", 1, 1},
	[ONCE_DONE] = {"done", 0, 0},
	[ONCE_ABANDON] = {"abandon", 0, 0},
};

/* As of a mutex. */
static bool once_disturbs(const struct operation *other, const struct operation *operation)
{
	return operation->kind == ONCE_BEGIN && other->kind == ONCE_BEGIN;
}

static bool once_step(struct state *state, const struct operation *operation)
{
	uint64_t *at_it = &state->words[0], *done = &state->words[1], me = number_of(operation);

	if (!is_alive(&state->words[2], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		if (*at_it == me)
			*at_it = 0;
		return true;
	case ONCE_BEGIN:
		if (timed_out(operation, 0))
			return *at_it ? *at_it != me : operation->disturbed;
		if (failed(operation) || *at_it || !agrees(operation, 0, !*done))
			return false;
		*at_it = *done ? 0 : me;
		return true;
	case ONCE_DONE:
	case ONCE_ABANDON:
		if (failed(operation) || *at_it != me)
			return false;
		*at_it = 0;
		*done |= operation->kind == ONCE_DONE;
		return true;
	}
	return false;
}

const struct specification once_specification = {
	.name = "once",
	.kinds = once_kinds,
	.begin = begin_free,
	.step = once_step,
	.disturbs = once_disturbs,
};

/* ---- barrier: {parties, who waits, who may go, who is to hear that it broke, it is broken, who
 * died, who joined, 8 bits of each client's: resets since its round was completed} ---- */

/* So many rounds that ended since are told apart. */
#define BARRIER_ROUNDS_KNOWN 7

static const struct operation_kind barrier_kinds[] = {
	[DIE] = {"die", 0, 0},
	[BARRIER_ARRIVE] = {"arrive", 0, 1},
	[BARRIER_LEAVE] = {"leave", 1, 0},
	[BARRIER_RESET_IT] = {"reset", 0, 0},
	[BARRIER_JOIN] = {"join", 0, 0},
};

/* End the round of those who wait without success. */
static void barrier_end(struct state *state, bool broken)
{
	state->words[3] |= state->words[1];
	state->words[1] = 0;
	state->words[4] = broken;
}

static unsigned resets_since(const struct state *state, unsigned client)
{
	return (unsigned)(state->words[7] >> client * 8) & UINT8_MAX;
}

static void barrier_reset(struct state *state)
{
	barrier_end(state, false);
	for (unsigned i = 0; i < 8; i++)
		if (state->words[2] >> i & 1 && resets_since(state, i) < BARRIER_ROUNDS_KNOWN)
			state->words[7] += UINT64_C(1) << i * 8;
}

static bool barrier_arrive(struct state *state, const struct operation *operation)
{
	uint64_t *waiting = &state->words[1];
	bool last;

	state->words[6] |= bit_of(operation);
	if (state->words[4]) {
		state->words[3] |= bit_of(operation);
		return failed(operation);
	}
	*waiting |= bit_of(operation);
	last = (uint64_t)__builtin_popcountll(*waiting) == state->words[0];
	if (last) {
		state->words[2] |= *waiting;
		*waiting = 0;
	}
	return failed(operation) || agrees(operation, 0, last);
}

/* One that goes. *who is who may. */
static bool take_off(uint64_t *who, const struct operation *operation)
{
	bool may = *who & bit_of(operation);

	*who &= ~bit_of(operation);
	return may;
}

/* A round ends for a party that does not come to look by a reset alone: all others wait for it. */
static bool is_late(const struct state *state, const struct operation *operation)
{
	return returned(operation, -ENOTRECOVERABLE) && state->words[2] & bit_of(operation) &&
	       resets_since(state, operation->client) >= BARRIER_ROUNDS_KNOWN;
}

static bool barrier_leave(struct state *state, const struct operation *operation)
{
	uint64_t *may_go = &state->words[2], *is_to_hear = &state->words[3];
	bool left;

	/* One that was killed may have given up its wait before. */
	if (!operation->known && operation->arguments[0] < DSO_SECOND &&
	    state->words[1] & bit_of(operation)) {
		barrier_end(state, true);
		return take_off(is_to_hear, operation);
	}
	if ((!timed_out(operation, 0) && !returned(operation, -ENOTRECOVERABLE)) ||
	    is_late(state, operation)) {
		left = (!failed(operation) || is_late(state, operation)) &&
		       take_off(may_go, operation);
		state->words[7] &= ~((uint64_t)UINT8_MAX << operation->client * 8);
		return left;
	}
	if (operation->status == -ETIMEDOUT && state->words[1] & bit_of(operation))
		barrier_end(state, true);
	return take_off(is_to_hear, operation);
}

static bool barrier_step(struct state *state, const struct operation *operation)
{
	if (!is_alive(&state->words[5], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		/* Who has not joined is no party. */
		if (state->words[6] & bit_of(operation))
			barrier_end(state, true);
		return true;
	case BARRIER_JOIN:
		state->words[6] |= bit_of(operation);
		return true;
	case BARRIER_ARRIVE:
		return barrier_arrive(state, operation);
	case BARRIER_LEAVE:
		return barrier_leave(state, operation);
	case BARRIER_RESET_IT:
		barrier_reset(state);
		return !failed(operation);
	}
	return false;
}

static void barrier_begin(struct state *state, int64_t parameter)
{
	state->words[0] = (uint64_t)parameter;
}

const struct specification barrier_specification = {
	.name = "barrier",
	.kinds = barrier_kinds,
	.begin = barrier_begin,
	.step = barrier_step,
};

/* ---- condition: {holder of the mutex + 1, who sleeps, tickets} ---- */

static const struct operation_kind condition_kinds[] = {
	[CONDITION_LOCK] = {"lock", 0, 0},     [CONDITION_UNLOCK] = {"unlock", 0, 0},
	[CONDITION_SLEEP] = {"sleep", 0, 0},   [CONDITION_AWAKE] = {"awake", 1, 0},
	[CONDITION_NOTIFY] = {"notify", 1, 0}, [CONDITION_TICKETS] = {"tickets", 1, 1},
};

/*
 * A wait may end without a signal, so that whom a signal has woken cannot be told. What can: that
 * the mutex is let go and taken again, that what is guarded by it is not seen in between, and that
 * no wake-up is lost, since that of who waits for as long as it takes would be a wait that ended
 * for its timeout.
 */
static bool condition_step(struct state *state, const struct operation *operation)
{
	uint64_t *holder = &state->words[0], *sleeping = &state->words[1];
	uint64_t me = number_of(operation), tickets = state->words[2];

	if (failed(operation) && !(operation->kind == CONDITION_AWAKE && timed_out(operation, 0)))
		return false;
	switch (operation->kind) {
	case CONDITION_LOCK:
		if (*holder)
			return false;
		*holder = me;
		return true;
	case CONDITION_SLEEP:
		*sleeping |= bit_of(operation);
		/* fallthrough */
	case CONDITION_UNLOCK:
		if (*holder != me)
			return false;
		*holder = 0;
		return true;
	case CONDITION_AWAKE:
		if (*holder || !(*sleeping & bit_of(operation)))
			return false;
		*holder = me;
		*sleeping &= ~bit_of(operation);
		return true;
	case CONDITION_NOTIFY:
		return true;
	case CONDITION_TICKETS:
		state->words[2] += (uint64_t)operation->arguments[0];
		return *holder == me && agrees(operation, 0, tickets);
	}
	return false;
}

const struct specification condition_specification = {
	.name = "condition",
	.kinds = condition_kinds,
	.begin = begin_free,
	.step = condition_step,
};
