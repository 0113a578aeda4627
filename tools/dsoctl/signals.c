/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/signals.h"

/* By default these stop a process, let it go on, or are ignored. All others end it. */
static const int do_not_end[] = {SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP,
				 SIGTTIN, SIGTTOU, SIGURG,  SIGWINCH};

sigset_t ending_signals(void)
{
	struct sigaction action;
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGKILL);
	for (size_t i = 0; i < sizeof do_not_end / sizeof *do_not_end; i++)
		sigdelset(&set, do_not_end[i]);
	/* What nohup or a shell made dsoctl ignore stays ignored: once blocked, it would be
	 * delivered. */
	for (int number = 1; number <= SIGRTMAX; number++)
		if (sigaction(number, NULL, &action) || action.sa_handler == SIG_IGN)
			sigdelset(&set, number);
	return set;
}
