/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/leap/hurry.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define VISIBLE   __attribute__((visibility("default")))
#define SPEED     1000
#define LOOK_MS   1
#define SECOND_NS INT64_C(1000000000)

/* A clock that is ahead of the kernel's, and goes on from there at SPEED while it hurries. */
struct hurry {
	_Atomic int64_t ahead_ns;
	_Atomic int64_t since_ns; /* the kernel's time; 0: it goes as the kernel's */
};

static struct hurry process;
static _Thread_local struct hurry thread;

static int64_t kernel_ns(void)
{
	struct timespec now;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static int64_t ahead_ns(const struct hurry *hurry, int64_t now_ns)
{
	int64_t since_ns = hurry->since_ns;

	return hurry->ahead_ns + (since_ns ? (now_ns - since_ns) * (SPEED - 1) : 0);
}

static int64_t now_ns(void)
{
	int64_t kernel = kernel_ns();

	return kernel + ahead_ns(&process, kernel) + ahead_ns(&thread, kernel);
}

/* Found by the library before that of libc. */
VISIBLE int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	int64_t now;

	if (clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, ret_now);
	now = now_ns();
	*ret_now = (struct timespec){.tv_sec = now / SECOND_NS, .tv_nsec = now % SECOND_NS};
	return 0;
}

VISIBLE int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
	int64_t until_ns = now_ns() + timeout_ms * INT64_C(1000000);
	int found;

	do
		found = (int)syscall(SYS_epoll_pwait, fd, events, count, timeout_ms ? LOOK_MS : 0,
				     NULL, 0);
	while (found == 0 && (timeout_ms < 0 || now_ns() < until_ns));
	return found;
}

static void begin(struct hurry *hurry)
{
	hurry->since_ns = kernel_ns();
}

void hurry_thread_begin(void)
{
	begin(&thread);
}

void hurry_thread_end(void)
{
	thread.since_ns = 0;
}

void hurry_process_begin(void)
{
	begin(&process);
}

void hurry_process_end(void)
{
	process.ahead_ns = ahead_ns(&process, kernel_ns());
	process.since_ns = 0;
}

void hurry_process_leap(int64_t ns)
{
	process.ahead_ns += ns;
}
