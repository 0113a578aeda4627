/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/fork_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the driver asks for: this, or the numbers of workers to be reaped, at most so many. The
 * channel holds few messages, of whatever length. */
#define FORK     0
#define REAP_MAX 256

int fork_server_channel(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) ? -errno : 0;
}

/* ---- the server ---- */

/* A directory has two links and one for each directory in it, here for each thread
 * (proc_task_getattr in the kernel's fs/proc/base.c). */
static bool is_only_thread(void)
{
	struct stat stat;

	return lstat("/proc/self/task", &stat) == 0 && stat.st_nlink == 3;
}

/* Returns whether the server goes on; otherwise this is the worker. @ends is what the program does
 * at the ends of children. */
static bool fork_worker(int fd, const struct sigaction *ends)
{
	pid_t server = getpid(), pid = is_only_thread() ? fork() : -1;
	int32_t answer = pid;

	if (pid == 0) {
		close(fd);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != server)
			_exit(EXIT_SUCCESS);
		sigaction(SIGCHLD, ends, NULL);
		return false;
	}
	/* Where that fails the driver is gone, which the next turn sees. */
	send(fd, &answer, sizeof answer, MSG_NOSIGNAL);
	return true;
}

static void reap(const int32_t *pids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		waitpid(pids[i], NULL, WNOHANG);
}

/* Whatever has ended is reaped: it need not become a child of a process that does not. */
static void end_server(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	_exit(EXIT_SUCCESS);
}

void fork_server_serve(int fd)
{
	/* Whatever the program has set up, workers stay until they are to be reaped. */
	const struct sigaction stay = {.sa_handler = SIG_DFL};
	struct sigaction ends;
	int32_t asked[REAP_MAX];
	bool goes_on = true;

	sigaction(SIGCHLD, &stay, &ends);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	while (goes_on) {
		ssize_t bytes = recv(fd, asked, sizeof asked, 0);

		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes < (ssize_t)sizeof *asked)
			end_server();
		if (asked[0] == FORK)
			goes_on = fork_worker(fd, &ends);
		else
			reap(asked, (size_t)bytes / sizeof *asked);
	}
}

/* ---- the driver ---- */

static bool ask(int fd, const int32_t *what, size_t count)
{
	ssize_t bytes = (ssize_t)(count * sizeof *what);

	return send(fd, what, (size_t)bytes, MSG_NOSIGNAL | MSG_DONTWAIT) == bytes ||
	       errno == EPIPE;
}

bool fork_server_ask(int fd)
{
	return ask(fd, &(int32_t){FORK}, 1);
}

unsigned fork_server_reap(int fd, const pid_t *pids, unsigned count)
{
	unsigned sent = 0, next = 1;

	while (next && sent < count) {
		next = count - sent < REAP_MAX ? count - sent : REAP_MAX;
		next = ask(fd, pids + sent, next) ? next : 0;
		sent += next;
	}
	return sent;
}

int fork_server_take(int fd, pid_t *ret_pid)
{
	int32_t answer;
	ssize_t bytes;

	do {
		bytes = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);
	} while (bytes < 0 && errno == EINTR);
	if (bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	if (bytes != sizeof answer)
		return -EPIPE;
	if (answer <= 0)
		return -EOPNOTSUPP;
	*ret_pid = answer;
	return 0;
}
