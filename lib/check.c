/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/check.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YIELDS_FOR_NAME 1000

bool check_is_on;

static void read_environment(void)
{
	const char *text = getenv("DSO_CHECK");

	check_is_on = text && !strcmp(text, "1");
}

void check_read_environment(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_environment);
}

/* Any address that is this thread's alone. */
static const void *this_thread(void)
{
	static _Thread_local char mark;

	return &mark;
}

/* What the other thread has called. It writes that down just after it is in. */
static const char *function_of(struct dso_session *session)
{
	const char *function = NULL;

	for (unsigned i = 0; i < YIELDS_FOR_NAME && !function; i++) {
		function = atomic_load(&session->inside.function);
		sched_yield();
	}
	return function ? function : "another function";
}

__attribute__((noreturn)) static void tell(const struct dso_session *session, const char *function,
					   const char *other)
{
	fprintf(stderr,
		"libdso-rdma: %s() is called while another thread is in %s() of the same session, "
		"at %s. "
		"A session is used by one thread at a time (dso/dso.h, Threads).\n",
		function, other, session->url);
	abort();
}

void check_begin(struct dso_session *session, const char *function)
{
	const void *nobody = NULL;

	if (!session)
		return;
	if (!atomic_compare_exchange_strong(&session->inside.thread, &nobody, this_thread()) &&
	    nobody != this_thread())
		tell(session, function, function_of(session));
	if (session->inside.depth++ == 0)
		atomic_store(&session->inside.function, function);
}

void check_end(struct dso_session *session)
{
	if (session && session->inside.depth && --session->inside.depth == 0)
		check_forget(session);
}

void check_forget(struct dso_session *session)
{
	session->inside.depth = 0;
	atomic_store(&session->inside.function, NULL);
	atomic_store(&session->inside.thread, NULL);
}
