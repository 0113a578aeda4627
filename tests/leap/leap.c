/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/leap/leap.h"
#include "tests/leap/clock.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct leap_page *page;

void leap_prepare(void)
{
	int fd = memfd_create("clock of a test", 0);
	char number[16];

	if (fd < 0 || ftruncate(fd, sizeof *page))
		abort();
	page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		abort();
	snprintf(number, sizeof number, "%d", fd);
	setenv(LEAP_VARIABLE, number, 1);
}

/* Not the clock of this process, which may hurry. */
static int64_t kernel_ns(clockid_t clock)
{
	struct timespec now;

	syscall(SYS_clock_gettime, clock, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static bool has_turned(pid_t process)
{
	if (page->changes_seen == page->changes)
		return true;
	/* It may have computed its time to sleep before, and not sleep yet: so again and again. */
	syscall(SYS_tgkill, process, page->thread, SIGUSR2);
	return false;
}

static void changed(pid_t process)
{
	page->changes++;
	AWAIT(has_turned(process));
}

void leap_let_go(void)
{
	if (!page || page->stands_since_ns == 0)
		return;
	page->ahead_ns -= kernel_ns(CLOCK_MONOTONIC) - page->stands_since_ns;
	page->stands_since_ns = 0;
	page->changes++;
}

void leap_stand(pid_t process)
{
	page->stands_since_ns = kernel_ns(CLOCK_MONOTONIC);
	changed(process);
}

void leap_go(pid_t process)
{
	leap_let_go();
	AWAIT(has_turned(process));
}

void leap_frozen(int64_t ns)
{
	page->ahead_ns += ns;
	page->changes++;
}

void leap(pid_t process, int64_t ns)
{
	page->ahead_ns += ns;
	changed(process);
}

int64_t leap_now_ns(clockid_t clock)
{
	int64_t since_ns = page->stands_since_ns;
	int64_t stood_ns = since_ns ? kernel_ns(CLOCK_MONOTONIC) - since_ns : 0;

	return kernel_ns(clock) + page->ahead_ns - stood_ns;
}
