/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote futex: sessions that are parked on words (WAIT), until another client wakes them
 * (WAKE). Which waiter is woken when, and what it is given, is the waitlist's affair
 * (lib/core/waitlist.h). Here are the answers to WAIT, the timer, and what comes after a word was
 * given to a session: a grant (storaged/session/grants.h).
 */
#ifndef STORAGED_SESSION_FUTEX_H
#define STORAGED_SESSION_FUTEX_H

#include "storaged/loop.h"
#include "storaged/session/waiter.h"

#define FUTEX_WAKE_MAX 1024 /* sessions woken by one WAKE */

struct futexes {
	struct waitlist waiters;
	struct deadlines grants;
	/* grants that were not taken up in time */
	uint64_t grants_missed;
	struct source timer;
	/* when the timer goes off; INT64_MAX: never */
	int64_t timer_ns;
	/* before that no sum is looked at, so that looks take no more than their share of time */
	int64_t looks_from_ns;
	struct loop *loop;
};

/* For up to @waiters_max sessions. Returns 0 or a negative errno; futexes_close is due either
 * way. */
int futexes_open(struct futexes *futexes, struct loop *loop, uint32_t waiters_max);
void futexes_close(struct futexes *futexes);

static inline bool futex_is_parked(const struct waiter *waiter)
{
	return waitlist_is_parked(&waiter->parked);
}

/* Park @waiter, for its request @request, on the word at park->offset of the object of @reference,
 * which it has open; and look at the word. */
void futex_wait(struct futexes *futexes, struct waiter *waiter,
		const struct store_reference *reference, const struct park *park, uint32_t request);
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
