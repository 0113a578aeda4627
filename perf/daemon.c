/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/daemon.h"
#include "perf/clock.h"
#include "perf/error.h"
#include "perf/operation.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_NS   (30 * DSO_SECOND)
#define END_NS     (5 * DSO_SECOND)
#define LINE_BYTES 1024

/* The storaged of the build tree, of the installation, or else of PATH. */
static void find_program(char *path, size_t path_bytes)
{
	static const char *const places[] = {"../storaged/storaged", "storaged", "../sbin/storaged",
					     "../bin/storaged"};
	const char *variable = getenv("STORAGED");
	char self[PATH_MAX];
	ssize_t bytes = readlink("/proc/self/exe", self, sizeof self - 1);

	if (variable && *variable) {
		snprintf(path, path_bytes, "%s", variable);
		return;
	}
	self[bytes > 0 ? bytes : 0] = 0;
	dirname(self);
	for (size_t i = 0; bytes > 0 && i < sizeof places / sizeof *places; i++) {
		if (snprintf(path, path_bytes, "%s/%s", self, places[i]) < (int)path_bytes &&
		    access(path, X_OK) == 0)
			return;
	}
	snprintf(path, path_bytes, "storaged");
}

/* A transport that was asked for needs the right domain of atomics. */
static const char *domain_for(const char *transport)
{
	return !strcmp(transport, "shm") ? "cpu" : !strcmp(transport, "verbs") ? "device" : "auto";
}

static uint64_t memory_mib(const struct settings *settings)
{
	uint64_t keys = settings->mode == MODE_MAP     ? settings->keys
			: settings->mode == MODE_ENTRY ? ENTRY_KEYS
						       : 0;
	uint64_t map_bytes = 3 * keys * (settings->item_bytes + 128);

	return 64 + ((2 * place_stride(settings) * settings->words + map_bytes) >> 20);
}

/* Over shm and verbs storaged executes nothing, and its workers must take no processor from the
 * threads that do: there --server-poll is for the ping-pong alone. */
static const char *poll_for(const struct settings *settings)
{
	const char *transport = settings->transport;
	bool idle = transport && (!strcmp(transport, "shm") || !strcmp(transport, "verbs"));

	return idle ? "block" : poll_name(settings->server_poll);
}

/* In the child. */
__attribute__((noreturn)) static void become(const struct daemon *daemon,
					     const struct settings *settings, int output)
{
	char path[PATH_MAX], memory[32];

	find_program(path, sizeof path);
	snprintf(memory, sizeof memory, "%juMiB", (uintmax_t)memory_mib(settings));
	/* Outside of the foreground's process group: Ctrl-C is for dso-perf, which ends
	 * storaged. */
	setpgid(0, 0);
	/* storaged may be stopped when dso-perf is killed: then only SIGKILL ends it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output, STDOUT_FILENO);
	execlp(path, "storaged", "--listen", "127.0.0.1:0", "--unix-socket", daemon->unix_path,
	       "--memory", memory, "--poll", poll_for(settings), "--io", settings->io, "--domain",
	       domain_for(settings->transport), NULL);
	fprintf(stderr,
		"dso-perf: cannot start %s: %s; STORAGED in the environment says where it is\n",
		path, strerror(errno));
	_exit(127);
}

/* Copy the word of @line that begins with @prefix. */
static bool copy_word(const char *line, const char *prefix, char *word, size_t word_bytes)
{
	const char *at = strstr(line, prefix);
	size_t bytes = at ? strcspn(at, " \n") : 0;

	if (bytes == 0 || bytes >= word_bytes)
		return false;
	memcpy(word, at, bytes);
	word[bytes] = 0;
	return true;
}

static int parse_ready(struct daemon *daemon, const char *line)
{
	if (strncmp(line, "storaged ", 9) ||
	    !copy_word(line, "dso://", daemon->tcp_url, sizeof daemon->tcp_url) ||
	    !copy_word(line, "dso+unix://", daemon->unix_url, sizeof daemon->unix_url)) {
		report_error("storaged did not say that it is ready but: ", line);
		return -EPROTO;
	}
	return 0;
}

static int wait_ready(struct daemon *daemon)
{
	int64_t deadline_ns = clock_ns() + READY_NS;
	char line[LINE_BYTES];
	size_t length = 0;

	while (!stopped() && clock_ns() < deadline_ns) {
		struct pollfd poll_fd = {.fd = daemon->output, .events = POLLIN};
		ssize_t bytes;

		if (poll(&poll_fd, 1, 100) <= 0)
			continue;
		bytes = read(daemon->output, line + length, sizeof line - 1 - length);
		if (bytes <= 0) {
			fprintf(stderr, "dso-perf: storaged ended before it was ready\n");
			return -ECHILD;
		}
		length += (size_t)bytes;
		line[length] = 0;
		if (strchr(line, '\n') || length == sizeof line - 1)
			return parse_ready(daemon, line);
	}
	fprintf(stderr, "dso-perf: storaged was not ready %s\n",
		stopped() ? "before the end" : "within 30 s");
	return -ETIMEDOUT;
}

int daemon_start(struct daemon *daemon, const struct settings *settings)
{
	const char *base = getenv("TMPDIR");
	int pipe_fds[2], r;

	*daemon = (struct daemon){.output = -1};
	if (!base || strlen(base) > 32)
		base = "/tmp";
	snprintf(daemon->directory, sizeof daemon->directory, "%s/dso-perf.XXXXXX", base);
	if (!mkdtemp(daemon->directory)) {
		r = -errno;
		fprintf(stderr, "dso-perf: cannot make a directory in %s: %s\n", base,
			strerror(-r));
		*daemon->directory = 0;
		return r;
	}
	snprintf(daemon->unix_path, sizeof daemon->unix_path, "%s/storaged.sock",
		 daemon->directory);
	r = pipe2(pipe_fds, O_CLOEXEC) ? -errno : 0;
	if (r == 0) {
		daemon->output = pipe_fds[0];
		daemon->pid = fork();
		if (daemon->pid == 0)
			become(daemon, settings, pipe_fds[1]);
		r = daemon->pid < 0 ? -errno : 0;
		close(pipe_fds[1]);
	}
	if (r) {
		fprintf(stderr, "dso-perf: cannot start storaged: %s\n", strerror(-r));
		daemon->pid = 0;
	} else {
		r = wait_ready(daemon);
	}
	if (r)
		daemon_stop(daemon);
	return r;
}

const char *daemon_url(const struct daemon *daemon, const struct settings *settings)
{
	static const char *const remote[] = {REMOTE_TRANSPORTS};

	for (unsigned i = 0; i < sizeof remote / sizeof *remote; i++)
		if (!strcmp(settings->transport, remote[i]))
			return daemon->tcp_url;
	return daemon->unix_url;
}

void daemon_pause(const struct daemon *daemon)
{
	if (daemon->pid)
		kill(daemon->pid, SIGSTOP);
}

void daemon_resume(const struct daemon *daemon)
{
	if (daemon->pid)
		kill(daemon->pid, SIGCONT);
}

static void end_process(pid_t pid)
{
	int64_t deadline_ns = clock_ns() + END_NS;

	kill(pid, SIGCONT);
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (clock_ns() > deadline_ns) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return;
		}
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
}

void daemon_stop(struct daemon *daemon)
{
	if (daemon->pid)
		end_process(daemon->pid);
	if (daemon->output >= 0)
		close(daemon->output);
	if (*daemon->directory) {
		unlink(daemon->unix_path);
		rmdir(daemon->directory);
	}
	*daemon = (struct daemon){.output = -1};
}
