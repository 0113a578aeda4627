/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/child.h"
#include "tests/daemon.h"
#include "tests/leap/leap.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32

static void die(const char *sentence)
{
	printf("Bail out! %s\n", sentence);
	exit(1);
}

static void run(const struct daemon_process *daemon, const char *const *arguments, int out)
{
	const char *program = getenv("STORAGED");
	/* The one before had a port, if there was one. */
	const char *port = daemon->tcp_url[0] ? strrchr(daemon->tcp_url, ':') + 1 : "0";
	char path[96], address[32];
	const char *argv[ARGUMENTS_MAX] = {program, "--listen", address, "--unix-socket"};
	int count = 4;

	snprintf(address, sizeof address, "127.0.0.1:%d", atoi(port));
	snprintf(path, sizeof path, "%s/storaged.sock", daemon->directory);
	argv[count++] = path;
	for (; arguments && *arguments && count < ARGUMENTS_MAX - 1; arguments++)
		argv[count++] = *arguments;
	/* The daemon must not outlive a test that was killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, 1);
	execv(program, (char *const *)argv);
	_exit(127);
}

/* The word of @line that begins with @start, into @to. */
static void take_word(const char *line, const char *start, char *to, size_t to_bytes)
{
	const char *at = strstr(line, start);

	if (!at)
		die("storaged's first line lacks a URL");
	snprintf(to, to_bytes, "%.*s", (int)strcspn(at, " \n"), at);
}

void daemon_start(struct daemon_process *daemon, const char *const *arguments)
{
	if (!getenv("STORAGED"))
		die("the environment variable STORAGED names no storaged");
	*daemon = (struct daemon_process){.directory = "/tmp/dso-test-XXXXXX"};
	if (!mkdtemp(daemon->directory))
		die("cannot make a directory under /tmp");
	daemon_start_again(daemon, arguments);
}

void daemon_start_again(struct daemon_process *daemon, const char *const *arguments)
{
	char line[1024];
	FILE *out;
	int pipe_fds[2];

	if (pipe(pipe_fds))
		die("cannot make a pipe");
	daemon->pid = child_fork();
	if (daemon->pid == 0)
		run(daemon, arguments, pipe_fds[1]);
	close(pipe_fds[1]);
	out = fdopen(pipe_fds[0], "r");
	if (!out || !fgets(line, sizeof line, out) || !strstr(line, "ready"))
		die("storaged did not become ready");
	snprintf(daemon->ready, sizeof daemon->ready, "%.*s", (int)sizeof daemon->ready - 1, line);
	/* The pipe stays open: storaged writes to it no more, and a closed one would be a trap. */
	take_word(line, "dso://", daemon->tcp_url, sizeof daemon->tcp_url - 16);
	if (!strchr(daemon->tcp_url + strlen("dso://"), '/'))
		strcat(daemon->tcp_url, "/default");
	take_word(line, "dso+unix://", daemon->unix_url, sizeof daemon->unix_url);
}

const char *daemon_url(const struct daemon_process *daemon, const char *transport)
{
	bool over_ip = !strcmp(transport, "tcp") || !strcmp(transport, "roce");

	return over_ip ? daemon->tcp_url : daemon->unix_url;
}

void process_freeze(pid_t child)
{
	if (kill(child, SIGSTOP) || waitpid(child, NULL, WUNTRACED) != child)
		die("a child cannot be stopped");
}

/* A test that fails may leave it frozen: it ends all the same. In this order: a SIGCONT takes back
 * the SIGSTOP by which LeakSanitizer attaches to a process that ends, and that would wait for
 * ever. */
static int end_by(const struct daemon_process *daemon, int signal)
{
	int status = 0;

	kill(daemon->pid, SIGCONT);
	leap_let_go();
	kill(daemon->pid, signal);
	waitpid(daemon->pid, &status, 0);
	return status;
}

void daemon_end(struct daemon_process *daemon, int signal)
{
	end_by(daemon, signal);
}

int daemon_stop(struct daemon_process *daemon)
{
	char path[96];
	int status = end_by(daemon, SIGTERM);

	snprintf(path, sizeof path, "%s/storaged.sock", daemon->directory);
	unlink(path);
	strcat(path, ".state");
	unlink(path);
	rmdir(daemon->directory);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
