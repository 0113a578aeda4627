/* SPDX-License-Identifier: Apache-2.0 */
/* Running a command while dsoctl holds something for it, as flock(1) does: lock, semaphore run,
 * once, queue pop --lease. */
#ifndef TOOLS_DSOCTL_CHILD_H
#define TOOLS_DSOCTL_CHILD_H

#include "tools/dsoctl/dsoctl.h"

#include <pthread.h>

/* ---- waiting for it ---- */

struct wait {
	pthread_t thread;
	struct dso_session *session;
	int signal;
};

/*
 * From here to the end of dsoctl, signals that would end dsoctl are kept. A signal that comes
 * before wait_end() ends the wait of the session with -ECANCELED. Returns 0 or a negative errno.
 */
int wait_begin(struct wait *wait, struct dsoctl *ctl);

/* Whether a signal came: then the caller gives back what it got and returns, and main() ends dsoctl
 * by that signal. */
bool wait_end(struct wait *wait, struct dsoctl *ctl);

/* ---- running it ---- */

/*
 * Run the command @words (which ends with NULL), and pass on to it the signals that dsoctl gets.
 * *ret_status is its exit status, or 128 and the signal that ended it, or 126 or 127 when it could
 * not be started. Returns 0; or a negative errno when the session was lost meanwhile, after the
 * command was ended and stderr was told.
 */
int command_run(struct dsoctl *ctl, char **words, enum exit_status *ret_status);

#endif
