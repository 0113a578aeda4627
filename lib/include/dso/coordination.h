/* SPDX-License-Identifier: Apache-2.0 */
/* Locks and their kin. Included by dso/dso.h. */
#ifndef DSO_COORDINATION_H
#define DSO_COORDINATION_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- coordination ---- */

/*
 * Locks and the like that outlive the functions that use them. The holder is a session. When a
 * session ends, for whatever reason, storaged first makes sure that nothing of the session can land
 * any more. Then it takes back what the session held, and wakes the waiters. This happens after a
 * TTL of silence, or at once when the session's process has ended or closed the connection. Over
 * transport shm a process that is frozen keeps what it holds until it ends: the kernel offers no
 * way to take a mapping back.
 *
 * A storaged that is started again, at the same unix socket or the same address, begins with an
 * empty arena. Sessions of the storaged before may not know yet that it ended, and until they do
 * they still rely on their locks, which may guard something outside of the store. So until the TTL
 * and their linger are over, storaged itself holds every mutex, rwlock, permit and once that is
 * created, under the owner number DSO_OWNER_STORAGED, and dso_holds() says so. Then the first
 * session to come takes it, as if it were new: there is no -EOWNERDEAD, because no session is known
 * to have held it. Its fencing token is larger than those of all earlier holders.
 *
 * Closing a handle gives back what it holds. Two handles of a session are one holder, and each
 * gives back what was taken through it. Where a call that gives back fails because the session is
 * over, the handle keeps the hold for dso_renew() to report. Where such a call returns -EOPNOTSUPP,
 * it has given back, and no waiter was woken.
 *
 * Fairness: the first session to try takes a mutex that is free, whether it has just come or has
 * waited. storaged, or the embedded store, hands a free mutex to the session that has been parked
 * the longest, as a rule at most once in 300 us; in between, other sessions may take it. So a wait
 * has no bound. A session that does not take up what it was handed, because it is frozen or gone,
 * loses it to the next one after 100 ms, or four of its round trips if that is longer; after up to
 * 1 s where it missed several in a row. A rwlock's writer and a once are handed over likewise.
 *
 * Errors that any call which waits can return, beside its own:
 * 	-ETIMEDOUT   not within the timeout (DSO_NOWAIT: not at once)
 * 	-ECANCELED   dso_interrupt() ended the wait
 * 	-EINVAL      the timeout is negative and not DSO_FOREVER
 * 	-EOPNOTSUPP  it had to wait or to wake others, and storaged is older than this library
 */

struct dso_mutex;

/* Parameters of a mutex. NULL stands for the defaults, here and for every type. */
struct dso_mutex_params {
	uint64_t ephemeral; /* see DSO_EPHEMERAL */
};

/*
 * dso_mutex_open - open the mutex @name, creating it when there is none. Blocks for one control
 * round trip. *ret_mutex is the caller's, to be given back with dso_mutex_close(). Errors as for
 * dso_counter_open().
 */
int dso_mutex_open(struct dso_session *session, const char *name,
		   const struct dso_mutex_params *params, struct dso_mutex **ret_mutex);
/* dso_mutex_close - unlock the mutex if this handle has it locked, and free the handle. The mutex
 * stays. Waits for what was submitted in the session. NULL does nothing. */
void dso_mutex_close(struct dso_mutex *mutex);

/*
 * dso_mutex_lock - lock the mutex. Without contention this is one compare-and-swap. Waits for at
 * most @timeout. *ret_token is the fencing token, to be handed to other systems, which refuse
 * tokens smaller than the largest they have seen. It has 64 bits, is at most INT64_MAX, and is
 * larger than the token of every earlier holder of a mutex of that name at that storaged, also
 * after the mutex was deleted and created anew, and after storaged was restarted. Tokens grow by
 * one with each holder, and by more where the mutex was created anew, or was handed to a waiter
 * that did not take it up. The death of a holder is reported as by a robust mutex of POSIX. Returns
 * 0, -EOWNERDEAD (it is locked, and *ret_token is set, but the holder before ended while it had the
 * mutex: repair what the mutex guards and call dso_mutex_consistent()), -ENOTRECOVERABLE (the mutex
 * was unlocked after -EOWNERDEAD without dso_mutex_consistent(): delete it), -EDEADLK (this session
 * has it locked).
 */
int dso_mutex_lock(struct dso_mutex *mutex, int64_t timeout, uint64_t *ret_token);
/* dso_mutex_unlock - unlock the mutex, and wake a waiter. Does not wait for others. Returns 0,
 * -EPERM (it is not locked by this handle, whether it was deleted or not; or another session has
 * taken it by dso_mutex_force_unlock()), -ECONNRESET (it may or may not be unlocked), -EOPNOTSUPP
 * (it was unlocked, but no waiter was woken: storaged is older than this library). */
int dso_mutex_unlock(struct dso_mutex *mutex);
/* dso_mutex_consistent - say, after -EOWNERDEAD, that what the mutex guards is whole again. Returns
 * 0, -EINVAL (this handle has not locked it with -EOWNERDEAD, or has it no more). */
int dso_mutex_consistent(struct dso_mutex *mutex);
/*
 * dso_mutex_force_unlock - take the mutex from its holder, if the newest token is still @token. The
 * next session that locks it gets -EOWNERDEAD, and all waiters are woken. Any session may call it,
 * and it does not wait for the holder. The holder may still be working; its dso_mutex_unlock()
 * returns -EPERM. Only a fencing token keeps what it does from having an effect elsewhere. Blocks
 * for a few round trips, one of them to storaged. Returns 0, -EAGAIN (no session holds it with that
 * token), -EOPNOTSUPP (it was taken, but waiters were not woken: storaged is older than this
 * library).
 */
int dso_mutex_force_unlock(struct dso_mutex *mutex, uint64_t token);
/* dso_mutex_holder - which session has the mutex at this moment, by its owner number (0: none;
 * DSO_OWNER_STORAGED: storaged), and the newest token. It takes one round trip, and does not wait
 * for others. Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN. */
int dso_mutex_holder(struct dso_mutex *mutex, uint32_t *ret_session, uint64_t *ret_token);

struct dso_rwlock;

struct dso_rwlock_params {
	uint32_t readers;   /* at a time, 1 to DSO_RWLOCK_READERS_MAX; 0 at creation: 64 */
	uint32_t ephemeral; /* see DSO_EPHEMERAL */
};

/* dso_rwlock_open - open the readers-writer lock @name, creating it when there is none. Errors
 * as for dso_counter_open(). */
int dso_rwlock_open(struct dso_session *session, const char *name,
		    const struct dso_rwlock_params *params, struct dso_rwlock **ret_rwlock);
/* dso_rwlock_close - unlock the lock if this handle has it locked, and free the handle. The lock
 * stays. Waits for what was submitted in the session. NULL does nothing. */
void dso_rwlock_close(struct dso_rwlock *rwlock);

/*
 * dso_rwlock_rdlock - lock for reading. Without a writer this is one round trip. A reader that
 * comes after a writer waits for that writer, also while other readers still have the lock. A lock
 * has room for as many readers as its parameter says; one more waits until a reader leaves. A
 * session can have the lock once: while it has it by any handle, for reading or for writing, both
 * dso_rwlock_rdlock() and dso_rwlock_wrlock() fail. Waits for at most @timeout. Returns 0,
 * -EOWNERDEAD (it is locked, but a writer ended while it had the lock, and no writer has called
 * dso_rwlock_consistent() since), -ENOTRECOVERABLE (a writer unlocked it after -EOWNERDEAD without
 * dso_rwlock_consistent(): delete it), -EDEADLK (this session has it locked).
 */
int dso_rwlock_rdlock(struct dso_rwlock *rwlock, int64_t timeout);
/* dso_rwlock_wrlock - lock for writing: wait for the writer before, then for all readers. Waits for
 * at most @timeout. Returns as dso_rwlock_rdlock(), -EOWNERDEAD (it is locked, but a writer ended
 * while it had the lock: repair what it guards and call dso_rwlock_consistent()). */
int dso_rwlock_wrlock(struct dso_rwlock *rwlock, int64_t timeout);
/* dso_rwlock_unlock - unlock, after either lock, and wake the waiters. Does not wait for others.
 * Returns 0, -EPERM (it is not locked by this handle). */
int dso_rwlock_unlock(struct dso_rwlock *rwlock);
/* dso_rwlock_consistent - say, as a writer after -EOWNERDEAD, that what the lock guards is whole
 * again. Returns 0, -EINVAL (this handle has not locked it for writing with -EOWNERDEAD). */
int dso_rwlock_consistent(struct dso_rwlock *rwlock);

struct dso_semaphore;

struct dso_semaphore_params {
	/* 1 to DSO_SEMAPHORE_PERMITS_MAX; 0: as many as the existing semaphore has */
	uint32_t permits;
	uint32_t ephemeral; /* see DSO_EPHEMERAL */
};

/* dso_semaphore_open - open the semaphore @name. To create it, @params has to say how many permits
 * it has. Errors as for dso_counter_open(). */
int dso_semaphore_open(struct dso_session *session, const char *name,
		       const struct dso_semaphore_params *params,
		       struct dso_semaphore **ret_semaphore);
/* dso_semaphore_close - give the permits of this handle back, and free the handle. The semaphore
 * stays. Waits for what was submitted in the session. NULL does nothing. */
void dso_semaphore_close(struct dso_semaphore *semaphore);
/*
 * dso_semaphore_acquire - take @count permits, all or none. Waits for at most @timeout. Permits
 * belong to the handle that took them: only it can release them, and they come back when its
 * session ends. (To signal to another session, use a condition, a latch or a future.) Waiters are
 * served in the order in which they came, as far as there are enough permits for them. A waiter
 * that wants several permits is passed by, but not for long: after 64 releases it gets a turn, in
 * which the permits that come back are kept for it, and sessions that hold none get none. The turn
 * of a frozen session is over a second later. Returns 0, -EINVAL (@count is 0, or more than the
 * semaphore has).
 */
int dso_semaphore_acquire(struct dso_semaphore *semaphore, uint32_t count, int64_t timeout);
/* dso_semaphore_release - give @count permits back, and wake waiters. Does not wait for others.
 * Returns 0, -EPERM (this handle has fewer), -EINVAL (@count is 0), -EOPNOTSUPP (they were given
 * back, but waiters were not woken: storaged is older than this library). */
int dso_semaphore_release(struct dso_semaphore *semaphore, uint32_t count);
/* dso_semaphore_available - how many permits are free at this moment. */
int dso_semaphore_available(struct dso_semaphore *semaphore, uint32_t *ret_count);

struct dso_barrier;

struct dso_barrier_params {
	uint32_t parties; /* 1 to DSO_BARRIER_PARTIES_MAX; 0: as many as the existing barrier has */
	uint32_t ephemeral; /* see DSO_EPHEMERAL */
};

/*
 * dso_barrier_open - open the barrier @name. To create it, @params has to say how many parties it
 * has. A session becomes a party with its first dso_barrier_wait(), not by opening the barrier, and
 * is a party until it closes the barrier. When the session of a party ends without dso_close(), the
 * barrier breaks. Errors as for dso_counter_open().
 */
int dso_barrier_open(struct dso_session *session, const char *name,
		     const struct dso_barrier_params *params, struct dso_barrier **ret_barrier);
/* dso_barrier_close - free the handle; the session stops being a party with its last handle that
 * has waited. The barrier stays. Waits for what was submitted in the session. NULL does nothing. */
void dso_barrier_close(struct dso_barrier *barrier);
/*
 * dso_barrier_wait - wait until as many have come as there are parties; then all go on, and a new
 * round begins. Waits for at most @timeout. *ret_last is 1 for the last to come, one a round,
 * otherwise 0. A party that leaves without the others, with -ETIMEDOUT or -ECANCELED, breaks the
 * barrier. More sessions than parties may wait at a barrier: those that are too many for one round
 * are counted for the next. A session that ends before its wait has made it a party breaks nothing,
 * and the others wait for another session. Returns 0, -ENOTRECOVERABLE (the barrier is broken, or
 * was reset; or all came, and after that seven more rounds have ended, one of them by a reset,
 * before this party looked).
 */
int dso_barrier_wait(struct dso_barrier *barrier, int64_t timeout, int *ret_last);
/* dso_barrier_reset - end this round, and make the barrier as new. Every party that waits gets
 * -ENOTRECOVERABLE, however late it looks. Does not wait for others. Returns 0, -EOPNOTSUPP (it was
 * reset, but waiters were not woken: storaged is older than this library). */
int dso_barrier_reset(struct dso_barrier *barrier);
/* dso_barrier_stat - how many parties it has, how many have come in this round, and whether it is
 * broken (1, else 0). */
int dso_barrier_stat(struct dso_barrier *barrier, uint32_t *ret_parties, uint32_t *ret_waiting,
		     int *ret_broken);

struct dso_latch;

struct dso_latch_params {
	int64_t count;      /* to begin with, at least 1; 0: that of the existing latch */
	uint64_t ephemeral; /* see DSO_EPHEMERAL */
};

/* dso_latch_open - open the latch @name. To create it, @params has to say with which count it
 * begins. Errors as for dso_counter_open(). */
int dso_latch_open(struct dso_session *session, const char *name,
		   const struct dso_latch_params *params, struct dso_latch **ret_latch);
/* dso_latch_close - free the handle. The latch stays. Waits for what was submitted in the session.
 * NULL does nothing. */
void dso_latch_close(struct dso_latch *latch);
/* dso_latch_count_down - take @n off the count, which stops at 0; at 0 all waiters go on.
 * *ret_count is what is left. Does not wait for others. Returns 0, -EINVAL (@n is less than 1),
 * -EOPNOTSUPP (the count is 0, but waiters were not woken: storaged is older than this library). */
int dso_latch_count_down(struct dso_latch *latch, int64_t n, int64_t *ret_count);
/* dso_latch_wait - wait until the count is 0, for at most @timeout. */
int dso_latch_wait(struct dso_latch *latch, int64_t timeout);
/* dso_latch_count - the count at this moment. */
int dso_latch_count(struct dso_latch *latch, int64_t *ret_count);

struct dso_condition;

struct dso_condition_params {
	uint64_t ephemeral; /* see DSO_EPHEMERAL */
};

/* dso_condition_open - open the condition variable @name, creating it when there is none. Errors
 * as for dso_counter_open(). */
int dso_condition_open(struct dso_session *session, const char *name,
		       const struct dso_condition_params *params,
		       struct dso_condition **ret_condition);
/* dso_condition_close - free the handle. The condition variable stays. Waits for what was submitted
 * in the session. NULL does nothing. */
void dso_condition_close(struct dso_condition *condition);
/*
 * dso_condition_wait - unlock @mutex, which that handle has locked, wait for a signal, and lock it
 * again. The wait for a signal ends after @timeout; to lock the mutex again takes however long it
 * takes. The function may return without a signal: check again what you wait for. @mutex has to be
 * a handle of the same session. Returns 0, -ETIMEDOUT (no signal within @timeout; the mutex is
 * locked), -ECANCELED (dso_interrupt() ended the wait; the mutex is locked), -EOWNERDEAD (the mutex
 * is locked, but a holder ended while it had it: see dso_mutex_lock()), -ENOTRECOVERABLE (a holder
 * did not call dso_mutex_consistent() after -EOWNERDEAD; the mutex is not locked), -EPERM (@mutex
 * is not locked by that handle), -EINVAL (@mutex is a handle of another session, or the timeout is
 * negative and not DSO_FOREVER). What became of the mutex is returned rather than what became of
 * the wait.
 */
int dso_condition_wait(struct dso_condition *condition, struct dso_mutex *mutex, int64_t timeout);
/* dso_condition_signal - wake one waiter. Does not wait for others. Returns 0, -EOPNOTSUPP (there
 * is a waiter, which was not woken: storaged is older than this library). */
int dso_condition_signal(struct dso_condition *condition);
/* dso_condition_broadcast - wake all waiters. Does not wait for others. Returns 0, -EOPNOTSUPP
 * (there are waiters, which were not woken: storaged is older than this library). */
int dso_condition_broadcast(struct dso_condition *condition);

struct dso_once;

struct dso_once_params {
	uint64_t ephemeral; /* see DSO_EPHEMERAL */
};

/* dso_once_open - open the once @name, creating it when there is none. Errors as for
 * dso_counter_open(). */
int dso_once_open(struct dso_session *session, const char *name,
		  const struct dso_once_params *params, struct dso_once **ret_once);
/* dso_once_close - free the handle. What it began and did not finish is left to the next session to
 * do. The once stays. Waits for what was submitted in the session. NULL does nothing. */
void dso_once_close(struct dso_once *once);
/*
 * dso_once_begin - learn whether this session is to do it. *ret_mine is 1 if it is to do it now,
 * and 0 if it was done before. While another session does it, the function waits, for at most
 * @timeout. When that session ends before dso_once_done(), the next one is to do it. Returns 0,
 * -EDEADLK (this session does it already).
 */
int dso_once_begin(struct dso_once *once, int64_t timeout, int *ret_mine);
/* dso_once_done - say that it was done, for ever, and wake the waiters. Does not wait for others.
 * Returns 0, -EPERM (this handle has not begun). */
int dso_once_done(struct dso_once *once);
/* dso_once_abandon - say that it could not be done: the next session is to do it. Does not wait for
 * others. Returns as dso_once_done(). */
int dso_once_abandon(struct dso_once *once);

struct dso_future;

struct dso_future_params {
	/* the longest value, 1 to DSO_FUTURE_BYTES_MAX; 0: undecided, see dso_future_open() */
	uint64_t capacity_bytes;
	uint64_t ephemeral; /* see DSO_EPHEMERAL */
};

/*
 * dso_future_open - open the future @name, creating it when there is none. The first open with a
 * capacity decides it, whichever session created the future. Until then the capacity is undecided:
 * it is 4096 bytes, and setting a longer value decides it. A handle that was opened before that may
 * still set as many bytes as the capacity was then, and every session can read them. So open a
 * future without a capacity to wait for it. Errors as for dso_counter_open().
 */
int dso_future_open(struct dso_session *session, const char *name,
		    const struct dso_future_params *params, struct dso_future **ret_future);
/* dso_future_close - free the handle. If it has promised the future and not set it, the promise is
 * broken. The future stays. Waits for what was submitted in the session. NULL does nothing. */
void dso_future_close(struct dso_future *future);
/*
 * dso_future_promise - say that this session will set the future. When the session ends before it
 * has, the promise is broken for ever: dso_future_get() returns -EOWNERDEAD at once, and only
 * deleting the future makes room for a new one. Does not wait for others. Returns 0 (also where
 * this handle has promised it already), -EALREADY (it was set, or another session has promised it,
 * or a promise was broken), -EDEADLK (this session has promised it by another handle).
 */
int dso_future_promise(struct dso_future *future);
/*
 * dso_future_set - set the value to @length_bytes of @value, for ever, and wake the waiters. The
 * first session to set it wins. Does not wait for others. It takes one control round trip more
 * where it decides the capacity: then it can return also the errors from -ENOSPC on. Returns 0,
 * -EALREADY (it was set before, or another session has promised it, or a promise was broken),
 * -EDEADLK (this session has promised it by another handle), -EMSGSIZE (more than the capacity),
 * -EOPNOTSUPP (it is set, but waiters were not woken: storaged is older than this library), -ENOSPC
 * (the arena is full), -ENFILE (the namespace has as many objects as it may), -EMFILE (the session
 * has as many objects open as it may), -EIO (storaged has no memory of its own for it), -ETIMEDOUT,
 * -EPROTO, -ENOMEM.
 */
int dso_future_set(struct dso_future *future, const void *value, size_t length_bytes);
/* dso_future_set_error - set the future to an error, which @sentence describes (empty or NULL: it
 * has none). The sentence is cut where it is longer than a capacity that was decided, or than the
 * arena has room for. Returns as dso_future_set(), but for -EMSGSIZE, -ENOSPC. */
int dso_future_set_error(struct dso_future *future, const char *sentence);
/*
 * dso_future_get - wait until the future is set, for at most @timeout, and read the value into
 * @buffer of @buffer_bytes. *ret_length is its length. Where the value is longer than 4096 bytes
 * and this handle was opened before the capacity was decided, it takes one control round trip more,
 * and can return also the errors from -EMFILE on. Returns 0, -EMSGSIZE (the buffer is too small;
 * *ret_length, which is set then too, is what it takes), -EREMOTEIO (it was set to an error;
 * dso_error() has at least the first 1024 bytes of its sentence), -EOWNERDEAD (the promise was
 * broken), -EBADMSG (what lies there was never set), -ENOMEM, -EMFILE (the session has as many
 * objects open as it may), -EIO (storaged has no memory of its own for it), -EPROTO.
 */
int dso_future_get(struct dso_future *future, void *buffer, size_t buffer_bytes, int64_t timeout,
		   size_t *ret_length);
/* dso_future_is_done - whether dso_future_get() would return without waiting (1, else 0): the
 * future was set, to a value or an error, or its promise was broken. */
int dso_future_is_done(struct dso_future *future, int *ret_done);

DSO_DECLARATIONS_END

#endif
