/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of a run that are kept, so that a driver that is started again finds what was done: the
 * map run/RUN/results/EXECUTOR, where EXECUTOR counts the executors of the driver. A worker puts
 * the result of a call there before it tells it. So what was told is what is kept, also where
 * another worker ran the call, too.
 *
 * The key of an entry is the call's number; its value says what was called, and has a short result.
 * A longer one is in pieces, entries of their own.
 */
#ifndef LIB_FUNCTIONS_KEPT_H
#define LIB_FUNCTIONS_KEPT_H

#include "lib/functions/message.h"

#include <stdbool.h>

/* Of an executor of one session; zero where nothing is kept. */
struct kept {
	struct dso_session *session;
	struct dso_map *map;
	bool is_fresh; /* there was nothing when the driver opened it */
};

/* What was called: a hash of the function's name and of the argument. */
struct kept_call {
	uint8_t hash[16];
};
struct kept_call kept_call_of(const char *function, size_t name_bytes, const void *argument,
			      size_t argument_bytes);

/* Whether the results of the executor of @prefix are kept, and where. */
bool kept_name_of(const char *prefix, struct object_name *ret_name);

/* At the driver: open the map, made where there is none. @ephemeral: 0 or DSO_EPHEMERAL. Returns 0,
 * or what opening and reading a map returns. */
int kept_create(struct dso_session *session, const char *prefix, uint32_t ephemeral,
		struct kept *ret_kept);

/* At a worker: no map is made where there is none, or none is to be. Returns 0, or an error. */
int kept_open(struct dso_session *session, const char *prefix, struct kept *ret_kept);

void kept_close(struct kept *kept);

/*
 * Keep the result *@value of *@bytes, which malloc() made, of the call @number. Where one is kept
 * already, it takes the place of *@value. Returns 0, -EEXIST (that is the result of another call),
 * -EBADMSG, -ENOMEM, or what the map returns.
 */
int kept_put(struct kept *kept, uint64_t number, const struct kept_call *call, void **value,
	     size_t *bytes);

/*
 * How many bytes the kept result of the call has: *ret_bytes. Returns 0, -ENOENT (none is kept),
 * -EEXIST (one of another call is), -EBADMSG (what lies there is no result), or what the map
 * returns.
 */
int kept_find(struct kept *kept, uint64_t number, const struct kept_call *call, size_t *ret_bytes);

/* Copy the kept result of @bytes into @value. Returns 0, -ENOENT, -EBADMSG (it has others), or what
 * the map returns. */
int kept_get(struct kept *kept, uint64_t number, void *value, size_t bytes);

#endif
