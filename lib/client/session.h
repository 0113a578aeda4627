/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: a directory, which knows the names, a transport, which carries operations, and the
 * open handles. One thread uses it. That thread and the heartbeat thread (lib/remote/heartbeat.c)
 * mark the session lost and objects deleted.
 */
#ifndef LIB_CLIENT_SESSION_H
#define LIB_CLIENT_SESSION_H

#include "lib/core/park.h"
#include "lib/core/transport.h"
#include "lib/remote/url.h"

#include <pthread.h>

/*
 * A handle to an object: the first member of every object type's struct.
 *
 * Deletion: each operation looks at `deleted` when it enters, on this processor only. The thread
 * that set the flag waits, before storaged may reuse the memory, until the operations that entered
 * before have left: see session_enter, and remote_quiesce in lib/remote/handles.c.
 */
struct object {
	/* what each operation looks at, in one cache line */
	struct dso_session *session;
	uint64_t offset; /* of the header in the region */
	uint64_t length_bytes;
	_Atomic bool deleted;
	_Atomic bool is_slow; /* it was deleted, or lib/client/check.h is on: look closer */

	bool acknowledged;              /* the deletion, to storaged; under session->lock */
	struct object *previous, *next; /* in session->objects, under session->lock */
	/* the entered operations to wait for before that; under session->lock */
	uint64_t leave_serial;
	/* in the table and the queue of lib/remote/handles.c; under session->lock */
	struct object *bucket_next, *leaving_previous, *leaving_next;
	bool waits_to_leave;
	enum object_type type;
	uint32_t handle;
	uint32_t generation;
	uint64_t parameters[4];
	uint64_t token_origin;
	void *memory[3]; /* the type's own; freed with the handle */
	/* the request it was opened with: see struct open_request */
	bool (*lose)(struct object *object, struct dso_loss *loss);
	char name[DSO_NAME_BYTES_MAX + 1];
};

struct open_request {
	enum object_type type;
	/* NULL: handles of the type hold nothing. Called when the session is over. Returns whether
	 * the handle held something. With @loss it also fills in role and count, and forgets the
	 * hold and what it had seen of the words. */
	bool (*lose)(struct object *object, struct dso_loss *loss);
	bool unwanted; /* there is nowhere to put the handle */
	bool given;    /* parameters */
	/* 0 or DSO_EPHEMERAL: the object goes with its last handle */
	uint64_t ephemeral;
	bool is_there; /* -ENOENT where it is not, instead of making it */
	uint64_t parameters[4];
};

/* Of CONTROL_OPEN. */
static inline uint8_t directory_open_flags(const struct open_request *request)
{
	return (request->is_there ? 0 : CONTROL_OPEN_CREATE) |
	       (request->given ? CONTROL_OPEN_PARAMETERS : 0) |
	       (request->ephemeral ? CONTROL_OPEN_EPHEMERAL : 0);
}

/* Memory of an object beside its own, in the region. */
struct directory_extent {
	uint64_t offset;
	uint64_t bytes;
};

/* The directory knows the names: storaged over a control connection (lib/remote/directory.c), or
 * the store in this process (lib/client/embedded.c). Each function returns 0 or a negative errno,
 * with the end of the sentence for session->error in @reason. */
struct directory_ops {
	/* Fill in the object's reference (all members from leave_serial on but the name) and link
	 * it into the session. */
	int (*open)(struct dso_session *session, struct object *object,
		    const struct open_request *request, char *reason, size_t reason_bytes);
	/* Link a handle without an object, after a renewal (lib/client/renew.c). */
	void (*adopt)(struct dso_session *session, struct object *object);
	/* Unlink it and give the handle back. */
	void (*close)(struct dso_session *session, struct object *object);
	/*
	 * Give the object the extent @number of @bytes, where it has none; zero only asks. Fills in
	 * @extents, CONTROL_GROWN_MAX at most: that one and those behind it without a gap. Returns
	 * 0 (*ret_count is 0 where there is no such extent), -ENOSPC, -ENFILE, -EOPNOTSUPP (an old
	 * storaged), -ESTALE, the errors of any request.
	 */
	int (*grow)(struct dso_session *session, struct object *object, unsigned number,
		    uint64_t bytes, struct directory_extent *extents, unsigned *ret_count,
		    char *reason, size_t reason_bytes);
	int (*delete)(struct dso_session *session, const char *name, char *reason,
		      size_t reason_bytes);
	/* Delete some of the objects whose names begin with @prefix, from *cursor (0 at first) on;
	 * *cursor is 0 after the last. *ret_count is how many. */
	int (*delete_prefix)(struct dso_session *session, const char *prefix, uint32_t *cursor,
			     uint32_t *ret_count, char *reason, size_t reason_bytes);
	int (*stat)(struct dso_session *session, const char *name, struct dso_stat *ret_stat,
		    char *reason, size_t reason_bytes);
	/* List up to @count_max entries from *cursor (0 at first) on; *cursor is 0 after the
	 * last. */
	int (*list)(struct dso_session *session, uint32_t *cursor, struct dso_stat *entries,
		    unsigned count_max, unsigned *ret_count, char *reason, size_t reason_bytes);
	/* The same for the holds. A page may be empty and not the last. */
	int (*holds)(struct dso_session *session, uint64_t *cursor, struct dso_hold *holds,
		     unsigned count_max, unsigned *ret_count, char *reason, size_t reason_bytes);
	int (*server_stat)(struct dso_session *session, struct dso_server_stat *ret_stat,
			   char *reason, size_t reason_bytes);
	/* Append what storaged counted to *count figures, at most @count_max. */
	int (*figures)(struct dso_session *session, struct dso_figure *figures, size_t count_max,
		       size_t *count, char *reason, size_t reason_bytes);
	int (*ping)(struct dso_session *session, char *reason, size_t reason_bytes);
	/*
	 * Park until the word of the object is woken, or given to this session. Returns 0
	 * (*ret_taken is the word, if the session owns it now, or 0), -EAGAIN (there is nothing to
	 * wait for), -ETIMEDOUT (at @deadline_ns, of CLOCK_MONOTONIC), -ECANCELED
	 * (session->interrupted was set, and is cleared), -ESTALE, -ENOTCONN, -ESHUTDOWN.
	 */
	int (*wait)(struct dso_session *session, struct object *object, const struct park *park,
		    int64_t deadline_ns, uint64_t *ret_taken, char *reason, size_t reason_bytes);
	/* End the session's wait, if session->interrupted is set. Any thread. */
	void (*interrupt)(struct dso_session *session);
	/* Wake up to @count of the sessions parked there, the longest parked first. *ret_count is
	 * how many there were; NULL: do not wait for the answer. */
	int (*wake)(struct dso_session *session, struct object *object, uint64_t offset,
		    uint32_t count, uint32_t *ret_count, char *reason, size_t reason_bytes);
	/* Have a round of an aggregator reduced, if it is complete. *ret_word is the word of its
	 * round after that. NULL: the memory is here, and the caller reduces. */
	int (*reduce)(struct dso_session *session, struct object *object, uint64_t round,
		      uint64_t *ret_word, char *reason, size_t reason_bytes);
	/* End the session, with a goodbye where it is not lost, and return when storaged has
	 * answered. After that only the caller touches it. The transport was detached before, and
	 * is closed after. */
	void (*leave)(struct dso_session *session);
	/* In a forked child, from its only thread: free directory_data, and touch nothing of the
	 * parent's. */
	void (*forget)(struct dso_session *session);
};

/* The most entries of a page of a listing. */
#define DIRECTORY_PAGE_MAX 64

struct submitted {
	struct op op;
	uint64_t tag;
	uint64_t serial; /* of its entry */
};

#define TRANSPORT_REPORTS_MAX 5
_Static_assert(TRANSPORT_REPORTS_MAX > TRANSPORT_COUNT, "one of each, and of the embedded store");

/* What dso_open made of its options and the environment; a session has a copy. */
struct session_settings {
	const char *url, *transport, *device, *io;
	int64_t timeout_ns, linger_ns;
	int64_t deadline_ns; /* for dso_open as a whole, CLOCK_MONOTONIC */
	int64_t open_ns;     /* how long dso_open as a whole may take */
	bool by_default;     /* the unix socket is the default one: see lib/client/trust.h */
	enum transport_poll poll;
	bool renew; /* by itself */
};

struct dso_session {
	struct transport *transport;
	const struct directory_ops *directory;
	void *directory_data; /* struct remote or struct embedded */
	_Atomic int health;   /* 0; -ENOTCONN or -ESHUTDOWN once it is over. Set once */
	_Atomic bool interrupted;
	_Atomic int64_t round_trip_ns; /* of the control connection, as last measured; 0: not yet */
	/* The numbers of operations that entered and left, for the heartbeat thread's quiescence.
	 * Written by the user's thread. */
	_Atomic uint64_t entered, left;

	struct submitted *submitted; /* a ring of DSO_OUTSTANDING_MAX */
	uint64_t submit_count, reap_count;
	int poll_fd, ready_fd; /* of dso_fd(): an epoll set, an eventfd in it; -1 until called */
	bool ready_signalled;

	uint16_t owner; /* of words that this session holds */
	int64_t timeout_ns;
	int64_t ttl_ns;
	enum transport_poll poll;
	char url[256]; /* for sentences */
	struct dso_transport_report reports[TRANSPORT_REPORTS_MAX];
	unsigned report_count;

	struct session_settings settings;
	pthread_mutex_t
		interrupt_lock; /* the directory, for dso_interrupt; taken before the other */
	pthread_mutex_t lock;   /* objects, lost_reason */
	struct object *objects;
	char lost_reason[160];
	char error[2048];

	/* lib/client/check.c's: the thread that is in the session, and the function that it called
	 * first */
	struct {
		_Atomic(const void *) thread;
		_Atomic(const char *) function;
		unsigned depth;
	} inside;

	/* lib/client/fork.c's: the list of sessions, and whether a child has inherited it */
	struct dso_session *next, *previous;
	bool is_inherited;

	/* lib/client/gone.c's: the transport of a session behind which there is nothing */
	struct transport_ops gone_ops;
	struct transport_base gone;
};

/* Connect the directory and the transport of a session. *reason is filled on failure. */
int remote_open(struct dso_session *session, const struct url *url,
		const struct session_settings *settings, char *reason, size_t reason_bytes);
int embedded_open(struct dso_session *session, const struct url *url,
		  const struct session_settings *settings, char *reason, size_t reason_bytes);

/* Record why a transport is used or not, for dso_transports(). */
__attribute__((format(printf, 4, 5))) void
session_report(struct dso_session *session, const char *name, bool chosen, const char *format, ...);

/* Mark the session over. The first reason stays. Any thread. */
void session_lose(struct dso_session *session, int health, const char *reason);

/* Leave a sentence for dso_error() and return @error. */
__attribute__((format(printf, 3, 4))) int session_fail(struct dso_session *session, int error,
						       const char *format, ...);

/*
 * Begin an operation on @object. Returns 0, -ESTALE, -ENOTCONN, -ESHUTDOWN. After 0 the caller owes
 * session_leave, or for a submitted operation session_left with its serial when it has completed.
 *
 * The store to `entered` must be visible to the heartbeat thread before this thread reads
 * `deleted`. This thread does not pay for that store-load order: the heartbeat thread, after
 * setting `deleted`, makes every thread of the process run a full barrier (membarrier(2),
 * PRIVATE_EXPEDITED) and reads `entered` only then.
 */
static inline int session_enter(struct object *object)
{
	struct dso_session *session = object->session;
	uint64_t entered = atomic_load_explicit(&session->entered, memory_order_relaxed);

	atomic_store_explicit(&session->entered, entered + 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(atomic_load_explicit(&object->deleted, memory_order_relaxed), 0))
		return -ESTALE;
	return atomic_load_explicit(&session->health, memory_order_relaxed);
}

static inline void session_left(struct dso_session *session, uint64_t serial)
{
	atomic_store_explicit(&session->left, serial, memory_order_release);
}

/* Everything entered so far has left: operations complete in order. */
static inline void session_leave(struct dso_session *session)
{
	session_left(session, atomic_load_explicit(&session->entered, memory_order_relaxed));
}

/* Run @count operations in order and wait for all. Returns 0 or a negative errno, with no
 * sentence. */
int session_execute(struct object *object, struct op *ops, unsigned count);

/* session_execute of one, the fast path. */
static inline int session_execute_one(struct object *object, struct op *op)
{
	struct dso_session *session = object->session;
	const struct transport_ops *transport = transport_ops(session->transport);
	int r;

	if (!transport->execute)
		return session_execute(object, op, 1);
	r = session_enter(object);
	if (__builtin_expect(r == 0, 1))
		r = transport->execute(session->transport, op);
	session_leave(session);
	return r;
}

/* session_execute of one operation, for the public function @function, which does nothing else. */
int session_execute_slowly(struct object *object, struct op *op, const char *function);

/* The same. Its fast path has no more steps than that of session_execute_one. */
static inline int session_execute_in(struct object *object, struct op *op, const char *function)
{
	struct dso_session *session = object->session;
	const struct transport_ops *transport = transport_ops(session->transport);
	uint64_t entered = atomic_load_explicit(&session->entered, memory_order_relaxed);
	int r;

	if (!transport->execute)
		return session_execute_slowly(object, op, function);
	/* As in session_enter. */
	atomic_store_explicit(&session->entered, entered + 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(atomic_load_explicit(&object->is_slow, memory_order_relaxed), 0))
		return session_execute_slowly(object, op, function);
	r = atomic_load_explicit(&session->health, memory_order_relaxed);
	if (__builtin_expect(r == 0, 1))
		r = transport->execute(session->transport, op);
	session_leave(session);
	return r;
}

/* Submit a copy of @op under @tag. Returns 0 or what the _submit twins return; leaves a
 * sentence. */
int session_submit(struct object *object, const struct op *op, uint64_t tag, const char *verb);

/* The session has another transport: make the descriptor of dso_fd() poll it. Returns 0 or a
 * negative errno. */
int session_join_poll(struct dso_session *session);
/* Close the descriptor of dso_fd(), if there is one. */
void session_close_poll(struct dso_session *session);

/* Wait until everything submitted has completed; reaping it is still the user's. */
void session_drain(struct dso_session *session);

#endif
