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
/* Requests whose replies nobody waits for. */
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
	bool attaching; /* a transport is being chosen: storaged may be busy with that for long */
	bool deaf;      /* storaged takes nothing any more; what it has said may lie there yet */
	bool listens;   /* the user's thread does: the heartbeat thread leaves the input to it */
	/* the request of the user's thread: 0 when there is none */
	uint32_t request, last_request;
	uint16_t request_type;
	bool replied;
	uint16_t reply_status;
	uint32_t reply_bytes;
	bool parked; /* the request is a WAIT that nobody has cancelled */
	/* a handle of a reply to OPEN that the user's thread has not seen yet */
	uint32_t opened_handle;
	bool opened_deleted;
	/* handles by their number; one bucket, until there is memory for more */
	struct object **buckets, *bucket;
	uint32_t bucket_mask, handle_count;
	/* of deleted objects: those that no barrier was run for, and those that operations may
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
 * The session is over, and storaged hears of that: nothing more is sent. The first reason stays,
 * but that storaged has ended it is believed also later.
 */
void remote_lose(struct remote *remote, int health, const char *reason);
/* The same for a transport that broke; @context is the remote. Takes the lock. */
void remote_path_broke(void *context, const char *why);

/* Send a message: a header, @body and @tail, which may be empty. Returns 0, or -ENOTCONN and the
 * session is lost. */
int remote_put(struct remote *remote, uint16_t type, uint32_t request, const void *body,
	       uint32_t body_bytes, const void *tail, uint32_t tail_bytes);

/* The same, but it leaves with the next. */
int remote_append(struct remote *remote, uint16_t type, uint32_t request, const void *body,
		  uint32_t body_bytes, const void *tail, uint32_t tail_bytes);
/* Send what was appended, as far as the socket takes it. */
void remote_send(struct remote *remote);

/*
 * Sleep until storaged says something, which is taken, @until_ns, or a heartbeat is due. The lock
 * is held, and let go meanwhile.
 */
void remote_listen(struct remote *remote, int64_t until_ns);

/* Wait until there is room for the largest request, which is the user's thread's duty before
 * whatever it sends. Returns 0, or why the session is over. */
int remote_make_room(struct remote *remote);
/* Without the lock: let the heartbeat thread have it, if it waits. Whoever takes it again and again
 * calls this in between. */
void remote_yield_to_heartbeat(struct remote *remote);

/* The reply makes no sense: the session is over. Returns -EPROTO with @reason filled. */
int remote_reply_is_broken(struct remote *remote, char *reason, size_t reason_bytes);

/*
 * A request and its reply, then in remote->reply, whose body has at least @reply_bytes_min. @name,
 * which may be NULL, follows the body. Returns 0, the error that the reply's status stands for, or
 * why there is none.
 */
int remote_request(struct remote *remote, uint16_t type, const void *body, uint32_t body_bytes,
		   const char *name, uint32_t reply_bytes_min, char *reason, size_t reason_bytes);

/* What a reply's status stands for, with *reason filled where it is no success. */
int remote_reply_error(const struct remote *remote, char *reason, size_t reason_bytes);
/* Begin a request whose reply comes when it comes: then remote->replied is set. */
int remote_begin(struct remote *remote, uint16_t type, const void *body, uint32_t body_bytes,
		 const char *name);

/* ---- handles.c ---- */

/* Into and out of the session's objects, and the table of handles. */
void remote_link(struct remote *remote, struct object *object);
void remote_unlink(struct remote *remote, struct object *object);
/* Append that the handle is given back, and nothing of it can land any more. */
void remote_acknowledge(struct remote *remote, struct object *object);
/* Acknowledge what no operation can be under way on any more, as far as there is room. Returns
 * whether nothing is left. */
bool remote_quiesce(struct remote *remote);
/* The object was deleted by somebody; remote_settle follows, for all that were marked at once. */
void remote_mark_deleted(struct remote *remote, struct object *object);
void remote_settle(struct remote *remote);
/* A notice of a deletion came; remote_settle follows. */
void remote_take_deleted(struct remote *remote, uint32_t handle);

extern const struct directory_ops remote_ops;

#endif
