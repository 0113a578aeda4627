/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments and results that are too long for an item: each the value of a future, "argument" or
 * "result" (@what) of a call of the executor of @prefix. */
#ifndef LIB_FUNCTIONS_STORED_H
#define LIB_FUNCTIONS_STORED_H

#include "lib/functions/message.h"

/* Of one that is there already the value stays: it is that of an attempt before, which is as good,
 * and of which the driver may have been told. *bytes is the length of @value, and becomes that of
 * what is there. What an attempt left without a value is deleted. Returns 0, or what opening,
 * setting and getting a future returns. */
int stored_put(struct dso_session *session, const char *prefix, const char *what, uint64_t number,
	       const void *value, size_t *bytes);

/* The value is there, and has @bytes. Returns 0, -EBADMSG (it has others), or what opening and
 * getting a future returns. */
int stored_get(struct dso_session *session, const char *prefix, const char *what, uint64_t number,
	       void *value, size_t bytes);

void stored_delete(struct dso_session *session, const char *prefix, const char *what,
		   uint64_t number);

#endif
