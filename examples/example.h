/* SPDX-License-Identifier: Apache-2.0 */
/* What every exercise has: its processes share names and nothing else, and end at the first thing
 * that is wrong. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <dso/dso.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_TIMEOUT (30 * DSO_SECOND) /* after which a wait is a failure */

static const char *exercise;
static char run[64]; /* what the names of this run begin with */
static struct dso_session *session;

/* Before the processes are forked. */
static inline void begin_run(const char *name)
{
	exercise = name;
	snprintf(run, sizeof run, "%s-%d-%lld", name, (int)getpid(), (long long)time(NULL));
}

static inline void check(bool holds, const char *otherwise)
{
	if (holds)
		return;
	fprintf(stderr, "%s: %s\n", exercise, otherwise);
	exit(1);
}

static inline void must(int r)
{
	check(r == 0, dso_error(session));
}

/* Of an object of this run; valid until the next call. */
static inline const char *name(const char *thing)
{
	static char text[DSO_NAME_BYTES_MAX];

	snprintf(text, sizeof text, "%s-%s", run, thing);
	return text;
}

static inline void nap(int us_max)
{
	usleep((useconds_t)(rand() % us_max));
}

static inline bool ended_well(pid_t pid)
{
	int status = 1;

	waitpid(pid, &status, 0);
	return status == 0;
}

static inline bool was_killed(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

#endif
