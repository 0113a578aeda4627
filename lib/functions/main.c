/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/executor.h"
#include "lib/functions/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static atomic_bool was_called;

bool function_main_was_called(void)
{
	return atomic_load(&was_called);
}

/* The process of the driver ends: so does this one. */
static void end_with(const char *driver)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!driver || atol(driver) != getppid())
		_exit(EXIT_SUCCESS);
}

void dso_function_main(int argc, char **argv)
{
	const char *prefix = getenv(WORKER_PREFIX_VARIABLE), *ready = getenv(WORKER_READY_VARIABLE);
	char why[SENTENCE_BYTES_MAX + 1], *own_prefix;
	int ready_fd = ready ? atoi(ready) : -1;
	int r;

	atomic_store(&was_called, true);
	if (!prefix)
		return;
	end_with(getenv(WORKER_DRIVER_VARIABLE));
	own_prefix = strdup(prefix);
	/* Programs that a function starts are no workers. */
	unsetenv(WORKER_PREFIX_VARIABLE);
	unsetenv(WORKER_DRIVER_VARIABLE);
	unsetenv(WORKER_READY_VARIABLE);
	if (ready_fd >= 0)
		fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
	r = own_prefix ? worker_serve_executor(NULL, own_prefix, ready_fd, why, sizeof why)
		       : -ENOMEM;
	if (r)
		fprintf(stderr, "%s: worker %d: %s\n", argc ? argv[0] : "worker", getpid(), why);
	exit(r ? EXIT_FAILURE : EXIT_SUCCESS);
}
