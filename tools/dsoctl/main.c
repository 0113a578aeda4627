/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static enum exit_status run_command(struct dsoctl *ctl)
{
	enum exit_status status;

	if (!ctl->command->offline) {
		int r = open_session(ctl);

		if (r)
			return fail(ctl, r);
	}
	status = ctl->command->run(ctl);
	dso_close(ctl->session);
	/* Nothing is held any more: from here on a reader that does not read makes only dsoctl
	 * wait. */
	fflush(stderr);
	if ((fflush(stdout) || ferror(stdout)) && status == STATUS_DONE)
		status = fail_because("cannot write to stdout: %s", strerror(errno));
	return status;
}

/* End by the signal that came, for a shell to see. */
static void end_by(int signal_number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	raise(signal_number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
	struct dsoctl ctl = {.count = 10, .wait_ns = DSO_FOREVER, .begun_ns = now_ns()};
	enum exit_status status;

	prepare();
	status = arguments_parse(&ctl, argc, argv);
	if (status == STATUS_DONE && ctl.command)
		status = run_command(&ctl);
	if (ctl.signal)
		end_by(ctl.signal);
	free(ctl.memory);
	free(ctl.words);
	return status;
}
