/* SPDX-License-Identifier: Apache-2.0 */
/* The test gateway (tests/gateway/gateway) of a test's own. */
#ifndef TESTS_GATEWAY_GATEWAY_H
#define TESTS_GATEWAY_GATEWAY_H

#include <sys/types.h>

struct gateway {
	pid_t pid;
	int stdin_fd; /* its end is the gateway's */
	char directory[64];
	char log[80];
	char base[64];    /* "http://127.0.0.1:PORT" */
	char secured[64]; /* "https://127.0.0.1:PORT" */
	char url[512];    /* the last one of gateway_url() */
};

/* Start the gateway that the environment variable GATEWAY names. It knows this program as
 * "function", a copy of it that is another build as "other", a file that is not there as
 * "missing", and a script that says something and fails as "words". */
void gateway_start(struct gateway *gateway);
void gateway_stop(struct gateway *gateway);

/* The URL of an executor for function @name, by the contract of @kind ("fork", "http", "lambda",
 * "kubernetes", "podman"); with @faults, a list with commas between them, and options of the
 * executor's. Valid until the next call. */
const char *gateway_url(struct gateway *gateway, const char *kind, const char *name,
			const char *faults, const char *options);

/* How many events of the gateway's log begin with @event. */
unsigned gateway_count(const struct gateway *gateway, const char *event);

#endif
