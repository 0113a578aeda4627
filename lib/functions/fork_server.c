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

/* What the driver asks for: this, or the number of a worker to be reaped. */
#define FORK 0

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

/* Returns whether the server goes on; otherwise this is the worker. */
static bool fork_worker(int fd)
{
	pid_t server = getpid(), pid = is_only_thread() ? fork() : -1;
	int32_t answer = pid;

	if (pid == 0) {
		close(fd);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != server)
			_exit(EXIT_SUCCESS);
		return false;
	}
	/* Where that fails the driver is gone, which the next turn sees. */
	send(fd, &answer, sizeof answer, MSG_NOSIGNAL);
	return true;
}

void fork_server_serve(int fd)
{
	int32_t asked;
	bool goes_on = true;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	while (goes_on) {
		ssize_t bytes = recv(fd, &asked, sizeof asked, 0);

		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes != sizeof asked)
			_exit(EXIT_SUCCESS);
		if (asked == FORK)
			goes_on = fork_worker(fd);
		else
			waitpid(asked, NULL, WNOHANG);
	}
}

/* ---- the driver ---- */

static bool ask(int fd, int32_t what)
{
	return send(fd, &what, sizeof what, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof what ||
	       errno == EPIPE;
}

bool fork_server_ask(int fd)
{
	return ask(fd, FORK);
}

void fork_server_reap(int fd, pid_t pid)
{
	ask(fd, pid);
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
