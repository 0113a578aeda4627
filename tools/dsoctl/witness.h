/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A witness is a process in dsoctl's process group that does nothing but remember the signals that
 * it gets. A signal that the witness got was sent to the whole group (Ctrl-C, kill -TERM -PGID), so
 * the command has it too.
 */
#ifndef TOOLS_DSOCTL_WITNESS_H
#define TOOLS_DSOCTL_WITNESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct witness {
	pid_t pid;    /* 0: there is no witness, and it has got no signal */
	int answer;   /* the reading end of a pipe */
	uint64_t got; /* bit N - 1: signal N came, and was not asked for yet */
};

/* Start the witness, which remembers the signals of @set. SIGRTMAX is blocked already. Returns 0 or
 * a negative errno. */
int witness_start(struct witness *witness, const sigset_t *set);

/* Whether it has got @signal_number since that signal was last asked for. */
bool witness_has_got(struct witness *witness, int signal_number);

void witness_end(struct witness *witness);

#endif
