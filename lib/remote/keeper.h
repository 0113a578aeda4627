/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: one thread a process that reads the control connections of all its sessions and sends
 * their heartbeats, off the data path. It runs while there is a session.
 */
#ifndef LIB_REMOTE_KEEPER_H
#define LIB_REMOTE_KEEPER_H

#include "lib/core/due.h"
#include "lib/core/patience.h"

#include <stdbool.h>
#include <stdint.h>

/* Somebody whom the keeper looks after; embedded in the user's struct. Its calls come from the
 * keeper's thread, one at a time, and none comes after keeper_remove returned. */
struct keeper_client {
	struct due due; /* the keeper's; the first member */
	int fd;         /* watched for input; -1 when there is nothing to watch any more */
	/* There is input. Returns false when the descriptor is not to be watched any more. */
	bool (*readable)(struct keeper_client *client);
	/* Time passed, or there was input. Returns when to call next, CLOCK_MONOTONIC ns. */
	int64_t (*tick)(struct keeper_client *client, int64_t now_ns);
	/* In a forked child, from the child's only thread: the keeper does not exist here. */
	void (*forked)(struct keeper_client *client);
	bool added; /* the keeper's */
};

/* Returns 0 or a negative errno. */
int keeper_add(struct keeper_client *client);
/* Does nothing for a client that is not there (any more). */
void keeper_remove(struct keeper_client *client);
/* Whether its descriptor is watched; at first it is. May be called from any thread; a call of
 * readable() may be under way. */
void keeper_watch(struct keeper_client *client, bool watched);

/*
 * Patience with storaged, by a clock that stands while the keeper's thread wants to run and is not
 * let: a machine that is too busy for the keeper may be so for storaged too.
 */
void keeper_patience_begin(struct patience *patience, int64_t whole_ns);
bool keeper_patience_is_over(struct patience *patience);
/* When to look next, CLOCK_MONOTONIC ns. */
int64_t keeper_patience_until_ns(const struct patience *patience);

/* Around fork(): see lib/client/fork.c. The keeper has its locks while the process forks; it does
 * not go on in the child. */
void keeper_before_fork(void);
void keeper_after_fork_in_parent(void);
void keeper_after_fork_in_child(void);

/* Whether keeper_barrier works here: the kernel may lack membarrier(2) or a seccomp profile refuse
 * it. */
bool keeper_has_barrier(void);
/* Have every thread of this process run a full memory barrier. */
void keeper_barrier(void);

#endif
