/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/process_environment.h"

#include "lib/client/session.h"
#include "lib/functions/definitions.h"
#include "lib/functions/fork_server.h"
#include "lib/functions/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_VARIABLES   9 /* the first ones, which are freed */
#define SERVER_VARIABLE 8 /* that of them which makes a process a fork server */

/* Whether @variable, "NAME=VALUE", has the name of one of the workers' own. */
static bool is_set_anew(char *const *own, const char *variable)
{
	for (size_t i = 0; i < OWN_VARIABLES; i++)
		if (strncmp(variable, own[i], strcspn(own[i], "=") + 1) == 0)
			return true;
	return false;
}

int process_environment_make(const struct workers_request *request, bool is_cold, int tell_fd,
			     int places_fd, char ***ret_environment)
{
	size_t count = 0, used = OWN_VARIABLES;
	char build[BUILD_TEXT_BYTES], **own;

	build_text(request->build, build);
	while (environ[count])
		count++;
	own = *ret_environment = calloc(count + OWN_VARIABLES + 1, sizeof *own);
	if (!own || asprintf(&own[0], WORKER_PREFIX_VARIABLE "=%s", request->prefix) < 0 ||
	    asprintf(&own[1], WORKER_DRIVER_VARIABLE "=%d", getpid()) < 0 ||
	    asprintf(&own[2], WORKER_TELL_VARIABLE "=%d", tell_fd) < 0 ||
	    asprintf(&own[3], "DSO_URL=%s", request->url) < 0 ||
	    asprintf(&own[4], "DSO_TRANSPORT=%s", request->session->settings.transport) < 0 ||
	    asprintf(&own[5], WORKER_CALLS_VARIABLE "=%" PRIu64, is_cold ? 1 : UINT64_MAX) < 0 ||
	    asprintf(&own[6], WORKER_PLACES_VARIABLE "=%d", places_fd) < 0 ||
	    asprintf(&own[7], BUILD_VARIABLE "=%s", build) < 0 ||
	    asprintf(&own[SERVER_VARIABLE], FORK_SERVER_VARIABLE "=") < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!is_set_anew(own, environ[i]))
			own[used++] = environ[i];
	return 0;
}

int process_environment_serve(char **environment, int fd)
{
	char *variable;
	int r = fd >= 0 ? asprintf(&variable, FORK_SERVER_VARIABLE "=%d", fd)
			: asprintf(&variable, FORK_SERVER_VARIABLE "=");

	if (r < 0)
		return -ENOMEM;
	free(environment[SERVER_VARIABLE]);
	environment[SERVER_VARIABLE] = variable;
	return 0;
}

void process_environment_free(char **environment)
{
	for (unsigned i = 0; environment && i < OWN_VARIABLES; i++)
		free(environment[i]);
	free(environment);
}
