/* SPDX-License-Identifier: Apache-2.0 */
/* A storaged of dso-perf's own, for one run. */
#ifndef PERF_DAEMON_H
#define PERF_DAEMON_H

#include "perf/settings.h"

#include <sys/types.h>

struct daemon {
	pid_t pid;  /* 0: none */
	int output; /* its stdout */
	char directory[64];
	char unix_path[96];
	char tcp_url[128], unix_url[128]; /* from its ready line */
};

/* Start it and wait until it is ready. Returns 0, or a negative errno after saying why on
 * stderr. */
int daemon_start(struct daemon *daemon, const struct settings *settings);

/* The URL at which the transport that was asked for can be used. */
const char *daemon_url(const struct daemon *daemon, const struct settings *settings);

/* Stop storaged for a while much shorter than a session's timeout, or let it go on. */
void daemon_pause(const struct daemon *daemon);
void daemon_resume(const struct daemon *daemon);

/* End it and remove its directory. Does nothing where there is none. */
void daemon_stop(struct daemon *daemon);

#endif
