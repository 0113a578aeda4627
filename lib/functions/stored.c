/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/stored.h"

#include <errno.h>

int stored_put(struct dso_session *session, const char *prefix, const char *what, uint64_t number,
	       const void *value, size_t bytes)
{
	struct object_name name = name_of_stored(prefix, what, number);
	struct dso_future_params params = {.capacity_bytes = bytes};
	struct dso_future *future;
	int r = dso_future_open(session, name.text, &params, &future);

	if (r)
		return r;
	r = dso_future_set(future, value, bytes);
	dso_future_close(future);
	return r == -EALREADY ? 0 : r;
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
