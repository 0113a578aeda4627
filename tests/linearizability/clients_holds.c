/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of mutex, rwlock, semaphore, once, barrier and condition. */
#include "tests/linearizability/clients.h"
#include "tests/linearizability/specs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t nothing(unsigned clients)
{
	return 0;
}

/* What is held, of a lock. */
enum { FREE, HELD, HELD_AFTER_DEATH };

/* ---- mutex ---- */

static int mutex_open(struct client *client, const char *name, int64_t parameter)
{
	int r = dso_mutex_open(client->session, name, NULL, &client->mutex);

	return r ? r : dso_mutex_holder(client->mutex, NULL, &client->token_origin);
}

static void mutex_close(struct client *client)
{
	dso_mutex_close(client->mutex);
}

static bool mutex_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	unsigned lot = draw_below(client, 12);

	operation->kind = client->held == FREE               ? MUTEX_LOCK
			  : client->held == HELD_AFTER_DEATH ? MUTEX_CONSISTENT
							     : MUTEX_UNLOCK;
	if (client->ending)
		return client->held != FREE;
	if (lot == 0) {
		operation->kind = MUTEX_FORCE;
		operation->arguments[0] = client->seen[1];
	} else if (lot < 3) {
		operation->kind = MUTEX_HOLDER;
	} else if (operation->kind == MUTEX_LOCK) {
		operation->arguments[0] = draw_timeout(client, true);
	}
	return true;
}

static void mutex_perform(struct client *client, struct operation *operation)
{
	uint64_t token = 0;
	uint32_t holder = 0;

	switch (operation->kind) {
	case MUTEX_LOCK:
		operation->status = dso_mutex_lock(client->mutex, operation->arguments[0], &token);
		operation->results[0] = (int64_t)(token - client->token_origin);
		break;
	case MUTEX_UNLOCK:
		operation->status = dso_mutex_unlock(client->mutex);
		break;
	case MUTEX_CONSISTENT:
		operation->status = dso_mutex_consistent(client->mutex);
		break;
	case MUTEX_FORCE:
		token = client->token_origin + (uint64_t)operation->arguments[0];
		operation->status = dso_mutex_force_unlock(client->mutex, token);
		break;
	case MUTEX_HOLDER:
		operation->status = dso_mutex_holder(client->mutex, &holder, &token);
		operation->results[0] = holder != 0;
		operation->results[1] = (int64_t)(token - client->token_origin);
		break;
	}
}

static void mutex_learn(struct client *client, const struct operation *operation)
{
	switch (operation->kind) {
	case MUTEX_LOCK:
		if (operation->status == 0 || operation->status == -EOWNERDEAD) {
			client->held = operation->status ? HELD_AFTER_DEATH : HELD;
			client->seen[1] = operation->results[0];
		}
		break;
	case MUTEX_UNLOCK:
		client->held = FREE;
		break;
	case MUTEX_CONSISTENT:
		client->held = HELD;
		break;
	case MUTEX_HOLDER:
		client->seen[1] = operation->results[1];
		break;
	}
}

const struct object_kind mutex_kind = {
	.specification = &mutex_specification,
	.mortal = true,
	.parameter = nothing,
	.open = mutex_open,
	.close = mutex_close,
	.draw = mutex_draw,
	.perform = mutex_perform,
	.learn = mutex_learn,
};

/* ---- rwlock ---- */

#define READERS 8

static int rwlock_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_rwlock_params params = {.readers = READERS};

	return dso_rwlock_open(client->session, name, &params, &client->rwlock);
}

static void rwlock_close(struct client *client)
{
	dso_rwlock_close(client->rwlock);
}

static bool rwlock_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	operation->kind = client->held == HELD_AFTER_DEATH ? RWLOCK_CONSISTENT : RWLOCK_UNLOCK;
	if (client->held == FREE) {
		operation->kind = draw_below(client, 2) ? RWLOCK_RDLOCK : RWLOCK_WRLOCK;
		operation->arguments[0] = draw_timeout(client, true);
	}
	return !client->ending || client->held != FREE;
}

static void rwlock_perform(struct client *client, struct operation *operation)
{
	switch (operation->kind) {
	case RWLOCK_RDLOCK:
		operation->status = dso_rwlock_rdlock(client->rwlock, operation->arguments[0]);
		break;
	case RWLOCK_WRLOCK:
		operation->status = dso_rwlock_wrlock(client->rwlock, operation->arguments[0]);
		break;
	case RWLOCK_UNLOCK:
		operation->status = dso_rwlock_unlock(client->rwlock);
		break;
	case RWLOCK_CONSISTENT:
		operation->status = dso_rwlock_consistent(client->rwlock);
		break;
	}
}

static void rwlock_learn(struct client *client, const struct operation *operation)
{
	if (operation->kind == RWLOCK_UNLOCK)
		client->held = FREE;
	else if (operation->status == 0)
		client->held = HELD;
	else if (operation->status == -EOWNERDEAD)
		client->held = operation->kind == RWLOCK_WRLOCK ? HELD_AFTER_DEATH : HELD;
}

const struct object_kind rwlock_kind = {
	.specification = &rwlock_specification,
	.mortal = true,
	.parameter = nothing,
	.open = rwlock_open,
	.close = rwlock_close,
	.draw = rwlock_draw,
	.perform = rwlock_perform,
	.learn = rwlock_learn,
};

/* ---- semaphore; held: so many ---- */

#define PERMITS 3

static int64_t semaphore_parameter(unsigned clients)
{
	return PERMITS;
}

static int semaphore_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_semaphore_params params = {.permits = (uint32_t)parameter};

	return dso_semaphore_open(client->session, name, &params, &client->semaphore);
}

static void semaphore_close(struct client *client)
{
	dso_semaphore_close(client->semaphore);
}

/* Who has some waits for no more: two of them could wait for each other. */
static bool semaphore_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	unsigned lot = draw_below(client, 8);

	if (client->held && (client->ending || lot < 5)) {
		operation->kind = SEMAPHORE_RELEASE;
		operation->arguments[0] = 1 + draw_below(client, client->held);
	} else if (lot == 7) {
		operation->kind = SEMAPHORE_AVAILABLE;
	} else {
		operation->kind = SEMAPHORE_ACQUIRE;
		operation->arguments[0] = 1 + draw_below(client, 2);
		operation->arguments[1] = draw_timeout(client, client->held == 0);
	}
	return !client->ending || client->held;
}

static void semaphore_perform(struct client *client, struct operation *operation)
{
	uint32_t available = 0, n = (uint32_t)operation->arguments[0];

	switch (operation->kind) {
	case SEMAPHORE_ACQUIRE:
		operation->status =
			dso_semaphore_acquire(client->semaphore, n, operation->arguments[1]);
		break;
	case SEMAPHORE_RELEASE:
		operation->status = dso_semaphore_release(client->semaphore, n);
		break;
	case SEMAPHORE_AVAILABLE:
		operation->status = dso_semaphore_available(client->semaphore, &available);
		operation->results[0] = available;
		break;
	}
}

static void semaphore_learn(struct client *client, const struct operation *operation)
{
	if (operation->kind == SEMAPHORE_RELEASE)
		client->held -= (unsigned)operation->arguments[0];
	else if (operation->kind == SEMAPHORE_ACQUIRE && operation->status == 0)
		client->held += (unsigned)operation->arguments[0];
}

const struct object_kind semaphore_kind = {
	.specification = &semaphore_specification,
	.mortal = true,
	.parameter = semaphore_parameter,
	.open = semaphore_open,
	.close = semaphore_close,
	.draw = semaphore_draw,
	.perform = semaphore_perform,
	.learn = semaphore_learn,
};

/* ---- once ---- */

static int once_open(struct client *client, const char *name, int64_t parameter)
{
	return dso_once_open(client->session, name, NULL, &client->once);
}

static void once_close(struct client *client)
{
	dso_once_close(client->once);
}

static bool once_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	operation->kind = draw_below(client, 12) ? ONCE_ABANDON : ONCE_DONE;
	if (client->held == FREE) {
		operation->kind = ONCE_BEGIN;
		operation->arguments[0] = draw_timeout(client, true);
	}
	return !client->ending || client->held != FREE;
}

static void once_perform(struct client *client, struct operation *operation)
{
	int mine = 0;

	switch (operation->kind) {
	case ONCE_BEGIN:
		operation->status = dso_once_begin(client->once, operation->arguments[0], &mine);
		operation->results[0] = mine;
		break;
	case ONCE_DONE:
		operation->status = dso_once_done(client->once);
		break;
	case ONCE_ABANDON:
		operation->status = dso_once_abandon(client->once);
		break;
	}
}

static void once_learn(struct client *client, const struct operation *operation)
{
	client->held = operation->kind == ONCE_BEGIN && operation->status == 0 &&
				       operation->results[0] == 1
			       ? HELD
			       : FREE;
}

const struct object_kind once_kind = {
	.specification = &once_specification,
	.mortal = true,
	.parameter = nothing,
	.open = once_open,
	.close = once_close,
	.draw = once_draw,
	.perform = once_perform,
	.learn = once_learn,
};

/* ---- barrier ---- */

#define BARRIER_ROUNDS 12 /* that all clients take part in, where none leaves too early */

static int64_t barrier_parameter(unsigned clients)
{
	return clients;
}

static int barrier_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_barrier_params params = {.parties = (uint32_t)parameter};

	return dso_barrier_open(client->session, name, &params, &client->barrier);
}

static void barrier_close(struct client *client)
{
	dso_barrier_close(client->barrier);
}

/* A rough round is one in which nobody waits for long, and somebody makes it whole again now and
 * then. */
static bool barrier_draw(struct client *client, struct operation *operations, unsigned *ret_count)
{
	if (client->rough && draw_below(client, 4) == 0) {
		operations[0].kind = BARRIER_RESET_IT;
		return !client->ending;
	}
	operations[0].kind = BARRIER_ARRIVE;
	operations[1].kind = BARRIER_LEAVE;
	operations[1].arguments[0] = client->rough ? draw_timeout(client, false) : HANG_TIMEOUT;
	operations[2].kind = BARRIER_JOIN;
	/* Whether the others have joined does not matter: they do not die. */
	*ret_count = client->doomed && client->drawn == 0 ? 3 : 2;
	return client->rough ? !client->ending : client->step++ < BARRIER_ROUNDS;
}

/* Become a party: where nobody waits for less than it takes, the others would else wait for one
 * that has died before it was one. */
static void barrier_settle(struct client *client, struct operation *operation)
{
	operation->kind = BARRIER_JOIN;
	if (dso_barrier_wait(client->barrier, DSO_NOWAIT, NULL) == -ETIMEDOUT)
		operation->status = dso_barrier_reset(client->barrier);
	else
		operation->status = -EPROTO;
}

static void barrier_perform(struct client *client, struct operation *operations)
{
	int last = 0;

	if (operations[0].kind == BARRIER_RESET_IT) {
		operations[0].status = dso_barrier_reset(client->barrier);
		return;
	}
	operations[0].status = operations[1].status =
		dso_barrier_wait(client->barrier, operations[1].arguments[0], &last);
	operations[0].results[0] = last;
}

static void learn_nothing(struct client *client, const struct operation *operations)
{
	(void)client, (void)operations;
}

const struct object_kind barrier_kind = {
	.specification = &barrier_specification,
	.mortal = true,
	.parameter = barrier_parameter,
	.open = barrier_open,
	.close = barrier_close,
	.draw = barrier_draw,
	.settle = barrier_settle,
	.perform = barrier_perform,
	.learn = learn_nothing,
};

/* ---- condition ---- */

#define TICKETS 4 /* that a client makes, or takes */
/* Of a taker, who then goes, while there is room to write down that it lets go of the mutex: with
 * it, nobody would get on. */
#define SLEEPS_MAX 12

static int condition_open(struct client *client, const char *name, int64_t parameter)
{
	char mutex[64], memory[64];
	int r = dso_condition_open(client->session, name, NULL, &client->condition);

	snprintf(mutex, sizeof mutex, "%s/mutex", name);
	snprintf(memory, sizeof memory, "%s/memory", name);
	if (r == 0)
		r = dso_mutex_open(client->session, mutex, NULL, &client->mutex);
	if (r == 0)
		r = dso_memory_open(client->session, memory, NULL, &client->memory);
	return r;
}

static void condition_close(struct client *client)
{
	dso_condition_close(client->condition);
	dso_mutex_close(client->mutex);
	dso_memory_close(client->memory);
}

enum { LET_GO, LOCKED, HAS_SEEN_ONE, HAS_SEEN_NONE, CHANGED, TOLD, UNTOLD };

/* Lock, make a ticket, and signal before or after unlocking. */
static void draw_of_maker(struct client *client, struct operation *operation)
{
	switch (client->held) {
	case LET_GO:
		operation->kind = CONDITION_LOCK;
		break;
	case LOCKED:
		operation->kind = CONDITION_TICKETS;
		operation->arguments[0] = 1;
		break;
	case CHANGED:
		operation->kind = draw_below(client, 2) ? CONDITION_UNLOCK : CONDITION_NOTIFY;
		break;
	case TOLD:
		operation->kind = CONDITION_UNLOCK;
		break;
	default:
		operation->kind = CONDITION_NOTIFY;
	}
	if (operation->kind == CONDITION_NOTIFY)
		operation->arguments[0] = draw_below(client, 4) == 0;
}

/* Lock, wait until there is a ticket, take it, unlock. */
static void draw_of_taker(struct client *client, struct operation *operations, unsigned *ret_count)
{
	switch (client->held) {
	case LET_GO:
		operations[0].kind = CONDITION_LOCK;
		break;
	case LOCKED:
		operations[0].kind = CONDITION_TICKETS;
		break;
	case HAS_SEEN_ONE:
		operations[0].kind = CONDITION_TICKETS;
		operations[0].arguments[0] = -1;
		break;
	case HAS_SEEN_NONE:
		if (client->slept == SLEEPS_MAX) {
			operations[0].kind = CONDITION_UNLOCK;
			break;
		}
		operations[0].kind = CONDITION_SLEEP;
		operations[1].kind = CONDITION_AWAKE;
		operations[1].arguments[0] =
			draw_below(client, 4) ? HANG_TIMEOUT : DSO_MILLISECOND / 5;
		*ret_count = 2;
		break;
	default:
		operations[0].kind = CONDITION_UNLOCK;
	}
}

static bool is_maker(const struct client *client)
{
	return client->number % 2 == 0;
}

/* There are as many of either: as many tickets are made as are taken, or more. */
static bool condition_draw(struct client *client, struct operation *operations, unsigned *ret_count)
{
	if (client->held == LET_GO && (client->step == TICKETS || client->slept == SLEEPS_MAX))
		return false;
	if (is_maker(client))
		draw_of_maker(client, operations);
	else
		draw_of_taker(client, operations, ret_count);
	return true;
}

static void condition_perform(struct client *client, struct operation *operations)
{
	uint64_t before = 0;
	int r = 0;

	switch (operations[0].kind) {
	case CONDITION_LOCK:
		r = dso_mutex_lock(client->mutex, HANG_TIMEOUT, NULL);
		break;
	case CONDITION_UNLOCK:
		r = dso_mutex_unlock(client->mutex);
		break;
	case CONDITION_SLEEP:
		operations[1].status = dso_condition_wait(client->condition, client->mutex,
							  operations[1].arguments[0]);
		break;
	case CONDITION_NOTIFY:
		r = operations[0].arguments[0] ? dso_condition_broadcast(client->condition)
					       : dso_condition_signal(client->condition);
		break;
	case CONDITION_TICKETS:
		r = dso_memory_fetch_add(client->memory, 0, (uint64_t)operations[0].arguments[0],
					 &before);
		break;
	}
	operations[0].status = r;
	operations[0].results[0] = (int64_t)before;
}

static void condition_learn(struct client *client, const struct operation *operations)
{
	bool was_changed = client->held == CHANGED;

	switch (operations[0].kind) {
	case CONDITION_LOCK:
	case CONDITION_SLEEP:
		client->held = LOCKED;
		client->slept += operations[0].kind == CONDITION_SLEEP;
		break;
	case CONDITION_TICKETS:
		client->held = operations[0].arguments[0]     ? CHANGED
			       : operations[0].results[0] > 0 ? HAS_SEEN_ONE
							      : HAS_SEEN_NONE;
		break;
	case CONDITION_NOTIFY:
		client->held = was_changed ? TOLD : LET_GO;
		client->step += !was_changed;
		break;
	case CONDITION_UNLOCK:
		client->held = was_changed && is_maker(client) ? UNTOLD : LET_GO;
		client->step += client->held == LET_GO;
		break;
	}
}

const struct object_kind condition_kind = {
	.specification = &condition_specification,
	.parameter = nothing,
	.open = condition_open,
	.close = condition_close,
	.draw = condition_draw,
	.perform = condition_perform,
	.learn = condition_learn,
};
