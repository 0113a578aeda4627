/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by name, and which session holds them. Included by dso/dso.h. */
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
	DSO_FUTURE = 11,
	DSO_QUEUE = 12,
	DSO_MAP = 13,
	DSO_SET = 14,
	DSO_AGGREGATOR = 15
};

struct dso_stat {
	enum dso_type type;
	uint32_t generation;    /* distinguishes objects that had the same name */
	uint64_t offset;        /* in the region */
	uint64_t length_bytes;  /* in the region, with its header */
	uint32_t opens;         /* handles to it that are open, of all sessions */
	uint32_t extents;       /* that an object that grows has beside that */
	uint64_t extent_bytes;  /* of all of them; zero with a storaged that knows none */
	uint64_t ephemeral;     /* 1: it is deleted with the last of its handles */
	uint64_t parameters[4]; /* as created; their meaning is the type's */
	char name[DSO_NAME_BYTES_MAX + 1];
};

/* dso_type_name - the name of the type in small letters, "memory" to "aggregator"; "unknown" for
 * any other number. The string is the library's, for ever. Any thread may call it; it does not
 * block. */
const char *dso_type_name(enum dso_type type);

/*
 * dso_object_delete - delete the object called @name. After it has returned, this session's handles
 * to the object, and those of every session of the same embedded store, return -ESTALE. The handles
 * of another session do so as soon as its library has received storaged's notice. What that session
 * calls before is still executed, in the object's old memory, which storaged gives to no other
 * object until every session that had it open has acknowledged the notice or is gone. So an
 * operation never reaches the next object of that name or at that place. Blocks for one control
 * round trip, and until storaged has told the other sessions. Returns 0, -ENOENT (no such object),
 * -EINVAL (the name is empty or NULL), -ENAMETOOLONG, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT,
 * -ECONNRESET (the session ended before the answer came: the object may or may not have been
 * deleted), -EPROTO.
 */
int dso_object_delete(struct dso_session *session, const char *name);

/*
 * dso_delete_prefix - delete every object whose name begins with @prefix, as dso_object_delete()
 * does, also one that a session holds. *ret_count is how many there were. Objects that are created
 * meanwhile may stay. Blocks for one control round trip for up to 64 objects, and for one more for
 * each that a session has open; storaged serves others in between. Returns 0, -EINVAL (the prefix
 * is empty, as every object's name begins with that, or NULL), -ENAMETOOLONG, -EOPNOTSUPP (storaged
 * is older than this function), -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -ECONNRESET, -EPROTO (after any
 * of the last five some of the objects may have been deleted).
 */
int dso_delete_prefix(struct dso_session *session, const char *prefix, uint64_t *ret_count);

/*
 * dso_object_stat - describe the object called @name. Blocks for one control round trip. Returns 0,
 * -ENOENT (no such object), -EINVAL (the name is empty or NULL), -ENAMETOOLONG, -ENOTCONN,
 * -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_object_stat(struct dso_session *session, const char *name, struct dso_stat *ret_stat);

/*
 * dso_list - call @each with every object of the namespace, in no order, until @each returns other
 * than 0. @each gets @context, must not use the session, and must not keep the pointer to the
 * description. Objects that are created or deleted meanwhile may be missed. Blocks for one control
 * round trip a page of up to 64 objects. Returns 0, what @each returned, -ENOTCONN, -ESHUTDOWN,
 * -ETIMEDOUT, -EPROTO.
 */
int dso_list(struct dso_session *session, int (*each)(const struct dso_stat *stat, void *context),
	     void *context);

/* The role in which a session holds an object. */
enum dso_role {
	/* has a mutex, permits, or leased items; does a once; has promised a future; is pushing */
	DSO_HOLDER = 0,
	DSO_WRITER = 1, /* of a rwlock, also while it waits for readers; is writing a register */
	DSO_READER = 2  /* of a rwlock */
};

/* What one session holds of one object. */
struct dso_hold {
	enum dso_type type;
	enum dso_role role;
	uint32_t generation; /* of the object */
	uint32_t owner;      /* the session's owner number, as of dso_mutex_holder() */
	uint32_t count;      /* permits of a semaphore, items of a queue, else 1 */
	uint32_t reserved;   /* zero */
	/* the fencing token of a mutex or of a rwlock's writer; otherwise a number that stays the
	 * same during one hold, of several permits the largest */
	uint64_t token;
	int64_t held_min; /* ns: the session has held it without a break for at least this long */
	int64_t held_max; /* ns: and for at most this long; DSO_FOREVER: that is not known */
	/*
	 * "pid 4711" of a client on storaged's unix socket, or "192.0.2.7:40312"; empty where no
	 * session has that owner number, as after a program has written over the word.
	 * One of three notes may follow: " (lost)": the session is over, but its process still
	 * maps the memory; " (lingers)": the session is over, and asked that its holds be kept for
	 * a while;
	 * " (ended)": storaged is taking the hold back.
	 */
	char who[64];
	char name[DSO_NAME_BYTES_MAX + 1];
};

/*
 * dso_holds - call @each with every hold in the namespace, object by object, until @each returns
 * other than 0. Holds are: locked mutexes, writers and readers of rwlocks, permits, onces that were
 * begun and are not done, futures that were promised and are not set, registers in the middle of a
 * write, items of a queue that are leased or in the middle of a push. @each gets @context, must not
 * use the session, and must not keep the pointer to the hold. What is taken or given back meanwhile
 * may be missed. storaged looks at the words now and then, so the two times of a hold are some
 * heartbeats apart; of several permits they are those of the oldest. An embedded store does not
 * look, and knows no times. Blocks for one control round trip a page; the holders pay nothing.
 * Returns 0, what @each returned, -EOPNOTSUPP (storaged is older than this function), -EIO
 * (storaged's RDMA device failed, or storaged has no memory for the answer), -ENOMEM, -ENOTCONN,
 * -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_holds(struct dso_session *session, int (*each)(const struct dso_hold *hold, void *context),
	      void *context);

enum dso_finding_kind {
	/* no client and no storaged brings it about, not even by its death: the memory was written
	 * over, or a program of ours is wrong */
	DSO_FINDING_DAMAGE = 0,
	/* of a session that has ended: it costs a little, and hinders nobody */
	DSO_FINDING_LEFTOVER = 1
};

/* What dso_object_check() says of one place. */
struct dso_finding {
	enum dso_finding_kind kind;
	enum dso_type type;   /* of the object */
	uint32_t generation;  /* of the object */
	uint64_t offset;      /* of the place, from the object's beginning */
	const char *sentence; /* valid until the callback returns */
};

/*
 * dso_object_check - check the structure of the object called @name, and call @each with every
 * finding, until @each returns other than 0. Nothing is changed. Checked are: the object's header
 * against what storaged knows of the object; whether each session that a word names lives, has the
 * object open and is known to storaged as its holder; flags that no word of that kind has, or not
 * together; the checksum of a register's current value, of a future's value and of the items of a
 * queue; counts that cannot be, as of parties that have arrived at a barrier; each slot of a queue
 * against its tail, head and void tickets. The bytes of a memory and the value of a counter may be
 * anything. Meant for objects that nobody uses at the moment: what changes while it is looked at is
 * looked at again, and after a few times given up with -EBUSY. Without other sessions that have the
 * object open more can be told, since nothing is under way then. @each gets @context, must not use
 * the session, and must not keep the pointer. Reads all of the object over the data path, so it
 * takes as much memory of this process. Blocks for the time of that and a few control round trips;
 * where there is something to find, for 10 ms more, and while the object changes for up to 630 ms.
 * Returns 0 (all findings were told, maybe none), what @each returned, -EBUSY (it changed during
 * every look: nothing is told), -ESTALE (it was deleted meanwhile), -ENOENT (no such object),
 * -EINVAL (the name is empty or NULL), -ENAMETOOLONG, -EOPNOTSUPP (its type is newer than this
 * library), -ENOMEM, -EIO (storaged's RDMA device failed, or storaged has no memory for its
 * answer), -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_object_check(struct dso_session *session, const char *name,
		     int (*each)(const struct dso_finding *finding, void *context), void *context);

DSO_DECLARATIONS_END

#endif
