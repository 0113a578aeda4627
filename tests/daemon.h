/* SPDX-License-Identifier: Apache-2.0 */
/* A storaged of a test's own. */
#ifndef TESTS_DAEMON_H
#define TESTS_DAEMON_H

#include <sys/types.h>

struct daemon_process {
	pid_t pid;
	char tcp_url[128];  /* dso://127.0.0.1:PORT/default */
	char unix_url[160]; /* dso+unix://PATH */
	char directory[64]; /* of the socket; removed by daemon_stop */
	char ready[512];    /* the line that it said it by */
};

/*
 * Start the storaged that the environment variable STORAGED names, with a port and a socket of its
 * own and the @arguments (a NULL-terminated list, may be NULL), and wait until it is ready. Exits
 * the test program with a sentence when that fails.
 */
void daemon_start(struct daemon_process *daemon, const char *const *arguments);

/* End it by @signal and wait; its directory stays. */
void daemon_end(struct daemon_process *daemon, int signal);
/* Start another one in the same directory. */
void daemon_start_again(struct daemon_process *daemon, const char *const *arguments);

/* The URL by which @transport can be had: over the unix socket, unless it needs an IP address or is
 * to be tried over one. */
const char *daemon_url(const struct daemon_process *daemon, const char *transport);

/* Stop a @child of this process as SIGSTOP does. None of its threads runs any more when this
 * returns: the signal alone leaves each running until it gets there. SIGCONT lets it go on;
 * daemon_end and daemon_stop do so too. */
void process_freeze(pid_t child);

/* SIGTERM and wait. Returns the exit status, or 128 + the signal that ended it. */
int daemon_stop(struct daemon_process *daemon);

#endif
