/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work that dsoctl holds something for: the command, and every process that it has started, as
 * far as /proc shows them. dsoctl is their subreaper, so that a process that outlives its parent
 * becomes a child of dsoctl.
 *
 * A daemon is not part of the work. That is a process that began a session of its own (setsid) and
 * whose parent has ended. It was detached on purpose, and may outlive the hold.
 */
#ifndef TOOLS_DSOCTL_WORK_H
#define TOOLS_DSOCTL_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
	pid_t pid, parent, session;
	/* in ticks since boot: distinguishes a process from a later one with the same pid */
	unsigned long long started;
	bool in_work;
};

/* By pid. */
struct processes {
	struct process *list;
	size_t count, room;
};

struct work {
	pid_t command; /* 0: it has ended and was reaped */
	/* the children that dsoctl has before the command: of exec, and its witness */
	struct processes strangers;
	struct processes seen; /* the work as work_remember() found it */
};

/* To be called before the command is started. */
void work_begin(struct work *work);

/* Whether anything of it is left. */
bool work_is_left(const struct work *work);

/*
 * From here on, every process that is part of the work at this moment stays part of it: a signal
 * that ends its parent makes it no daemon.
 */
void work_remember(struct work *work);

/*
 * Send @signal_number to all of the work; with @but_group not to the processes of dsoctl's process
 * group, which have got it already.
 */
void work_signal(const struct work *work, int signal_number, bool but_group);

void work_free(struct work *work);

#endif
