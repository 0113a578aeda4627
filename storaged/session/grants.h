/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants: words that storaged gave to sessions that were parked on them (OWNED_GRANTED,
 * proto/layout.h). The session takes the word up by a one-sided atomic, of which storaged is not
 * told. So it looks at the word some time later: a session that has not taken it up by then is
 * frozen, gone or slow. storaged takes the word back, by the exact compare-and-swap, and gives it
 * to the next that is parked there. A session that comes too late finds another word.
 *
 * How long a session has: four of its round trips as the kernel measures them on its control
 * connection, but at least GRANT_LOOKS_MIN times GRANT_NS, twice that after every grant that it
 * missed, and at most GRANT_LOOKS_MAX times.
 *
 * When storaged stood still, so perhaps did the session, on the same host or behind the same
 * switch: a look that comes late by as much as lies between two of them says nothing of the
 * session, and does not count. A standstill that ended just in time is why there are two looks at
 * least. A storaged that is late always gives up after GRANT_LOOKS_MAX of any kind.
 */
#ifndef STORAGED_SESSION_GRANTS_H
#define STORAGED_SESSION_GRANTS_H

#include "storaged/session/waiter.h"

#define GRANT_NS        (50 * INT64_C(1000000)) /* between looks at a word that was given */
#define GRANT_LOOKS_MIN 2
#define GRANT_LOOKS_MAX 20

/*
 * A wake-up is watched likewise: a session that was woken for permits of a semaphore, and frozen,
 * leaves them to nobody. If there are free ones later, the next one is woken.
 */

/* The word that @waiter is parked on was given to it as @value. */
void grant_begin(struct deadlines *grants, struct waiter *waiter, uint64_t value, int64_t now_ns);
/* It was taken up, or does not matter any more. */
void grant_end(struct grant *grant);

/* Look at the words that were given GRANT_NS ago or earlier. Returns true at the first that was
 * taken back, or only woken for, and of which others are to be told now: the one in the grant of
 * *ret_waiter. To be called until it returns false. */
bool grants_check(struct deadlines *grants, int64_t now_ns, struct waiter **ret_waiter);

#endif
