/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guard is a process that kills process groups when dsoctl ends, in whatever way: a dsoctl that
 * is killed leaves nothing of them. It has a session of its own, so that no signal for dsoctl's
 * process group or terminal reaches it.
 */
#ifndef TOOLS_DSOCTL_GUARD_H
#define TOOLS_DSOCTL_GUARD_H

#include <stdatomic.h>
#include <sys/types.h>

struct guard {
	pid_t pid; /* 0: there is no guard */
	int end;   /* the writing end of a pipe, which closes with dsoctl */
	unsigned count;
	/* Shared with every child. 0: none. A child writes its own before it runs a program; dsoctl
	 * takes it out before it reaps that process, while no other can have its number. */
	_Atomic pid_t *groups;
};

/* Returns 0 or a negative errno. */
int guard_start(struct guard *guard, unsigned count);

/* The groups that are left are killed, too. */
void guard_end(struct guard *guard);

#endif
