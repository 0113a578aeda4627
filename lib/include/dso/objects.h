/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by name, and who holds them. Included by dso/dso.h. */
#ifndef DSO_OBJECTS_H
#define DSO_OBJECTS_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- objects by name ---- */

enum dso_type {
	DSO_MEMORY = 1,
	DSO_COUNTER = 2,
	DSO_REGISTER = 3,
	DSO_MUTEX = 4,
	DSO_RWLOCK = 5,
	DSO_SEMAPHORE = 6,
	DSO_BARRIER = 7,
	DSO_LATCH = 8,
	DSO_CONDITION = 9,
	DSO_ONCE = 10,
	DSO_FUTURE = 11
};

struct dso_stat {
	enum dso_type type;
	uint32_t generation;    /* distinguishes objects that had the same name */
	uint64_t offset;        /* in the region */
	uint64_t length_bytes;  /* in the region, with its header */
	uint32_t opens;         /* handles to it that are open, of all sessions */
	uint64_t parameters[4]; /* as created; their meaning is the type's */
	char name[DSO_NAME_BYTES_MAX + 1];
};

/* dso_type_name - the name of the type in small letters, "memory" to "future"; "unknown" for any
 * other number. */
const char *dso_type_name(enum dso_type type);

/*
 * dso_object_delete - delete the object called @name. Behind its return this session's handles to
 * it, and those of every session of the same embedded store, return -ESTALE. Another session's do
 * so once its library has taken storaged's notice, which comes without being asked for; what that
 * session calls before is still executed, in memory that nobody else is given before every session
 * that had the object open has acknowledged or is gone. So an operation never reaches the next
 * object of that name or place. One control round trip.
 * Returns 0, -ENOENT (no such object), -EINVAL (the name is empty or NULL), -ENAMETOOLONG,
 * -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -ECONNRESET (the session ended before the answer came: it may
 * have been deleted or not).
 */
int dso_object_delete(struct dso_session *session, const char *name);

/*
 * dso_object_stat - describe the object called @name. One control round trip.
 * Returns 0, -ENOENT (no such object), -EINVAL (the name is empty or NULL), -ENAMETOOLONG,
 * -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_object_stat(struct dso_session *session, const char *name, struct dso_stat *ret_stat);

/*
 * dso_list - call @each with every object of the namespace, in no order, until it returns other
 * than 0. Objects that come or go meanwhile may be missed. One control round trip a page. @each
 * must not use the session. Returns 0, what @each returned, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT,
 * -EPROTO.
 */
int dso_list(struct dso_session *session, int (*each)(const struct dso_stat *stat, void *context),
	     void *context);

/* What a session may be to an object that it holds. */
enum dso_role {
	DSO_HOLDER = 0, /* has a mutex, or permits; does a once; has promised a future */
	DSO_WRITER = 1, /* of a rwlock, still waiting for readers or not; is writing a register */
	DSO_READER = 2  /* of a rwlock */
};

/* What one session has of one object. */
struct dso_hold {
	enum dso_type type;
	enum dso_role role;
	uint32_t generation; /* of the object */
	uint32_t owner;      /* the session's owner number, as of dso_mutex_holder() */
	uint32_t count;      /* permits of a semaphore, else 1 */
	uint32_t reserved;   /* zero */
	/* of a mutex and of a rwlock's writer the fencing token; else a number that stays the same
	 * while it is held, of several permits the largest */
	uint64_t token;
	int64_t held_min; /* ns: it has had it without a break for so long at least, */
	int64_t held_max; /* and no longer than this; DSO_FOREVER: that is not known */
	/*
	 * "pid 4711" of a client on storaged's unix socket, or "192.0.2.7:40312". Behind it "
	 * (lost)": its session is over, but its process has the memory mapped still; " (lingers)":
	 * it asked that what it holds be kept for a while; " (ended)": it is being taken back.
	 */
	char who[64];
	char name[DSO_NAME_BYTES_MAX + 1];
};

/*
 * dso_holds - call @each with every hold in the namespace, an object after the other, until it
 * returns other than 0: locked mutexes, writers and readers of rwlocks, permits, onces that were
 * begun and are not done, futures that were promised and are not set, registers in the middle of a
 * write. What is taken or given back meanwhile may be missed. Since when is what storaged saw in
 * passing: it looks now and then, so that the two times of a hold are some heartbeats apart; of
 * several permits they are those of the oldest. An embedded store does not look. One control round
 * trip a page, and nothing on the path of the holders. @each must not use the session. Returns 0,
 * what @each returned, -EOPNOTSUPP (storaged is older than this function), -EIO (its RDMA device
 * failed), -ENOMEM, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_holds(struct dso_session *session, int (*each)(const struct dso_hold *hold, void *context),
	      void *context);

DSO_DECLARATIONS_END

#endif
