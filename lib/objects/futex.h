/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a word to change, for the objects that block. Whoever waits first spins, with looks
 * further and further apart, for about a round trip of the control connection, and then parks at
 * storaged.
 */
#ifndef LIB_OBJECTS_FUTEX_H
#define LIB_OBJECTS_FUTEX_H

#include "lib/client/session.h"

#define FUTEX_ALL 1024 /* more than storaged wakes at once are none */

/* A deadline for a timeout as the public header has it: DSO_NOWAIT, DSO_FOREVER or nanoseconds.
 * Returns 0 or -EINVAL (another negative number). */
int futex_deadline(int64_t timeout, int64_t *ret_deadline_ns);

/* Of one wait: how long somebody may spin yet. */
struct spin {
	int64_t until_ns;
	unsigned pauses;
	bool parked; /* once already, and was woken in vain */
};

/* For how long a waiter spins before it parks. */
int64_t spin_ns(const struct dso_session *session);

/* The time that a waiter may spin, at most until @deadline_ns. */
struct spin spin_begin(const struct dso_session *session, int64_t deadline_ns);

/*
 * Let a moment pass, a longer one each time. Returns false when it was long enough. Where this
 * process reaches the memory itself, the moment ends when the word is other than @value; over a
 * network the caller's next atomic is what looks.
 */
bool spin_on(struct spin *spin, struct object *object, uint64_t offset, uint64_t value);

/*
 * Park while the word at @offset of the object (from its header) has the value @expected. Returns 0
 * when it is worth to look again: it was woken, or had another value; -ETIMEDOUT, -ECANCELED
 * (dso_interrupt), -ESTALE, -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP (storaged is too old).
 */
int futex_wait(struct object *object, uint64_t offset, uint64_t expected, int64_t deadline_ns);
/* Park while the owned word has an owner, whoever that is; storaged sets OWNED_WAITED in it.
 * Returns as futex_wait. */
int futex_wait_owned(struct object *object, uint64_t offset, int64_t deadline_ns);
/* Park as @park says (lib/core/park.h). Returns as futex_wait. With CONTROL_WAIT_TAKEN *ret_taken
 * is the word that was given to this session, or 0: it was not, and it is worth to look again. */
int futex_park(struct object *object, const struct park *park, int64_t deadline_ns,
	       uint64_t *ret_taken);

/* Wake up to @count of those parked on the word; does not wait for that to be done. Returns 0,
 * -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP. */
int futex_wake_quietly(struct object *object, uint64_t offset, uint32_t count);
/* The same; returns when it is done, with how many there were (ret_woken may be NULL). */
int futex_wake_counted(struct object *object, uint64_t offset, uint32_t count, uint32_t *ret_woken);

/* The same three after the caller has changed the word. Returns 0, -EOPNOTSUPP, or -ECONNRESET
 * where the session is over: the change has happened, and storaged wakes the waiters when it ends
 * the session. The first does not wait for storaged, the others do. */
int futex_wake(struct object *object, uint64_t offset, uint32_t count);
int futex_wake_some(struct object *object, uint64_t offset, uint32_t count, uint32_t *ret_woken);
int futex_wake_all(struct object *object, uint64_t offset);

#endif
