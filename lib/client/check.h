/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DSO_CHECK=1: the process ends when two threads are in one session at the same time, with a
 * sentence that names the functions that both have called. Without DSO_CHECK a call costs two looks
 * at a flag.
 */
#ifndef LIB_CLIENT_CHECK_H
#define LIB_CLIENT_CHECK_H

#include "lib/client/session.h"

/* Whether DSO_CHECK is 1; read once, by the first dso_open(). */
extern bool check_is_on;
void check_read_environment(void);

/* The calling thread enters @function of @session (which may be NULL), maybe within another; or it
 * leaves. */
void check_begin(struct dso_session *session, const char *function);
void check_end(struct dso_session *session);
/* In a forked child: no thread is in @session. */
void check_forget(struct dso_session *session);

static inline struct dso_session *check_enter(struct dso_session *session, const char *function)
{
	if (__builtin_expect(check_is_on, 0))
		check_begin(session, function);
	return session;
}

static inline void check_leave(struct dso_session **session)
{
	if (__builtin_expect(check_is_on, 0))
		check_end(*session);
}

/* The same for a handle, which begins with a struct object; its session is looked up only where it
 * matters. */
static inline const void *check_enter_of(const void *handle, const char *function)
{
	if (__builtin_expect(check_is_on, 0))
		check_begin(((const struct object *)handle)->session, function);
	return handle;
}

static inline void check_leave_of(const void **handle)
{
	if (__builtin_expect(check_is_on, 0))
		check_end(((const struct object *)*handle)->session);
}

/* The session of a handle; NULL for a handle that is NULL. */
static inline struct dso_session *check_session(const void *handle)
{
	return handle ? ((const struct object *)handle)->session : NULL;
}

/* The first line of every public function that only one thread at a time may call. Until the
 * function returns, the thread is in @session, or in the session of @handle, which must not be
 * closed meanwhile. */
#define INSIDE(session)                                                                    \
	__attribute__((cleanup(check_leave), unused)) struct dso_session *inside_session = \
		check_enter(session, __func__)
#define INSIDE_OF(handle)                                                        \
	__attribute__((cleanup(check_leave_of), unused)) const void *inside_of = \
		check_enter_of(handle, __func__)

#endif
