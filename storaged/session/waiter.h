/* SPDX-License-Identifier: Apache-2.0 */
/* A session that is parked on a word, or was: what futex.c and grants.c know of a session. */
#ifndef STORAGED_SESSION_WAITER_H
#define STORAGED_SESSION_WAITER_H

#include "lib/core/waitlist.h"
#include "lib/store/store.h"
#include "lib/core/deadlines.h"
#include "storaged/namespace.h"
#include "storaged/session/client.h"
#include "storaged/session/fence.h"

/* The last of a session; a session has one wait at a time, and begins another one only after it
 * took up what the one before gave it, or found it taken back. */
struct grant {
	/* alone: there is none, or it was taken up */
	struct deadline deadline;
	uint32_t handle;
	/* offset of its header */
	uint64_t object;
	/* offset in the region */
	uint64_t word;
	/* as it was given; 0: the session was only woken */
	uint64_t value;
	/* that found it not taken up, */
	unsigned looks;
	/* and of them those that came late */
	unsigned late;
	/* grants in a row that were taken back */
	unsigned missed;
};

/* Of each session, which has one wait at a time. */
struct waiter {
	const struct name_space *space;
	const struct store_opener *opener;
	/* NULL: the session is over */
	struct client *client;
	/* over which it takes up what it is given */
	const struct fences *fences;
	struct parked parked;
	uint32_t handle;
	/* to be answered */
	uint32_t request;
	/* of the wait before, or this one */
	struct grant grant;
};

static inline void waiter_init(struct waiter *waiter, const struct name_space *space,
			       const struct store_opener *opener, struct client *client,
			       const struct fences *fences)
{
	*waiter = (struct waiter){
		.space = space, .opener = opener, .client = client, .fences = fences};
	parked_init(&waiter->parked);
	list_init(&waiter->grant.deadline.link);
}

#endif
