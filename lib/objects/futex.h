/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a word to change, for the objects that block. A waiter first spins, with looks
 * further and further apart, for about a round trip of the control connection, and then parks at
 * storaged.
 */
#ifndef LIB_OBJECTS_FUTEX_H
#define LIB_OBJECTS_FUTEX_H

#include "lib/client/session.h"

#define FUTEX_ALL 1024 /* storaged wakes no more at once */

/* The deadline of a timeout of the public header: DSO_NOWAIT, DSO_FOREVER or nanoseconds. Returns 0
 * or -EINVAL (another negative number). */
int futex_deadline(int64_t timeout, int64_t *ret_deadline_ns);

/* How long one waiter may still spin. */
struct spin {
	int64_t until_ns;
	unsigned pauses;
	bool parked; /* it has parked before, and was woken in vain */
};

/* For how long a waiter spins before it parks. */
int64_t spin_ns(const struct dso_session *session);

/* Begin to spin, until @deadline_ns at most. */
struct spin spin_begin(const struct dso_session *session, int64_t deadline_ns);

/*
 * Let a moment pass, a longer one each time. Returns false when the waiter has spun long enough.
 * Where this process reaches the memory itself, the moment ends as soon as the word differs from
 * @value. Over a network it does not look: the caller's next atomic does.
 */
bool spin_on(struct spin *spin, struct object *object, uint64_t offset, uint64_t value);

/*
 * Park while the word at @offset of the object (from its header) is @expected. Returns 0 when the
 * caller should look again, because it was woken or the word had another value; -ETIMEDOUT,
 * -ECANCELED (dso_interrupt), -ESTALE, -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP (storaged is too old).
 */
int futex_wait(struct object *object, uint64_t offset, uint64_t expected, int64_t deadline_ns);
/* Park while the owned word has an owner, any owner; storaged sets OWNED_WAITED in it. Returns as
 * futex_wait. */
int futex_wait_owned(struct object *object, uint64_t offset, int64_t deadline_ns);
/* Park as @park says (lib/core/park.h). Returns as futex_wait. With CONTROL_WAIT_TAKEN *ret_taken
 * is the word that storaged gave to this session, or 0: it gave none, and the caller should look
 * again. */
int futex_park(struct object *object, const struct park *park, int64_t deadline_ns,
	       uint64_t *ret_taken);

/* Wake up to @count of the waiters parked on the word, without waiting for storaged's answer.
 * Returns 0, -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP. */
int futex_wake_quietly(struct object *object, uint64_t offset, uint32_t count);
/* The same, with storaged's answer: how many were woken (ret_woken may be NULL). */
int futex_wake_counted(struct object *object, uint64_t offset, uint32_t count, uint32_t *ret_woken);

/* The same three after the caller has changed the word. Returns 0, -EOPNOTSUPP, or -ECONNRESET
 * where the session is over: the change has happened, and storaged wakes the waiters when it ends
 * the session. The first does not wait for storaged, the others do. */
int futex_wake(struct object *object, uint64_t offset, uint32_t count);
int futex_wake_some(struct object *object, uint64_t offset, uint32_t count, uint32_t *ret_woken);
int futex_wake_all(struct object *object, uint64_t offset);

#endif
