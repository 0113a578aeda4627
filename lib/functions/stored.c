/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/stored.h"

#include <errno.h>

#define ATTEMPTS 3 /* that end between opening a future and setting it, one after the other */

/* Set the future to @value, or learn how long the value is that it has. Returns -EOWNERDEAD or
 * -ETIMEDOUT where it has none, and takes this one neither. */
static int set(struct dso_future *future, const void *value, size_t *bytes)
{
	int r = dso_future_set(future, value, *bytes);

	/* For want of room, or since it is set or promised. */
	if (r != -EALREADY && r != -EMSGSIZE)
		return r;
	r = dso_future_get(future, NULL, 0, DSO_NOWAIT, bytes);
	return r == -EMSGSIZE ? 0 : r;
}

/* One that has another capacity is an attempt's before. */
static int put(struct dso_session *session, const char *name, const void *value, size_t *bytes)
{
	struct dso_future_params params = {.capacity_bytes = *bytes};
	struct dso_future *future;
	int r = dso_future_open(session, name, &params, &future);

	if (r == -EINVAL)
		r = dso_future_open(session, name, NULL, &future);
	if (r)
		return r;
	r = set(future, value, bytes);
	dso_future_close(future);
	return r;
}

int stored_put(struct dso_session *session, const char *prefix, const char *what, uint64_t number,
	       const void *value, size_t *bytes)
{
	struct object_name name = name_of_stored(prefix, what, number);
	int r;

	for (unsigned attempts = 0; attempts < ATTEMPTS; attempts++) {
		r = put(session, name.text, value, bytes);
		if (r != -EOWNERDEAD && r != -ETIMEDOUT)
			break;
		dso_object_delete(session, name.text);
	}
	return r;
}

int stored_get(struct dso_session *session, const char *prefix, const char *what, uint64_t number,
	       void *value, size_t bytes)
{
	struct object_name name = name_of_stored(prefix, what, number);
	struct dso_future *future;
	size_t length = 0;
	int r = dso_future_open(session, name.text, NULL, &future);

	if (r)
		return r;
	r = dso_future_get(future, value, bytes, DSO_NOWAIT, &length);
	dso_future_close(future);
	return r ? r : length == bytes ? 0 : -EBADMSG;
}

void stored_delete(struct dso_session *session, const char *prefix, const char *what,
		   uint64_t number)
{
	dso_object_delete(session, name_of_stored(prefix, what, number).text);
}
