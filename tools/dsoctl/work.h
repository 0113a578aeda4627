/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work that something is held for: the command, and every process that it has started, as far
 * as /proc shows them. dsoctl is their subreaper, so that whatever outlives its parent becomes a
 * child of dsoctl.
 *
 * A daemon is not part of the work: a process that began a session of its own (setsid) and whose
 * parent has ended. It was detached on purpose, and may outlive what is held.
 */
#ifndef TOOLS_DSOCTL_WORK_H
#define TOOLS_DSOCTL_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
	pid_t pid, parent, session;
	/* In ticks since boot: tells a process from a later one of the same pid. */
	unsigned long long started;
	bool in_work;
};

/* By pid. */
struct processes {
	struct process *list;
	size_t count, room;
};

struct work {
	pid_t command;              /* 0: it has ended and was reaped */
	struct processes strangers; /* children that dsoctl has before it: of exec, its witness */
	struct processes seen;      /* the work as work_remember() found it */
};

/* Before the command is started. */
void work_begin(struct work *work);

/* Whether anything of it is left. */
bool work_is_left(const struct work *work);

/*
 * From here on, whoever is part of the work at this moment stays part of it: a signal that ends a
 * parent makes no daemon of its child.
 */
void work_remember(struct work *work);

/*
 * Send @signal_number to all of it; with @but_group not to those in dsoctl's process group, who
 * have got it already.
 */
void work_signal(const struct work *work, int signal_number, bool but_group);

void work_free(struct work *work);

#endif
