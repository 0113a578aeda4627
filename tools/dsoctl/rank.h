/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank: one of the processes that dsoctl run starts, on this host. It leads a process group of
 * its own, with which it is signalled and ended. Nothing else in dsoctl run knows how a rank runs.
 */
#ifndef TOOLS_DSOCTL_RANK_H
#define TOOLS_DSOCTL_RANK_H

#include "tools/dsoctl/guard.h"
#include "tools/dsoctl/lines.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define RANKS_MAX 1024

/* Of what a rank writes. */
enum { RANK_STDOUT, RANK_STDERR, RANK_STREAMS };

struct rank {
	unsigned number;
	unsigned attempts; /* how often it was started */
	pid_t pid;         /* 0: it does not run */
	int wait_status;   /* of the last attempt that has ended */
	bool is_over;      /* it is not started any more */
	struct stream streams[RANK_STREAMS];
};

/* What all ranks have in common. */
struct rank_setting {
	char **words;          /* the program and its arguments, ending with NULL */
	const char *directory; /* where what they write goes; NULL: to their streams */
	bool has_marks;        /* in front of lines */
	sigset_t mask;         /* of signals, for the program */
	struct guard *guard;
};

/*
 * Start it, with DSO_RANK and DSO_ATTEMPT. Rank 0 has dsoctl's stdin, unless that is a terminal.
 * Blocks until the program runs. Returns 0, or a negative errno: -ENOENT and others of exec().
 */
int rank_start(struct rank *rank, const struct rank_setting *setting);

/* To all of its process group, also one that is stopped. */
void rank_signal(const struct rank *rank, int signal_number);

/* Whether it has ended by now, which is true once. What it has left in its process group is
 * killed. */
bool rank_has_ended(struct rank *rank, const struct rank_setting *setting);

/* Whether all that it has written is read. */
bool rank_is_read(const struct rank *rank);

#endif
