/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the guard: wait until nobody can write to the pipe any more. */
__attribute__((noreturn)) static void watch(const struct guard *guard, int pipe_fd)
{
	sigset_t all;
	char byte;

	setpgid(0, 0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* Everything that another process may wait to see closed, the pipe's other end too. */
	dup2(pipe_fd, 0);
	syscall(SYS_close_range, 1U, ~0U, 0U);
	while (read(0, &byte, 1) < 0 && errno == EINTR)
		;
	for (unsigned i = 0; i < guard->count; i++) {
		pid_t group = atomic_load(&guard->groups[i]);

		if (group > 0)
			kill(-group, SIGKILL);
	}
	_exit(0);
}

static size_t groups_bytes(const struct guard *guard)
{
	return guard->count * sizeof *guard->groups;
}

int guard_start(struct guard *guard, unsigned count)
{
	int ends[2], error;

	*guard = (struct guard){.count = count};
	guard->groups = mmap(NULL, groups_bytes(guard), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (guard->groups == MAP_FAILED)
		return -errno;
	if (pipe2(ends, O_CLOEXEC)) {
		error = errno;
		munmap(guard->groups, groups_bytes(guard));
		return -error;
	}
	guard->end = ends[1];
	guard->pid = fork();
	if (guard->pid == 0)
		watch(guard, ends[0]);
	error = errno;
	/* Both do it: whoever kills this process group when ranks run does not kill the guard. */
	if (guard->pid > 0)
		setpgid(guard->pid, guard->pid);
	close(ends[0]);
	if (guard->pid > 0)
		return 0;
	guard->pid = 0;
	close(ends[1]);
	munmap(guard->groups, groups_bytes(guard));
	return -error;
}

void guard_end(struct guard *guard)
{
	if (!guard->pid)
		return;
	close(guard->end);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(guard->groups, groups_bytes(guard));
	guard->pid = 0;
}
