/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/rank.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- where its output goes ---- */

/* DIRECTORY/RANK.out and RANK.err: a later attempt is appended to the first. */
static int open_file(const struct rank *rank, const char *directory, int which)
{
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (rank->attempts == 1 ? O_TRUNC : 0);
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof path, "%s/%u.%s", directory, rank->number,
		     which == RANK_STDOUT ? "out" : "err") >= (int)sizeof path)
		return -ENAMETOOLONG;
	fd = open(path, flags, 0666);
	return fd < 0 ? -errno : fd;
}

/* The writing end of a pipe, whose other end is the stream's. */
static int open_pipe(struct rank *rank, bool has_marks, int which)
{
	char mark[MARK_BYTES_MAX] = "";
	int ends[2], r;

	if (has_marks)
		snprintf(mark, sizeof mark, "[%u] ", rank->number);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	r = stream_open(&rank->streams[which], ends[0], mark);
	if (r == 0)
		return ends[1];
	close(ends[0]);
	close(ends[1]);
	rank->streams[which].fd = -1;
	return r;
}

static int open_output(struct rank *rank, const struct rank_setting *setting, int which)
{
	return setting->directory ? open_file(rank, setting->directory, which)
				  : open_pipe(rank, setting->has_marks, which);
}

/* ---- starting it ---- */

static int tell(const struct rank *rank)
{
	char digits[16];

	snprintf(digits, sizeof digits, "%u", rank->number);
	if (setenv("DSO_RANK", digits, 1))
		return -ENOMEM;
	snprintf(digits, sizeof digits, "%u", rank->attempts);
	return setenv("DSO_ATTEMPT", digits, 1) ? -ENOMEM : 0;
}

/* A terminal would stop it, for its process group is not the one in the foreground. */
static void replace_stdin(const struct rank *rank)
{
	int null;

	if (rank->number == 0 && !isatty(0))
		return;
	null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, 0) < 0)
		_exit(EXIT_FAILURE);
	close(null);
}

/* In the child: become the program, or tell the parent through @report why that failed. */
__attribute__((noreturn)) static void become(const struct rank *rank,
					     const struct rank_setting *setting, pid_t parent,
					     const int outputs[RANK_STREAMS], int report)
{
	int error;

	setpgid(0, 0);
	atomic_store(&setting->guard->groups[rank->number], getpid());
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	replace_stdin(rank);
	dup2(outputs[RANK_STDOUT], STDOUT_FILENO);
	dup2(outputs[RANK_STDERR], STDERR_FILENO);
	sigprocmask(SIG_SETMASK, &setting->mask, NULL);
	execvp(setting->words[0], setting->words);
	error = errno;
	while (write(report, &error, sizeof error) < 0 && errno == EINTR)
		;
	_exit(EXIT_FAILURE);
}

/* Returns 0 when the program runs, or a negative errno. */
static int start(struct rank *rank, const struct rank_setting *setting,
		 const int outputs[RANK_STREAMS])
{
	pid_t parent = getpid(), child;
	int report[2], error = 0;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child == 0)
		become(rank, setting, parent, outputs, report[1]);
	if (child < 0)
		error = errno;
	close(report[1]);
	do
		n = child < 0 ? 0 : read(report[0], &error, sizeof error);
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (error && child > 0) {
		atomic_store(&setting->guard->groups[rank->number], 0);
		waitpid(child, NULL, 0);
	}
	rank->pid = error ? 0 : child;
	return -error;
}

int rank_start(struct rank *rank, const struct rank_setting *setting)
{
	int outputs[RANK_STREAMS] = {-1, -1}, r;

	rank->attempts++;
	r = tell(rank);
	for (int i = 0; i < RANK_STREAMS && r == 0; i++) {
		outputs[i] = open_output(rank, setting, i);
		r = outputs[i] < 0 ? outputs[i] : 0;
	}
	if (r == 0)
		r = start(rank, setting, outputs);
	for (int i = 0; i < RANK_STREAMS; i++)
		if (outputs[i] >= 0)
			close(outputs[i]);
	return r;
}

/* ---- while it runs ---- */

void rank_signal(const struct rank *rank, int signal_number)
{
	if (!rank->pid)
		return;
	kill(-rank->pid, signal_number);
	if (signal_number == SIGTERM)
		kill(-rank->pid, SIGCONT);
}

/* As long as the process is not reaped, no other group can have its number. */
bool rank_has_ended(struct rank *rank, const struct rank_setting *setting)
{
	siginfo_t info = {0};

	if (!rank->pid || waitid(P_PID, (id_t)rank->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	    info.si_pid == 0)
		return false;
	kill(-rank->pid, SIGKILL);
	atomic_store(&setting->guard->groups[rank->number], 0);
	waitpid(rank->pid, &rank->wait_status, 0);
	rank->pid = 0;
	return true;
}

bool rank_is_read(const struct rank *rank)
{
	return rank->streams[RANK_STDOUT].fd < 0 && rank->streams[RANK_STDERR].fd < 0;
}
