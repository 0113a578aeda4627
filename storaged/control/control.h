/* SPDX-License-Identifier: Apache-2.0 */
/* A control connection: whole requests in, replies and notices out, never more than its buffers
 * hold. */
#ifndef STORAGED_CONTROL_CONTROL_H
#define STORAGED_CONTROL_CONTROL_H

#include "lib/core/peer_timeout.h"
#include "proto/control.h"
#include "lib/core/deadlines.h"
#include "storaged/loop.h"
#include "storaged/room.h"
#include "storaged/session/session.h"

#include <stdbool.h>

#define CONTROL_IN_BYTES      (sizeof(struct control_header) + CONTROL_BODY_BYTES_MAX)
#define CONTROL_OUT_BYTES_MAX 65536 /* a client that lets more lie unread is dropped */
#define CONTROL_TURN_MAX      16    /* requests handled before others have a turn, one heavy */
/* of a connection whose session is about to be lost, still handled */
#define CONTROL_LAST_BYTES_MAX     (1u << 20)
#define CONTROL_SENTENCE_BYTES_MAX 200
#define CONTROL_HELLO_NS           INT64_C(2000000000) /* until the first message is whole */
#define CONTROL_CLOSING_NS         INT64_C(1000000000) /* until the client has the last reply */

struct context;
struct control;
struct reduction;

enum control_state {
	CONTROL_EXPECT_HELLO, /* waits for HELLO or ATTACH, CONTROL_HELLO_NS at most */
	/* waits for requests; ends when its session was silent for too long */
	CONTROL_LIVE,
	/* waits until the client takes the last reply and closes, for CONTROL_CLOSING_NS at
	 * most; what it sends is thrown away */
	CONTROL_CLOSING,
};

/* What storaged does for requests of one type. */
struct control_handler {
	/* Handle the whole request @header with @body, which lie in the connection's buffer. */
	void (*handle)(struct control *control, const struct control_header *header,
		       const uint8_t *body);
	/* The steps that it takes more than a light request: 0 for a light one, which is handled at
	 * once. */
	unsigned steps;
};

/* All of them (controls.h). */
struct controls {
	struct loop *loop;
	struct room *room;
	struct context *context;
	/* by the type of the request */
	const struct control_handler *handlers;
	unsigned handler_count;
	struct list all;
	/* connections with a whole request left for the next turn */
	struct list ready;
	/* connections to be dropped at the end of this turn */
	struct list doomed;
	/* connections with notices that were not sent yet */
	struct list unflushed;
	/* whose first message has not come yet */
	struct peer_timers hellos;
	/* whose last reply is on its way */
	struct deadlines closings;
	uint64_t protocol_errors;
};

struct control {
	struct source source;
	struct controls *controls;
	/* the handlers' */
	struct context *context;
	/* while LIVE */
	struct session *session;
	/* how the session reaches it */
	struct client client;
	enum control_state state;
	bool is_unix;
	/* LIVE: for client_ops.go_on, with the request just handled */
	bool waits;
	/* LIVE: the request just handled was not answered, its turn comes again */
	bool again;
	/* LIVE: requests and notices wait until the client has read */
	bool stalled;
	/* CLOSING: everything was sent */
	bool shut;
	/* the client sends nothing more; its requests may still be in the buffer */
	bool ended;
	/* doomed: it leaves too much unread */
	bool unread;
	/* the client takes nothing any more: nothing is sent */
	bool deaf;
	/* LIVE: what the client has sent is still handled, at most this many bytes; then its
	 * session is lost for this reason, unless it has said goodbye. END_NONE: not so. */
	enum session_end last;
	uint32_t last_bytes;
	/* Doomed; for the log, where the connection has no session: the end of a session is another
	 * line. */
	const char *why;
	/* LIVE: of the DELETE that waits until all are told; 0: there is none */
	uint64_t deletion;
	/* LIVE: of the REDUCE that goes on in the next turn; NULL: there is none */
	struct reduction *reduction;
	/* what was done of a DELETE_PREFIX whose last deletion is being told */
	struct control_deleted_prefix deleted_prefix;
	/* until its first message has come */
	struct peer_timer hello;
	/* of the last reply */
	struct deadline deadline;
	/* in those of `controls` */
	struct list link, ready, doomed, unflushed;
	/* received: handled before in_begin; no PING lies before in_scanned */
	uint32_t in_begin, in_scanned, in_fill;
	uint32_t out_sent, out_fill, out_bytes;
	uint8_t *out;
	uint8_t in[CONTROL_IN_BYTES];
};

/* Serve the socket @fd. Returns 0 or a negative errno; the socket is its own only after 0. */
int control_open(struct controls *controls, int fd, bool is_unix);
/* Close and free the connection; its session, if it has one, forgets it. */
void control_close(struct control *control);
/* The steps that control_resume will take of a turn. */
unsigned control_steps(const struct control *control);
/* Go on with what was left over: notices that the client did not take, and requests that wait or
 * take their time. */
void control_resume(struct control *control);

/* Answer the request @header. */
void control_reply(struct control *control, const struct control_header *header, const void *body,
		   size_t body_bytes);
/* Answer it with an error and a sentence; @format NULL: the status' own. */
__attribute__((format(printf, 4, 5))) void control_refuse(struct control *control,
							  const struct control_header *header,
							  enum wire_status status,
							  const char *format, ...);
/* Answer it with MALFORMED and a sentence, count and log it, and close. */
__attribute__((format(printf, 3, 4))) void control_reject(struct control *control,
							  const struct control_header *header,
							  const char *format, ...);
/* Take nothing more from the client, and close when it has taken what was sent. */
void control_finish(struct control *control);
/* Drop the connection at the end of this turn; may be called anywhere in the code. @why NULL:
 * nothing to say. */
void control_doom(struct control *control, const char *why);
/* Send what was appended, as far as the socket takes it. */
void control_flush(struct control *control);
/* Whether everything was sent. */
bool control_is_flushed(const struct control *control);

#endif
