/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold before anything is opened, however dsoctl was started. */
#include "tools/dsoctl/dsoctl.h"
#include "tools/dsoctl/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/*
 * A socket with the number of a closed stderr would receive what is said there. So closed
 * descriptors are opened the wrong way round: reading and writing them fails, as if they were
 * closed.
 */
static void fill_descriptors(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

	for (int descriptor = 0; descriptor < 3; descriptor++)
		if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", modes[descriptor]) < 0)
			_exit(STATUS_FAILED);
}

static void end_as_by_signal(int signal_number)
{
	_exit(128 + signal_number);
}

/* The kernel drops signals that would end process 1: it has to end itself. */
static void obey_signals(void)
{
	struct sigaction action = {.sa_handler = end_as_by_signal};
	sigset_t set = ending_signals();

	for (int number = 1; getpid() == 1 && number <= SIGRTMAX; number++)
		if (sigismember(&set, number) == 1)
			sigaction(number, &action, NULL);
}

void prepare(void)
{
	/* Sentences are kept while something is held, until main() has given it back. */
	static char sentences[16384];

	setvbuf(stderr, sentences, _IOFBF, sizeof sentences);
	fill_descriptors();
	obey_signals();
}
