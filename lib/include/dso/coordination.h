/* SPDX-License-Identifier: Apache-2.0 */
/* Locks and their kin. Included by dso/dso.h. */
#ifndef DSO_COORDINATION_H
#define DSO_COORDINATION_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- coordination ---- */

/*
 * Locks and the like that outlive the functions that use them. A holder is a session. When a
 * session ends, for whatever reason, storaged first makes sure that nothing of it can land any
 * more, and then takes back what it held and wakes who waits for it: within the TTL of silence, or
 * at once when its process ended and the connection closed. Over transport shm a process that is
 * frozen keeps what it holds until it ends: the kernel offers no way to take a mapping back.
 *
 * A storaged that is started again, at the same unix socket or the same address, begins with an
 * empty arena. Sessions of the one before may not know yet that it ended, and what a lock of theirs
 * guards outside of the store is theirs until they do. So until the TTL, and their linger, are over
 * storaged itself holds every mutex, rwlock, permit and once that is made, under the owner number
 * DSO_OWNER_STORAGED, and dso_holds() says so. Then the first to come has it, as if it were new:
 * nobody is known to have held it, and no -EOWNERDEAD is told. Its fencing token is larger than
 * those of all holders before.
 *
 * A handle that is closed gives back what it holds. Two handles of a session are one holder, and
 * each gives back what was taken through it.
 *
 * Fairness: the first session to try takes what has become free, whether it has just come or
 * waited. Waiters that have parked are woken in the order in which they parked. Where others come
 * again and again, a mutex is handed every few milliseconds to the session that has been parked the
 * longest. A session that does not take up what it was handed, because it is frozen or gone, loses
 * it to the next one: after four of its round trips, of 100 ms at least and 1 s at most.
 *
 * Errors that any call which waits can return, beside its own:
 * 	-ETIMEDOUT   not in time (DSO_NOWAIT: not at once)
 * 	-ECANCELED   dso_interrupt()
 * 	-EINVAL      a negative timeout other than DSO_FOREVER
 * 	-EOPNOTSUPP  it would have had to wait, and storaged is older than this library
 */

/* Parameters of a mutex. NULL stands for the defaults, here and for every type. */
struct dso_mutex_params {
	uint64_t reserved; /* zero */
};

/*
 * dso_mutex_open - open the mutex @name, creating it when there is none. Errors as for
 * dso_counter_open().
 */
int dso_mutex_open(struct dso_session *session, const char *name,
		   const struct dso_mutex_params *params, struct dso_mutex **ret_mutex);
/* dso_mutex_close - give the mutex back, unlocked, and free it. NULL does nothing. */
void dso_mutex_close(struct dso_mutex *mutex);

/*
 * dso_mutex_lock - lock. Without contention one compare-and-swap. *ret_token is the fencing token,
 * to be handed to other systems that refuse smaller ones than they have seen: 64 bits, larger than
 * that of every holder before of a mutex of that name at that storaged. So it is after the mutex
 * was deleted and made anew, and after storaged was restarted. Tokens grow by one with each holder,
 * and by more than one where the mutex was made anew, or was given to one who waited and did not
 * come for it; none is larger than INT64_MAX. Waits at most @timeout: a call that was not in time
 * found it locked, or given to another session that waits for it. A death is told as by a robust
 * mutex of POSIX. Returns 0, -EOWNERDEAD (locked, and *ret_token is set, but the holder before
 * ended while it had it: make good what it guards and call dso_mutex_consistent()),
 * -ENOTRECOVERABLE (such a one was unlocked without that; delete it), -EDEADLK (this session has it
 * locked).
 */
int dso_mutex_lock(struct dso_mutex *mutex, int64_t timeout, uint64_t *ret_token);
/* dso_mutex_unlock - unlock, and wake one who waits. Returns 0, -EPERM (it is not locked by this
 * handle, whether it was deleted or not). */
int dso_mutex_unlock(struct dso_mutex *mutex);
/* dso_mutex_consistent - what the mutex guards is whole again, after -EOWNERDEAD. Returns 0,
 * -EINVAL (it is not locked by this handle, or nobody died). */
int dso_mutex_consistent(struct dso_mutex *mutex);
/*
 * dso_mutex_force_unlock - take the mutex from its holder, if the newest token is @token still. The
 * next one has -EOWNERDEAD; the holder before, who may be at it still, has -EPERM when it unlocks:
 * only a fencing token keeps what it does from having an effect elsewhere. Returns 0, -EAGAIN (it
 * is not held with that token).
 */
int dso_mutex_force_unlock(struct dso_mutex *mutex, uint64_t token);
/* dso_mutex_holder - who has it at this moment: the owner number of a session, 0 for nobody, and
 * the newest token. */
int dso_mutex_holder(struct dso_mutex *mutex, uint32_t *ret_session, uint64_t *ret_token);

struct dso_rwlock_params {
	uint32_t readers;  /* at a time, 1 to DSO_RWLOCK_READERS_MAX; 0 at creation: 64 */
	uint32_t reserved; /* zero */
};

/* dso_rwlock_open - open the readers-writer lock @name, creating it when there is none. Errors
 * as for dso_counter_open(). */
int dso_rwlock_open(struct dso_session *session, const char *name,
		    const struct dso_rwlock_params *params, struct dso_rwlock **ret_rwlock);
/* dso_rwlock_close - give the lock back, unlocked, and free it. NULL does nothing. */
void dso_rwlock_close(struct dso_rwlock *rwlock);

/*
 * dso_rwlock_rdlock - lock for reading. One round trip without a writer. A reader that comes after
 * a writer waits for it, though others are reading still. Where more than the lock's readers want
 * to read, one too many waits for one of those who are in: give it enough. A session has the lock
 * once: where it has it by another handle, for reading or for writing, either lock fails with
 * -EDEADLK. Returns as dso_mutex_lock(), -EOWNERDEAD (locked, but a writer ended while it had it,
 * and no writer has said yet that it is consistent).
 */
int dso_rwlock_rdlock(struct dso_rwlock *rwlock, int64_t timeout);
/* dso_rwlock_wrlock - lock for writing: wait for the writer before, then for all readers.
 * Returns as dso_mutex_lock(). */
int dso_rwlock_wrlock(struct dso_rwlock *rwlock, int64_t timeout);
/* dso_rwlock_unlock - unlock, either way. Returns 0, -EPERM (it is not locked by this handle). */
int dso_rwlock_unlock(struct dso_rwlock *rwlock);
/* dso_rwlock_consistent - as dso_mutex_consistent(), by a writer. Returns as
 * dso_mutex_consistent(). */
int dso_rwlock_consistent(struct dso_rwlock *rwlock);

struct dso_semaphore_params {
	/* 1 to DSO_SEMAPHORE_PERMITS_MAX; 0: those of the semaphore that is there */
	uint32_t permits;
	uint32_t reserved; /* zero */
};

/* dso_semaphore_open - open the semaphore @name; to create it, say how many permits it has.
 * Errors as for dso_counter_open(). */
int dso_semaphore_open(struct dso_session *session, const char *name,
		       const struct dso_semaphore_params *params,
		       struct dso_semaphore **ret_semaphore);
/* dso_semaphore_close - give the permits of this handle back, and free it. NULL does nothing. */
void dso_semaphore_close(struct dso_semaphore *semaphore);
/*
 * dso_semaphore_acquire - take @count permits, all or none. Permits belong to who took them, who
 * alone can release them, and come back when its session ends. (To signal to another, take a
 * condition, a latch or a future.) Those who wait are served in the order in which they came, as
 * far as there is enough for them: one who wants several permits is passed by, but not for long.
 * Behind 64 releases it has a turn, in which the permits that come back are kept for it: sessions
 * that hold none get none meanwhile. Where its session is frozen, its turn is over a second later.
 * Returns 0, -EINVAL (@count is 0, or more than there are).
 */
int dso_semaphore_acquire(struct dso_semaphore *semaphore, uint32_t count, int64_t timeout);
/* dso_semaphore_release - give @count permits back. Returns 0, -EPERM (this handle has fewer),
 * -EINVAL (@count is 0). */
int dso_semaphore_release(struct dso_semaphore *semaphore, uint32_t count);
/* dso_semaphore_available - how many permits nobody has at this moment. */
int dso_semaphore_available(struct dso_semaphore *semaphore, uint32_t *ret_count);

struct dso_barrier_params {
	uint32_t parties;  /* 1 to DSO_BARRIER_PARTIES_MAX; 0: those of the barrier that is there */
	uint32_t reserved; /* zero */
};

/*
 * dso_barrier_open - open the barrier @name; to create it, say how many parties it has. A session
 * that has the barrier open is no party yet: it becomes one with its first dso_barrier_wait(), and
 * is one until it closes the barrier. When the session of a party ends without dso_close(), the
 * barrier breaks. Errors as for dso_counter_open().
 */
int dso_barrier_open(struct dso_session *session, const char *name,
		     const struct dso_barrier_params *params, struct dso_barrier **ret_barrier);
/* dso_barrier_close - free it; the session is no party any more. NULL does nothing. */
void dso_barrier_close(struct dso_barrier *barrier);
/*
 * dso_barrier_wait - wait until as many have come as there are parties; then all go on, and the
 * barrier is as new. *ret_last is 1 for the last to come, one a round, else 0. Who leaves without
 * the others, with -ETIMEDOUT or -ECANCELED, breaks it. More sessions than parties may wait at a
 * barrier: those who are too many for one round are counted for the next. A session that ends
 * before its wait has made it a party breaks nothing, and the others wait for another. Returns 0,
 * -ENOTRECOVERABLE (it is broken, or was reset; or all came, and behind that seven rounds more have
 * ended, one of them by a reset, before this party looked).
 */
int dso_barrier_wait(struct dso_barrier *barrier, int64_t timeout, int *ret_last);
/* dso_barrier_reset - make it as new. Who waits there gets -ENOTRECOVERABLE, however late it
 * looks. */
int dso_barrier_reset(struct dso_barrier *barrier);
/* dso_barrier_stat - its parties, how many have come in this round, and whether it is broken. */
int dso_barrier_stat(struct dso_barrier *barrier, uint32_t *ret_parties, uint32_t *ret_waiting,
		     int *ret_broken);

struct dso_latch_params {
	int64_t count;     /* that it begins with, at least 1; 0: that of the latch that is there */
	uint64_t reserved; /* zero */
};

/* dso_latch_open - open the latch @name; to create it, say what count it begins with. Errors as for
 * dso_counter_open(). */
int dso_latch_open(struct dso_session *session, const char *name,
		   const struct dso_latch_params *params, struct dso_latch **ret_latch);
/* dso_latch_close - free it. NULL does nothing. */
void dso_latch_close(struct dso_latch *latch);
/* dso_latch_count_down - take @n off the count, which stops at 0, where all who wait go on.
 * *ret_count is what is left. Returns 0, -EINVAL (@n is less than 1). */
int dso_latch_count_down(struct dso_latch *latch, int64_t n, int64_t *ret_count);
/* dso_latch_wait - wait until the count is 0. */
int dso_latch_wait(struct dso_latch *latch, int64_t timeout);
/* dso_latch_count - what is left at this moment. */
int dso_latch_count(struct dso_latch *latch, int64_t *ret_count);

struct dso_condition_params {
	uint64_t reserved; /* zero */
};

/* dso_condition_open - open the condition variable @name, creating it when there is none. Errors
 * as for dso_counter_open(). */
int dso_condition_open(struct dso_session *session, const char *name,
		       const struct dso_condition_params *params,
		       struct dso_condition **ret_condition);
/* dso_condition_close - free it. NULL does nothing. */
void dso_condition_close(struct dso_condition *condition);
/*
 * dso_condition_wait - unlock @mutex, which is locked by this handle, wait for a signal, and lock
 * it again, however long that takes. It may return without a signal: look again at what is waited
 * for. Returns 0, -ETIMEDOUT, -ECANCELED, and what dso_mutex_lock() returns, which comes first:
 * also with -EOWNERDEAD, -ETIMEDOUT and -ECANCELED the mutex is locked; -EPERM (@mutex is not
 * locked by this handle), -EINVAL (it is another session's).
 */
int dso_condition_wait(struct dso_condition *condition, struct dso_mutex *mutex, int64_t timeout);
/* dso_condition_signal - wake one who waits. */
int dso_condition_signal(struct dso_condition *condition);
/* dso_condition_broadcast - wake all who wait. */
int dso_condition_broadcast(struct dso_condition *condition);

struct dso_once_params {
	uint64_t reserved; /* zero */
};

/* dso_once_open - open the once @name, creating it when there is none. Errors as for
 * dso_counter_open(). */
int dso_once_open(struct dso_session *session, const char *name,
		  const struct dso_once_params *params, struct dso_once **ret_once);
/* dso_once_close - free it. What was begun and not done is for the next one to do. NULL does
 * nothing. */
void dso_once_close(struct dso_once *once);
/*
 * dso_once_begin - *ret_mine is 1 for the one who is to do it now, and 0 when it was done; while
 * another is at it, it waits. When that one's session ends before dso_once_done(), the next is told
 * to do it. Returns 0, -EDEADLK (this session is at it).
 */
int dso_once_begin(struct dso_once *once, int64_t timeout, int *ret_mine);
/* dso_once_done - it was done, for ever. Returns 0, -EPERM (this handle has not begun). */
int dso_once_done(struct dso_once *once);
/* dso_once_abandon - it could not be done: the next one is to do it. Returns as dso_once_done(). */
int dso_once_abandon(struct dso_once *once);

struct dso_future_params {
	/* of its value, 1 to DSO_FUTURE_BYTES_MAX; 0: undecided, see below */
	uint64_t capacity_bytes;
	uint64_t reserved; /* zero */
};

/*
 * dso_future_open - open the future @name, creating it when there is none. The capacity is decided
 * by the first who opens it with one, whoever created it; as long as it is undecided it is 4096,
 * and setting a longer value decides. A handle that was opened before a capacity was decided may
 * still set as many bytes as it was then, and everybody reads them. So who waits for a future opens
 * it without. Errors as for dso_counter_open().
 */
int dso_future_open(struct dso_session *session, const char *name,
		    const struct dso_future_params *params, struct dso_future **ret_future);
/* dso_future_close - free it. What was promised and not set is a broken promise. NULL does
 * nothing. */
void dso_future_close(struct dso_future *future);
/*
 * dso_future_promise - say that this session will set it. When the session ends before it did, the
 * promise is broken for ever: who gets has -EOWNERDEAD at once, and a new one takes deleting it.
 * Returns 0 (also where this handle has promised it), -EALREADY (it was set, or another session has
 * promised it, or broken a promise), -EDEADLK (this session has promised it by another handle).
 */
int dso_future_promise(struct dso_future *future);
/*
 * dso_future_set - set the value, for ever, and wake who waits. One control round trip where it
 * decides the capacity. The first one wins. Returns 0, -EALREADY (it was set before, or another
 * session has promised it, or broken a promise), -EDEADLK (this session has promised it by another
 * handle), -EMSGSIZE (more than the capacity), and where it decides also -ENOSPC, -ENFILE, -EMFILE,
 * -ETIMEDOUT, -ENOMEM, as dso_counter_open().
 */
int dso_future_set(struct dso_future *future, const void *value, size_t length_bytes);
/* dso_future_set_error - set it to an error, of which @sentence tells, which may be empty (NULL:
 * it is). It is cut at the capacity, if that was decided. Returns as dso_future_set(). */
int dso_future_set_error(struct dso_future *future, const char *sentence);
/*
 * dso_future_get - wait until it is set, and read the value. One control round trip more where the
 * value is longer than 4096 bytes and this handle was opened before that was decided. Returns 0,
 * -EMSGSIZE (the buffer is too small; *ret_length, also set then, is what it takes), -EREMOTEIO (it
 * was set to an error; dso_error() has its sentence, or the first 1024 bytes of it at least),
 * -EOWNERDEAD (the promise was broken), -EBADMSG (what lies there was never set), -ENOMEM (there is
 * none for the sentence).
 */
int dso_future_get(struct dso_future *future, void *buffer, size_t buffer_bytes, int64_t timeout,
		   size_t *ret_length);
/* dso_future_is_done - whether a get would not wait: it was set, to a value or an error, or its
 * promise was broken. */
int dso_future_is_done(struct dso_future *future, int *ret_done);

DSO_DECLARATIONS_END

#endif
