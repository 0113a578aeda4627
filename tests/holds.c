/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/await.h"
#include "tests/holds.h"

#include <errno.h>
#include <stdio.h>

static int take_mutex(struct hand *hand, int64_t timeout)
{
	int r = dso_mutex_lock(hand->mutex, timeout, NULL);

	if (r == -EOWNERDEAD && dso_mutex_consistent(hand->mutex))
		return -EIO;
	return r;
}

static int give_mutex(struct hand *hand)
{
	return dso_mutex_unlock(hand->mutex);
}

static int take_rwlock(struct hand *hand, int64_t timeout)
{
	int r;

	/* A look as a reader, now and then: a dead reader must not keep writers out. */
	if (hand->me % 2) {
		r = dso_rwlock_rdlock(hand->rwlock, timeout);
		if (r && r != -EOWNERDEAD)
			return r;
		r = dso_rwlock_unlock(hand->rwlock);
		if (r)
			return r;
	}
	r = dso_rwlock_wrlock(hand->rwlock, timeout);
	if (r == -EOWNERDEAD && dso_rwlock_consistent(hand->rwlock))
		return -EIO;
	return r;
}

static int give_rwlock(struct hand *hand)
{
	return dso_rwlock_unlock(hand->rwlock);
}

static int take_permit(struct hand *hand, int64_t timeout)
{
	return dso_semaphore_acquire(hand->semaphore, 1, timeout);
}

static int give_permit(struct hand *hand)
{
	return dso_semaphore_release(hand->semaphore, 1);
}

static int take_once(struct hand *hand, int64_t timeout)
{
	int mine = 0, r = dso_once_begin(hand->once, timeout, &mine);

	return r ? r : mine ? 0 : -EIO;
}

static int give_once(struct hand *hand)
{
	return dso_once_abandon(hand->once);
}

/* A mutex that is let go and taken again by a condition. */
static int take_by_condition(struct hand *hand, int64_t timeout)
{
	int r = take_mutex(hand, timeout);

	if (r && r != -EOWNERDEAD)
		return r;
	if (r == -EOWNERDEAD)
		return r;
	r = dso_condition_wait(hand->condition, hand->mutex, DSO_MILLISECOND);
	if (r == -EOWNERDEAD && dso_mutex_consistent(hand->mutex))
		return -EIO;
	return r == -ETIMEDOUT ? 0 : r;
}

static int give_by_condition(struct hand *hand)
{
	int r = dso_condition_signal(hand->condition);

	return r ? r : dso_mutex_unlock(hand->mutex);
}

/* The one after future @number is next, whoever says so first. */
static int go_on_from(struct hand *hand, uint64_t number)
{
	return dso_memory_cas(hand->memory, FUTURE, number, number + 1, NULL);
}

static int drop_future(struct hand *hand)
{
	int r;

	dso_future_close(hand->future);
	r = dso_object_delete(hand->session, hand->name);
	return r == -ENOENT ? 0 : r;
}

/* Try to promise the future that is next, or wait for it. Returns 0, -EAGAIN (another is next by
 * now), or an error. */
static int promise_next(struct hand *hand, int64_t timeout)
{
	uint64_t now;
	int r = dso_memory_fetch_add(hand->memory, FUTURE, 0, &hand->number);

	snprintf(hand->name, sizeof hand->name, "f%llu", (unsigned long long)hand->number);
	if (r == 0)
		r = dso_future_open(hand->session, hand->name, NULL, &hand->future);
	if (r)
		return r;
	r = dso_future_promise(hand->future);
	if (r == 0) {
		r = dso_memory_fetch_add(hand->memory, FUTURE, 0, &now);
		if (r || now == hand->number)
			return r;
		/* It was done and deleted before it was opened here. */
		r = drop_future(hand);
		return r ? r : -EAGAIN;
	}
	if (r == -EALREADY)
		r = dso_future_get(hand->future, NULL, 0, timeout, NULL);
	if (r == 0 || r == -EOWNERDEAD)
		r = go_on_from(hand, hand->number);
	dso_future_close(hand->future);
	return r == 0 || r == -ESTALE ? -EAGAIN : r;
}

/* Whoever has promised the future that is next has it until it is set. */
static int take_future(struct hand *hand, int64_t timeout)
{
	int r;

	AWAIT((r = promise_next(hand, timeout)) != -EAGAIN);
	return r;
}

static int give_future(struct hand *hand)
{
	int r = dso_future_set(hand->future, NULL, 0);

	if (r == 0)
		r = go_on_from(hand, hand->number);
	return r ? r : drop_future(hand);
}

const struct kind kinds[KINDS] = {
	{"mutex", take_mutex, give_mutex, true, 1},
	{"rwlock", take_rwlock, give_rwlock, true, 1},
	{"semaphore", take_permit, give_permit, false, PERMITS},
	{"once", take_once, give_once, false, 1},
	{"condition", take_by_condition, give_by_condition, true, 1},
	{"future", take_future, give_future, false, 1},
};

int open_hand(const char *url, const char *transport, struct hand *hand)
{
	struct dso_options options = {.transport = transport,
				      .timeout = hand->timeout ? hand->timeout : HANG_TIMEOUT};
	struct dso_semaphore_params permits = {.permits = PERMITS};
	struct dso_barrier_params parties = {.parties = SURVIVORS + 1};
	int r = dso_open(url, &options, &hand->session);

	if (r)
		return r;
	r = dso_mutex_open(hand->session, "m", NULL, &hand->mutex);
	if (r == 0)
		r = dso_rwlock_open(hand->session, "r", NULL, &hand->rwlock);
	if (r == 0)
		r = dso_semaphore_open(hand->session, "s", &permits, &hand->semaphore);
	if (r == 0)
		r = dso_once_open(hand->session, "o", NULL, &hand->once);
	if (r == 0)
		r = dso_condition_open(hand->session, "c", NULL, &hand->condition);
	if (r == 0)
		r = dso_barrier_open(hand->session, "b", &parties, &hand->barrier);
	if (r == 0)
		r = dso_memory_open(hand->session, "inside", NULL, &hand->memory);
	return r;
}
