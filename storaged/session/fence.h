/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences: the paths over which a session's client reaches memory. A data connection, a queue pair
 * and a process that has the arena mapped each register a fence with the session, for as long as
 * anything of them can land. When the session is over, each fence is asked to close its path, and
 * each reports when nothing can reach memory over it any more. Only after the last of them is the
 * session swept. Each kind of path knows its own details.
 */
#ifndef STORAGED_SESSION_FENCE_H
#define STORAGED_SESSION_FENCE_H

#include "proto/control.h"
#include "lib/core/list.h"
#include "storaged/session/ends.h"

struct fence;

/* A kind of path. */
struct fence_ops {
	/* The session is over, for @why: close the path. Does not block. fence_closed follows, in
	 * this call or later; it may have been on its way before. */
	void (*close)(struct fence *fence, enum session_end why);
	/* The client is about to use the path: whoever serves it is to be awake. NULL: nobody
	 * sleeps there. */
	void (*expect)(struct fence *fence);
	/* For people: what keeps the path open, where closing it is up to the client. NULL:
	 * storaged closes it by itself, and waits for that when it ends. */
	const char *open_while;
};

struct fence {
	const struct fence_ops *ops;
	struct fences *fences;
	/* in fences->open */
	struct list link;
	enum control_transport transport;
	/* The path carries nothing new any more, though something of it may still land. */
	bool has_ended;
};

/* Of a session. */
struct fences {
	struct list open;
	/* to close */
	bool were_asked;
	/* Nothing can reach memory any more: all fences were asked, and none is open. Called
	 * once. */
	void (*all_closed)(struct fences *fences);
};

void fences_init(struct fences *fences, void (*all_closed)(struct fences *fences));
/* A path of @transport begins; @fence is embedded in it. */
void fence_open(struct fences *fences, struct fence *fence, const struct fence_ops *ops,
		enum control_transport transport);
/* Nothing can reach memory over @fence any more. */
void fence_closed(struct fence *fence);
/* The session is over, for @why: ask all fences to close. */
void fences_close(struct fences *fences, enum session_end why);

/* The client is about to use a path. */
void fences_expect(const struct fences *fences);

/* How many paths of the kind @ops are open. */
unsigned fences_count(const struct fences *fences, const struct fence_ops *ops);
/* A fence of the kind @ops; NULL: there is none. */
struct fence *fences_find(const struct fences *fences, const struct fence_ops *ops);
/* Whether there is a path of @transport that has not ended. */
bool fences_carry(const struct fences *fences, enum control_transport transport);
/* Whether there are paths that storaged closes by itself. */
bool fences_are_closing(const struct fences *fences);
/* What keeps a path open that only the client closes; NULL: there is no such path. */
const char *fences_open_while(const struct fences *fences);

#endif
