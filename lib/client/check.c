/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* An address that belongs to this thread alone. */
static const void *this_thread(void)
{
	static _Thread_local char mark;

	return &mark;
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

/* A thread takes the session by storing the name of what it has called, so that another one finds
 * the name at once. */
void check_begin(struct dso_session *session, const char *function)
{
	const char *other = NULL;

	if (!session)
		return;
	if (atomic_compare_exchange_strong(&session->inside.function, &other, function))
		atomic_store(&session->inside.thread, this_thread());
	else if (atomic_load(&session->inside.thread) != this_thread())
		tell(session, function, other);
	session->inside.depth++;
}

void check_end(struct dso_session *session)
{
	if (session && session->inside.depth && --session->inside.depth == 0)
		check_forget(session);
}

void check_forget(struct dso_session *session)
{
	session->inside.depth = 0;
	atomic_store(&session->inside.thread, NULL);
	atomic_store(&session->inside.function, NULL);
}
