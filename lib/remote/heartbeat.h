/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heartbeat thread, one in a process. It reads the control connections of all sessions of the
 * process and sends their heartbeats, off the data path. It runs while there is a session.
 */
#ifndef LIB_REMOTE_HEARTBEAT_H
#define LIB_REMOTE_HEARTBEAT_H

#include "lib/core/due.h"
#include "lib/core/peer_timeout.h"

#include <stdbool.h>
#include <stdint.h>

/* A session's control connection, embedded in the user's struct. The heartbeat thread makes its
 * calls, one at a time, and none comes after heartbeat_remove returned. */
struct heartbeat_client {
	/* the heartbeat thread's; the first member */
	struct due due;
	/* watched for input; -1: nothing is watched any more */
	int fd;
	/* There is input. Returns false when the descriptor need not be watched any more. */
	bool (*readable)(struct heartbeat_client *client);
	/* Time passed, or there was input. Returns when to call next, CLOCK_MONOTONIC ns. */
	int64_t (*tick)(struct heartbeat_client *client, int64_t now_ns);
	/* In a forked child, from the child's only thread: there is no heartbeat thread here. */
	void (*forked)(struct heartbeat_client *client);
	/* the heartbeat thread's */
	bool added;
};

/* Returns 0 or a negative errno. */
int heartbeat_add(struct heartbeat_client *client);
/* Does nothing for a client that was not added, or was removed. */
void heartbeat_remove(struct heartbeat_client *client);
/* Watch the client's descriptor, or do not; at first it is watched. Any thread may call it, also
 * during a call of readable(). */
void heartbeat_watch(struct heartbeat_client *client, bool watched);

/*
 * Timeouts of storaged, by a clock that stands still while the heartbeat thread wants to run and
 * gets no processor: a machine that is too busy for this thread may be too busy for storaged, too.
 */
void heartbeat_timeout_begin(struct peer_timeout *timeout, int64_t whole_ns);
bool heartbeat_timeout_is_over(struct peer_timeout *timeout);
/* When to look next, CLOCK_MONOTONIC ns. */
int64_t heartbeat_timeout_until_ns(const struct peer_timeout *timeout);

/* Around fork(): see lib/client/fork.c. The heartbeat thread's locks are held while the process
 * forks; the thread does not go on in the child. */
void heartbeat_before_fork(void);
void heartbeat_after_fork_in_parent(void);
void heartbeat_after_fork_in_child(void);

#endif
