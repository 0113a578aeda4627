/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a thread wanted to run and did not, because others had the processors. What it did not
 * hear meanwhile is no peer's silence. 0 where the kernel does not tell.
 */
#ifndef LIB_CORE_STARVATION_H
#define LIB_CORE_STARVATION_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define STARVATION_TEXT_BYTES 96
#define STARVATION_LOOK_NS    INT64_C(100000000)

/* The thread, and how long it had waited at the last look. */
struct starvation {
	_Atomic int fd; /* -1: the kernel does not tell */
	_Atomic int64_t waited_ns;
	int64_t next_look_ns; /* the thread's own */
};

/* For the calling thread. */
static inline void starvation_open(struct starvation *starvation)
{
	atomic_store(&starvation->waited_ns, 0);
	atomic_store(&starvation->fd, open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
}

static inline void starvation_close(struct starvation *starvation)
{
	if (starvation->fd >= 0)
		close(starvation->fd);
	starvation->fd = -1;
}

/* From any thread. The file holds "RAN WAITED SLICES", in ns since the thread began. */
static inline void starvation_look(struct starvation *starvation)
{
	char text[STARVATION_TEXT_BYTES];
	ssize_t n = starvation->fd < 0 ? -1 : pread(starvation->fd, text, sizeof text - 1, 0);
	long long waited_ns;

	if (n <= 0)
		return;
	text[n] = 0;
	if (sscanf(text, "%*u %lld", &waited_ns) == 1)
		atomic_store(&starvation->waited_ns, waited_ns);
}

/* Called by the thread in every turn, so that little time is unaccounted for. */
static inline void starvation_turn(struct starvation *starvation, int64_t now_ns)
{
	if (now_ns < starvation->next_look_ns)
		return;
	starvation->next_look_ns = now_ns + STARVATION_LOOK_NS;
	starvation_look(starvation);
}

#endif
