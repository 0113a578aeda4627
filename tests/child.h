/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of tests. Where an assertion fails in a process that a test has forked, Check would have
 * that process go on with the next test, beside its parent. A child of child_fork() ends instead
 * (assertions.h), and the one that waits for it sees how.
 */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_FAILED 70 /* its exit status where an assertion failed */
#define CHILD_KILLED (128 + SIGKILL)

/* This process is one. */
__attribute__((weak, visibility("hidden"))) bool child_is_me;

/* As fork(), which does not fail. The child has to end by _exit(), exec() or a signal. */
static inline pid_t child_fork(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		abort();
	}
	if (pid == 0)
		child_is_me = true;
	return pid;
}

/* An assertion has failed in a child. */
__attribute__((noreturn)) static inline void
child_fail(const char *file, int line, const char *expression, const char *message, ...)
{
	va_list arguments;

	fprintf(stderr, "# child %d: %s:%d: %s: ", (int)getpid(), file, line, expression);
	va_start(arguments, message);
	if (message)
		vfprintf(stderr, message, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	_exit(CHILD_FAILED);
}

/* Wait for its end. Returns its exit status, 128 and the number of the signal that ended it, or -1:
 * it is no child. */
static inline int child_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Kill it, and wait for its end. Returns CHILD_KILLED, unless it had ended before. */
static inline int child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	return child_status(pid);
}

#endif
