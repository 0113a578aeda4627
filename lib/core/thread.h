/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of the library's own. */
#ifndef LIB_CORE_THREAD_H
#define LIB_CORE_THREAD_H

#include <pthread.h>
#include <signal.h>

/* Begin a thread that handles no signal of the program's. Returns 0, or what pthread_create() does,
 * negative. */
static inline int thread_start(pthread_t *ret_thread, void *(*run)(void *argument), void *argument)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(ret_thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

#endif
