/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clock that stands and leaps as a test says. Linked into a program whose main thread waits in
 * epoll_wait(), these functions are found before those of libc. A call of epoll_wait() that finds a
 * change it has not seen returns as if its time were over, so that the loop computes anew what is
 * due; a signal wakes a thread that sleeps there. Other threads have the kernel's clock.
 */
#include "tests/leap/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define VISIBLE   __attribute__((visibility("default")))
#define SECOND_NS INT64_C(1000000000)

static struct leap_page *page;
static _Thread_local bool is_main;
/* The changes that epoll_wait() has told its caller of. */
static uint64_t changes_told;

/* The loop's timer, and when it is due by the clock that leaps. */
static int timer_fd = -1;
static int64_t timer_at_ns; /* 0: never */

static void come_back(int number)
{
	(void)number;
}

__attribute__((constructor)) static void begin(void)
{
	struct sigaction action = {.sa_handler = come_back};
	const char *number = getenv(LEAP_VARIABLE);
	void *memory;

	if (!number)
		return;
	sigaction(SIGUSR2, &action, NULL);
	memory = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(number), 0);
	if (memory == MAP_FAILED)
		abort();
	close(atoi(number));
	page = memory;
	is_main = true;
}

static int64_t kernel_ns(void)
{
	struct timespec now;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static int64_t leaping_ns(void)
{
	int64_t since_ns = page->stands_since_ns;

	return page->ahead_ns + (since_ns ? since_ns : kernel_ns());
}

VISIBLE int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	int64_t now_ns;
	int r = (int)syscall(SYS_clock_gettime, clock, ret_now);

	if (!is_main ||
	    (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME))
		return r;
	now_ns = leaping_ns();
	if (clock != CLOCK_MONOTONIC)
		now_ns += ret_now->tv_sec * SECOND_NS + ret_now->tv_nsec - kernel_ns();
	*ret_now = (struct timespec){.tv_sec = now_ns / SECOND_NS, .tv_nsec = now_ns % SECOND_NS};
	return r;
}

static int set_timer(void)
{
	struct itimerspec at = {0};
	int64_t left_ns = timer_at_ns - leaping_ns();

	if (timer_at_ns && (left_ns <= 0 || !page->stands_since_ns)) {
		left_ns = left_ns > 0 ? left_ns : 1;
		at.it_value = (struct timespec){.tv_sec = left_ns / SECOND_NS,
						.tv_nsec = left_ns % SECOND_NS};
	}
	return (int)syscall(SYS_timerfd_settime, timer_fd, 0, &at, NULL);
}

VISIBLE int timerfd_settime(int fd, int flags, const struct itimerspec *at,
			    struct itimerspec *before)
{
	if (!is_main)
		return (int)syscall(SYS_timerfd_settime, fd, flags, at, before);
	if (flags != TFD_TIMER_ABSTIME || before || (timer_fd >= 0 && timer_fd != fd))
		abort(); /* there is one */
	timer_fd = fd;
	timer_at_ns = at->it_value.tv_sec * SECOND_NS + at->it_value.tv_nsec;
	return set_timer();
}

VISIBLE int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
	if (is_main) {
		uint64_t changes = page->changes;

		page->thread = (int)syscall(SYS_gettid);
		if (changes == changes_told) {
			page->changes_seen = changes;
		} else {
			changes_told = changes;
			timeout_ms = 0;
			if (timer_fd >= 0)
				set_timer();
		}
		/* No time passes that could be over. */
		if (timeout_ms > 0 && page->stands_since_ns)
			timeout_ms = -1;
	}
	return (int)syscall(SYS_epoll_pwait, fd, events, count, timeout_ms, NULL, 0);
}
