/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kinds.h"

#include <check.h>
#include <errno.h>

static void must(struct dso_session *session, int r)
{
	ck_assert_msg(r == 0, "%d, %s", r, dso_error(session));
}

/* ---- mutex ---- */

static void *open_mutex(struct dso_session *session, const char *name)
{
	struct dso_mutex *mutex;

	must(session, dso_mutex_open(session, name, NULL, &mutex));
	return mutex;
}

static int lock_mutex(void *mutex, int64_t timeout)
{
	return dso_mutex_lock(mutex, timeout, NULL);
}

static int unlock_mutex(void *mutex)
{
	return dso_mutex_unlock(mutex);
}

static void close_mutex(void *mutex)
{
	dso_mutex_close(mutex);
}

const struct kind kind_mutex = {"mutex", open_mutex, lock_mutex, unlock_mutex, close_mutex};

/* ---- rwlock ---- */

static void *open_rwlock(struct dso_session *session, const char *name)
{
	struct dso_rwlock *rwlock;

	must(session, dso_rwlock_open(session, name, NULL, &rwlock));
	return rwlock;
}

static int lock_for_reading(void *rwlock, int64_t timeout)
{
	return dso_rwlock_rdlock(rwlock, timeout);
}

static int lock_for_writing(void *rwlock, int64_t timeout)
{
	return dso_rwlock_wrlock(rwlock, timeout);
}

static int unlock_rwlock(void *rwlock)
{
	return dso_rwlock_unlock(rwlock);
}

static void close_rwlock(void *rwlock)
{
	dso_rwlock_close(rwlock);
}

const struct kind kind_reader = {"reader", open_rwlock, lock_for_reading, unlock_rwlock,
				 close_rwlock};
const struct kind kind_writer = {"writer", open_rwlock, lock_for_writing, unlock_rwlock,
				 close_rwlock};

/* ---- semaphore ---- */

static void *open_semaphore(struct dso_session *session, const char *name)
{
	const struct dso_semaphore_params one = {.permits = 1};
	struct dso_semaphore *semaphore;

	must(session, dso_semaphore_open(session, name, &one, &semaphore));
	return semaphore;
}

static int acquire(void *semaphore, int64_t timeout)
{
	return dso_semaphore_acquire(semaphore, 1, timeout);
}

static int release(void *semaphore)
{
	return dso_semaphore_release(semaphore, 1);
}

static void close_semaphore(void *semaphore)
{
	dso_semaphore_close(semaphore);
}

const struct kind kind_permit = {"semaphore", open_semaphore, acquire, release, close_semaphore};

/* ---- once ---- */

static void *open_once(struct dso_session *session, const char *name)
{
	struct dso_once *once;

	must(session, dso_once_open(session, name, NULL, &once));
	return once;
}

/* That somebody has done it is none of the errors of a take. */
static int begin_once(void *once, int64_t timeout)
{
	int mine = 0, r = dso_once_begin(once, timeout, &mine);

	return r ? r : mine ? 0 : -EIO;
}

static int abandon_once(void *once)
{
	return dso_once_abandon(once);
}

static void close_once(void *once)
{
	dso_once_close(once);
}

const struct kind kind_once = {"once", open_once, begin_once, abandon_once, close_once};
