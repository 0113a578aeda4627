/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/entry.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int entry_fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
	return EXIT_FAILURE;
}

static void end(int signal)
{
	_exit(EXIT_SUCCESS);
}

void entry_end_by_sigterm(void)
{
	struct sigaction action = {.sa_handler = end};

	sigaction(SIGTERM, &action, NULL);
}
