/* SPDX-License-Identifier: Apache-2.0 */
/* What every object type's open, close and failure have in common. */
#ifndef LIB_OBJECTS_OBJECT_H
#define LIB_OBJECTS_OBJECT_H

#include "lib/client/session.h"

#include <errno.h>

/*
 * Open @name into a new struct of @struct_bytes, which begins with a struct object. Returns what
 * dso_counter_open() returns, and leaves a sentence.
 */
int object_open(struct dso_session *session, const char *name, const struct open_request *request,
		size_t struct_bytes, void *ret_object);

/* Give the handle back and free it. NULL does nothing. */
void object_close(struct object *object);

/* Leave the sentence of a failed @verb on @object and return @error. */
int object_fail(struct object *object, const char *verb, int error);

/* The same with a sentence of the caller's, which knows better than the errno what was wrong. */
__attribute__((format(printf, 4, 5))) int object_refuse(struct object *object, const char *verb,
							int error, const char *format, ...);

/* The same for a verb that waits for at most @timeout, where -EINVAL may mean the timeout. */
int object_fail_wait(struct object *object, const char *verb, int64_t timeout, int error);

/* Whether @error says that the session is over. */
static inline bool object_session_is_over(int error)
{
	return error == -ENOTCONN || error == -ESHUTDOWN || error == -ECONNRESET;
}

/* The error of a call whose earlier step has had its effect: it must not say that nothing was
 * done. */
static inline int object_half_done(int error)
{
	return object_session_is_over(error) ? -ECONNRESET : error;
}

#endif
