/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/object.h"
#include "lib/client/check.h"
#include "lib/client/handles.h"
#include "lib/client/renew.h"
#include "lib/client/sentences.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int object_fail(struct object *object, const char *verb, int error)
{
	struct dso_session *session = object->session;

	if (object_session_is_over(error)) {
		pthread_mutex_lock(&session->lock);
		session_fail(session, error, "%s %s %s at %s: %s%s%s",
			     dso_type_name((enum dso_type)object->type), object->name, verb,
			     session->url, error_sentence(error),
			     *session->lost_reason ? ". Why: " : "", session->lost_reason);
		pthread_mutex_unlock(&session->lock);
		return error;
	}
	return object_refuse(object, verb, error, "%s", error_sentence(error));
}

int object_refuse(struct object *object, const char *verb, int error, const char *format, ...)
{
	char why[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	return session_fail(object->session, error, "%s %s %s at %s: %s",
			    dso_type_name((enum dso_type)object->type), object->name, verb,
			    object->session->url, why);
}

int object_fail_wait(struct object *object, const char *verb, int64_t timeout, int error)
{
	if (error == -EINVAL && timeout < DSO_FOREVER)
		return object_refuse(object, verb, error,
				     "the timeout is %lld ns; 0 and more are allowed, and "
				     "DSO_FOREVER, which is -1",
				     (long long)timeout);
	return object_fail(object, verb, error);
}

int object_open(struct dso_session *session, const char *name, const struct open_request *request,
		size_t struct_bytes, void *ret_object)
{
	const char *type = dso_type_name((enum dso_type)request->type);
	struct object *object;
	char reason[256] = "";
	size_t name_bytes = name ? strlen(name) : 0;
	int r;

	if (request->unwanted)
		return session_fail(session, -EINVAL,
				    "cannot open a %s: there is nowhere to put the handle", type);
	if (name_bytes == 0)
		return session_fail(session, -EINVAL, "cannot open a %s: its name is empty", type);
	if (request->ephemeral > DSO_EPHEMERAL)
		return session_fail(session, -EINVAL,
				    "cannot open a %s: ephemeral: %llu asked, 0 or 1 is allowed",
				    type, (unsigned long long)request->ephemeral);
	if (name_bytes > DSO_NAME_BYTES_MAX)
		return session_fail(session, -ENAMETOOLONG,
				    "cannot open a %s: its name has %zu bytes, %d are the most",
				    type, name_bytes, DSO_NAME_BYTES_MAX);
	object = calloc(1, struct_bytes);
	if (!object)
		return session_fail(session, -ENOMEM, "cannot open %s %s: out of memory", type,
				    name);
	object->session = session;
	object->is_slow = check_is_on;
	object->type = request->type;
	object->lose = request->lose;
	memcpy(object->name, name, name_bytes);
	r = atomic_load(&session->health);
	if (r == 0)
		r = session->directory->open(session, object, request, reason, sizeof reason);
	if (renewed(session, r))
		r = session->directory->open(session, object, request, reason, sizeof reason);
	if (r) {
		free(object);
		return session_fail(session, r, "cannot open %s %s at %s: %s", type, name,
				    session->url, *reason ? reason : error_sentence(r));
	}
	*(struct object **)ret_object = object;
	return 0;
}

void object_close(struct object *object)
{
	if (!object)
		return;
	/* The handle is given back only when nothing that was submitted under it can land any
	 * more. */
	session_drain(object->session);
	object->session->directory->close(object->session, object);
	object_free(object);
}
