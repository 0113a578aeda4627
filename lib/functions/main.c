/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/definitions.h"
#include "lib/functions/entry.h"
#include "lib/functions/executor.h"
#include "lib/functions/fork_server.h"
#include "lib/functions/place.h"
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

/* "process:": the driver has started this process. */
static int serve_driver(const char *prefix, const char *program)
{
	const char *tell = getenv(WORKER_TELL_VARIABLE), *calls = getenv(WORKER_CALLS_VARIABLE);
	const char *places = getenv(WORKER_PLACES_VARIABLE), *forks = getenv(FORK_SERVER_VARIABLE);
	char why[SENTENCE_BYTES_MAX + 1], *own_prefix = strdup(prefix);
	struct worker_term term = worker_whole_term(own_prefix, tell ? atoi(tell) : -1);
	int r;

	if (getenv(BUILD_VARIABLE))
		build_is(getenv(BUILD_VARIABLE));
	if (calls)
		term.calls_max = strtoull(calls, NULL, 10);
	end_with(getenv(WORKER_DRIVER_VARIABLE));
	/* The kernel has named it "exe", after /proc/self/exe; top and pgrep show that name. */
	prctl(PR_SET_NAME, program_invocation_short_name);
	if (forks && *forks)
		fork_server_serve(atoi(forks));
	/* From here on this is a worker. */
	if (places)
		term.place = place_claim(atoi(places));
	/* Programs that a function starts are no workers. */
	unsetenv(WORKER_PREFIX_VARIABLE);
	unsetenv(WORKER_DRIVER_VARIABLE);
	unsetenv(WORKER_TELL_VARIABLE);
	unsetenv(WORKER_CALLS_VARIABLE);
	unsetenv(WORKER_PLACES_VARIABLE);
	unsetenv(FORK_SERVER_VARIABLE);
	unsetenv(BUILD_VARIABLE);
	if (term.tell_fd >= 0)
		fcntl(term.tell_fd, F_SETFD, FD_CLOEXEC);
	snprintf(why, sizeof why, "out of memory");
	r = own_prefix ? worker_serve_executor(NULL, &term, why, sizeof why) : -ENOMEM;
	if (r)
		fprintf(stderr, "%s: worker %d: %s\n", program, getpid(), why);
	free(own_prefix);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A copy of what @variable is, which is taken out of the environment: programs that a function
 * starts are no functions. NULL where it is not set. */
static char *take_variable(const char *variable)
{
	const char *text = getenv(variable);
	char *copy = text && *text ? strdup(text) : NULL;

	unsetenv(variable);
	return copy;
}

/* What a platform has started serves it, and ends here. */
static void serve_platform(void)
{
	char *payload = take_variable(ENTRY_PAYLOAD_VARIABLE);
	char *entry = take_variable(ENTRY_VARIABLE);
	char *lambda = getenv(ENTRY_LAMBDA_VARIABLE);

	/* It is the one who invokes that says so; the others are settings of an image. */
	if (payload)
		exit(entry_environment(payload));
	if (!entry && !lambda)
		return;
	if (entry && strcmp(entry, "none") == 0) {
		free(entry);
		return;
	}
	if (entry && strcmp(entry, "stdin") == 0)
		exit(entry_stdin());
	if (entry && strcmp(entry, "http") == 0)
		exit(entry_http());
	if ((!entry || strcmp(entry, "lambda") == 0) && lambda)
		exit(entry_lambda(take_variable(ENTRY_LAMBDA_VARIABLE)));
	exit(entry_fail(ENTRY_VARIABLE,
			"it is stdin, http, none, or lambda where AWS_LAMBDA_RUNTIME_API is set"));
}

void dso_function_main(int argc, char **argv)
{
	const char *prefix = getenv(WORKER_PREFIX_VARIABLE);

	atomic_store(&was_called, true);
	if (prefix)
		exit(serve_driver(prefix, argc ? argv[0] : "worker"));
	serve_platform();
}
