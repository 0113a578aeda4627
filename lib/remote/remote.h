/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control connection to storaged. The user's thread sends a request and listens for its reply;
 * while it does not, the heartbeat thread reads what storaged says. Both send heartbeats and
 * acknowledge deletions. Everything here is under session->lock.
 *
 * connection.c has the connection, directory.c what is asked over it, wait.c parking and waking,
 * open.c its beginning.
 */
#ifndef LIB_REMOTE_REMOTE_H
#define LIB_REMOTE_REMOTE_H

#include "lib/remote/heartbeat.h"
#include "lib/core/peer_timeout.h"
#include "lib/client/session.h"
#include "proto/control.h"

#define REMOTE_OUT_BYTES 16384
/* Heartbeats in a TTL, at least. */
#define REMOTE_HEARTBEATS_IN_TTL 4
/* The number of requests whose replies are not waited for. */
#define REMOTE_NOBODY 0x80000000u

struct frame {
	struct control_header header;
	uint8_t body[CONTROL_BODY_BYTES_MAX];
};

struct remote {
	struct heartbeat_client client;
	struct dso_session *session;
	struct control_welcome welcome;
	char host[64];                /* numeric */
	_Atomic bool heartbeat_waits; /* for the lock */
	bool attaching; /* a transport is being chosen, which may keep storaged busy for long */
	bool deaf;      /* storaged takes nothing any more; what it has sent may still be unread */
	/* the user's thread reads the input, and the heartbeat thread leaves it alone */
	bool listens;
	/* the request of the user's thread: 0 when there is none */
	uint32_t request, last_request;
	uint16_t request_type;
	bool replied;
	uint16_t reply_status;
	uint32_t reply_bytes;
	bool parked; /* the request is a WAIT that was not cancelled */
	/* a handle of a reply to OPEN that the user's thread has not seen yet */
	uint32_t opened_handle;
	bool opened_deleted;
	/* handles by their number; one bucket, until there is memory for more */
	struct object **buckets, *bucket;
	uint32_t bucket_mask, handle_count;
	/* handles of deleted objects: those without a barrier yet, and those that operations may
	 * still be under way on */
	struct object *marked, *leaving_first, *leaving_last;
	int64_t ping_sent_ns;     /* 0: none is unanswered */
	struct peer_timeout pong; /* with its answer */
	unsigned pongs;           /* heartbeats answered, ever */
	int64_t ping_due_ns;
	size_t out_fill, in_fill;
	uint8_t out[REMOTE_OUT_BYTES];
	uint8_t received[sizeof(struct frame)];
	struct frame in, reply;
};

static inline struct remote *remote_of(struct dso_session *session)
{
	return session->directory_data;
}

/* Fill in the calls of the heartbeat. */
void remote_prepare(struct remote *remote);

/*
 * End the session, and tell storaged: nothing more is sent. The first reason stays, but a later
 * FENCED of storaged's replaces it.
 */
void remote_lose(struct remote *remote, int health, const char *reason);
/* The same for a transport that broke; @context is the remote. Takes the lock. */
void remote_path_broke(void *context, const char *why);

/* Send a message: a header, @body and @tail, which may be empty. Returns 0, or -ENOTCONN and the
 * session is lost. */
int remote_put(struct remote *remote, uint16_t type, uint32_t request, const void *body,
	       uint32_t body_bytes, const void *tail, uint32_t tail_bytes);

/* The same, but it is sent with the next message. */
int remote_append(struct remote *remote, uint16_t type, uint32_t request, const void *body,
		  uint32_t body_bytes, const void *tail, uint32_t tail_bytes);
/* Send what was appended, as far as the socket takes it. */
void remote_send(struct remote *remote);

/*
 * Sleep until storaged sends something, which is taken, until @until_ns, or until a heartbeat is
 * due. The lock is held, and released meanwhile.
 */
void remote_listen(struct remote *remote, int64_t until_ns);

/* Wait until there is room for the largest request, as the user's thread has to before it sends
 * anything. Returns 0, or why the session is over. */
int remote_make_room(struct remote *remote);
/* Let the heartbeat thread have the lock, if it waits for it. A thread that takes the lock again
 * and again calls this in between, without the lock. */
void remote_yield_to_heartbeat(struct remote *remote);

/* End the session because the reply makes no sense. Returns -EPROTO with @reason filled. */
int remote_reply_is_broken(struct remote *remote, char *reason, size_t reason_bytes);

/*
 * Send a request and wait for its reply, which is then in remote->reply, with at least
 * @reply_bytes_min of body. @name, which may be NULL, follows the body. Returns 0, the error of the
 * reply's status, or why there is no reply.
 */
int remote_request(struct remote *remote, uint16_t type, const void *body, uint32_t body_bytes,
		   const char *name, uint32_t reply_bytes_min, char *reason, size_t reason_bytes);

/* The error of a reply's status, with *reason filled where it is no success. */
int remote_reply_error(const struct remote *remote, char *reason, size_t reason_bytes);
/* Begin a request without waiting: remote->replied is set when the reply has come. */
int remote_begin(struct remote *remote, uint16_t type, const void *body, uint32_t body_bytes,
		 const char *name);

/* ---- handles.c ---- */

/* Link into, and unlink from, the session's objects and the table of handles. */
void remote_link(struct remote *remote, struct object *object);
void remote_unlink(struct remote *remote, struct object *object);
/* Append the message that the handle is given back, and that nothing of it can land any more. */
void remote_acknowledge(struct remote *remote, struct object *object);
/* Acknowledge the deletions that no operation can be under way on any more, as far as there is
 * room. Returns whether none is left. */
bool remote_quiesce(struct remote *remote);
/* Mark an object that a session has deleted; remote_settle has to follow, once for all that were
 * marked. */
void remote_mark_deleted(struct remote *remote, struct object *object);
void remote_settle(struct remote *remote);
/* Take a notice of a deletion; remote_settle has to follow. */
void remote_take_deleted(struct remote *remote, uint32_t handle);

extern const struct directory_ops remote_ops;

#endif
