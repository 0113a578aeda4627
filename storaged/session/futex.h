/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote futex: sessions parked on words, until somebody wakes them. What a word means is the
 * objects' affair; here it is looked at after the session was parked (lib/core/park.h), and when
 * somebody is to be woken.
 *
 * Whoever changes a word and means to wake may die between the two. So when a session has ended,
 * everybody who is parked on an object that it had open, and has nothing to wait for any more, is
 * woken: see futex_recheck.
 *
 * Those parked on an object are woken in the order in which they came; who was woken in vain keeps
 * its place. A session may want more of what a WAKE tells of than there is, as several permits: it
 * is passed by, and counts that (lib/core/park.h). Who waits to take an owned word is woken when
 * storaged has taken it for him; for anybody else the word is anybody's who is there first.
 *
 * A word that was given away stands idle until its new owner has come, which takes as long as some
 * turns of those who need not be woken. So for FUTEX_PAUSE_NS behind that it is not given away
 * again: whoever comes parks, or takes it by himself, and when the pause is over, it is looked at.
 * As parking_lot's mutexes (A. d'Antras) are fair "eventually".
 */
#ifndef STORAGED_SESSION_FUTEX_H
#define STORAGED_SESSION_FUTEX_H

#include "storaged/loop.h"
#include "storaged/session/waiter.h"

#define FUTEX_RECHECK_MAX 64                    /* words looked at in one go */
#define FUTEX_WAKE_MAX    1024                  /* sessions woken by one WAKE */
#define FUTEX_PAUSE_NS    (300 * INT64_C(1000)) /* a few ways of a wake-up */

struct bucket {
	struct list parked;
	/* a word that was given away: until then it is not again */
	struct deadline pause;
	const struct name_space *space;
	uint64_t object, word;
};

struct futexes {
	/* by object */
	struct bucket *buckets;
	/* that were given out */
	uint64_t places;
	/* of sessions, at this moment */
	uint32_t parked_count;
	uint32_t mask;
	struct deadlines pauses, grants;
	struct source timer;
	struct loop *loop;
};

/* For up to @waiters_max sessions. Returns 0 or a negative errno; futexes_close is due either
 * way. */
int futexes_open(struct futexes *futexes, struct loop *loop, uint32_t waiters_max);
void futexes_close(struct futexes *futexes);

static inline bool futex_is_parked(const struct waiter *waiter)
{
	return !list_empty(&waiter->link);
}

/* Park @waiter, for its request @request, on the word at park->offset of the object of @reference,
 * which it has open; and look at the word. @again: it was woken from there in vain, and keeps its
 * place. */
void futex_wait(struct futexes *futexes, struct waiter *waiter,
		const struct store_reference *reference, const struct park *park, uint32_t request,
		bool again);
/* Wake up to @count of those who are parked on the word at @offset of the object of @reference.
 * Returns how many were woken. */
uint32_t futex_wake(struct futexes *futexes, const struct name_space *space,
		    const struct store_reference *reference, uint64_t offset, uint32_t count);
/* Its client does not wait any longer: it is answered with CANCELLED, unless it can be given
 * what it waits for. */
void futex_cancel(struct futexes *futexes, struct waiter *waiter);

/* Answer the session's wait, if it has one, with @status. */
void futex_answer(struct waiter *waiter, enum wire_status status);
/* The same where the wait is on the open @handle. */
void futex_answer_of(struct waiter *waiter, uint32_t handle, enum wire_status status);
/* Its client gives @handle back: it is parked there no more, and what it was given is not looked
 * at: the memory may become another object's. */
void futex_handle_closed(struct waiter *waiter, uint32_t handle);
/* The session is over: there is nobody to be answered. A word that was given to it, and not taken
 * up, goes to the next even before the session is swept. */
void futex_forget(struct waiter *waiter);

/* Wake everybody who is parked on the object of @reference. */
void futex_wake_object(struct futexes *futexes, const struct name_space *space,
		       const struct store_reference *reference);
/* The same for those who have nothing to wait for any more. */
void futex_recheck(struct futexes *futexes, const struct name_space *space,
		   const struct store_reference *reference);

#endif
