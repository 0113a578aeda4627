/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * In the witness. Its parent asks with QUESTION, and gets a mask of the signals that came since the
 * last question. Of pending signals the kernel delivers the lowest first, so all of them are
 * counted before the question.
 */
#define QUESTION SIGRTMAX

static uint64_t bit_of(int signal_number)
{
	return UINT64_C(1) << (signal_number - 1);
}

__attribute__((noreturn)) static void testify(const sigset_t *set, pid_t parent, int answer)
{
	siginfo_t info;
	uint64_t got = 0;

	while (getppid() == parent) {
		int number = sigwaitinfo(set, &info);

		if (number < 0)
			continue;
		if (number != QUESTION || info.si_pid != parent) {
			got |= bit_of(number);
			continue;
		}
		if (write(answer, &got, sizeof got) != sizeof got)
			break;
		got = 0;
	}
	_exit(0);
}

/* In the witness: close everything that another process may wait to see closed. Returns the only
 * descriptor left. */
static int close_others(int answer)
{
	dup2(answer, 0);
	syscall(SYS_close_range, 1U, ~0U, 0U);
	return 0;
}

int witness_start(struct witness *witness, const sigset_t *set)
{
	pid_t parent = getpid();
	sigset_t all = *set;
	int ends[2], error;

	sigaddset(&all, QUESTION);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	/* Without a signal for its end, a wait() for any child does not see it. */
	witness->pid = (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
	if (witness->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		testify(&all, parent, close_others(ends[1]));
	}
	error = errno;
	close(ends[1]);
	if (witness->pid > 0) {
		witness->answer = ends[0];
		return 0;
	}
	witness->pid = 0;
	close(ends[0]);
	return -error;
}

/* Ask which signals have come since the last question. */
static void ask(struct witness *witness)
{
	uint64_t got;
	ssize_t n;

	/* The witness alone may have been stopped by SIGSTOP. */
	kill(witness->pid, SIGCONT);
	if (kill(witness->pid, QUESTION))
		return;
	do
		n = read(witness->answer, &got, sizeof got);
	while (n < 0 && errno == EINTR);
	if (n == sizeof got)
		witness->got |= got;
}

bool witness_has_got(struct witness *witness, int signal_number)
{
	uint64_t bit = bit_of(signal_number);
	bool got;

	if (witness->pid)
		ask(witness);
	got = witness->got & bit;
	witness->got &= ~bit;
	return got;
}

void witness_end(struct witness *witness)
{
	if (!witness->pid)
		return;
	kill(witness->pid, SIGKILL);
	waitpid(witness->pid, NULL, __WALL);
	close(witness->answer);
	witness->pid = 0;
}
