/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time of a storaged in the hands of a test: it stands, and passes when the test says so. Needs
 * a STORAGED whose clock leaps (tests/leap/clock.c).
 */
#ifndef TESTS_LEAP_LEAP_H
#define TESTS_LEAP_LEAP_H

#include "tests/await.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Before daemon_start, once: storageds that begin from here on have the clock. It goes. */
void leap_prepare(void);

/* When one of these returns, the loop of @process, a storaged, has had a whole turn since. */
void leap_stand(pid_t process);
void leap_go(pid_t process);
void leap(pid_t process, int64_t ns);
/* The same for one that is frozen: it sees that when it goes on. */
void leap_frozen(int64_t ns);
/* The time by @clock at a storaged. */
int64_t leap_now_ns(clockid_t clock);
/* For one that is told to end: what it waits for then may need time. */
void leap_let_go(void);

/* Let @ns pass again and again until @condition, an expression that is evaluated each time. */
#define LEAP_UNTIL(process, ns, condition)                                   \
	for (int64_t await_end_ns = clock_raw_ns() + AWAIT_NS; !(condition); \
	     await_on(await_end_ns, #condition, __FILE__, __LINE__))         \
	leap(process, ns)

#endif
