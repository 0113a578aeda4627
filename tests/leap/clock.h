/* SPDX-License-Identifier: Apache-2.0 */
/* What a process whose clock leaps (tests/leap/clock.c) shares with the test that makes it leap. */
#ifndef TESTS_LEAP_CLOCK_H
#define TESTS_LEAP_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

/* The variable that holds the number of the page's descriptor. */
#define LEAP_VARIABLE "DSO_TEST_CLOCK_FD"

struct leap_page {
	/* What its clock is ahead of the kernel's, but for the time that it stands. */
	_Atomic int64_t ahead_ns;
	/* The kernel's time since which its clock stands; 0: it goes. */
	_Atomic int64_t stands_since_ns;
	/* How often the test changed one of these. */
	_Atomic uint64_t changes;
	/* Behind so many of them its loop has had a whole turn. */
	_Atomic uint64_t changes_seen;
	/* The thread of its loop. */
	_Atomic int thread;
};

#endif
