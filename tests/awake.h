/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clock that stands still when the machine does, for limits on what the product may take: a
 * thread counts its naps. A nap that takes far longer than it should is a standstill of this
 * process, and counts as AWAKE_NAP_NS_MAX.
 */
#ifndef TESTS_AWAKE_H
#define TESTS_AWAKE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/clock.h"

#define AWAKE_NAP_NS     5000000
#define AWAKE_NAP_NS_MAX 50000000

static _Atomic int64_t awake_ns;

static void *awake_run(void *unused)
{
	for (int64_t before_ns = clock_now_ns(), now_ns;; before_ns = now_ns) {
		nap(AWAKE_NAP_NS);
		now_ns = clock_now_ns();
		awake_ns += now_ns - before_ns < AWAKE_NAP_NS_MAX ? now_ns - before_ns
								  : AWAKE_NAP_NS_MAX;
	}
	return unused;
}

/* Let it run, until the program ends. */
static inline void awake_begin(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, awake_run, NULL))
		abort();
	pthread_detach(thread);
}

static inline int64_t awake_now_ns(void)
{
	return awake_ns;
}

#endif
