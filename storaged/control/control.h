/* SPDX-License-Identifier: Apache-2.0 */
/* A control connection: whole requests in, replies and notices out, never more than its buffers
 * hold. */
#ifndef STORAGED_CONTROL_CONTROL_H
#define STORAGED_CONTROL_CONTROL_H

#include "lib/core/peer_timeout.h"
#include "proto/control.h"
#include "storaged/session/ends.h"
#include "storaged/deadlines.h"
#include "storaged/loop.h"

#include <stdbool.h>

#define CONTROL_IN_BYTES           (sizeof(struct control_header) + CONTROL_BODY_BYTES_MAX)
#define CONTROL_OUT_BYTES_MAX      65536 /* a client that lets more lie unread is dropped */
#define CONTROL_TURN_MAX           16    /* requests handled before others have a turn, one heavy */
#define CONTROL_LAST_BYTES_MAX     (1u << 20) /* of one whose session is to be lost, handled yet */
#define CONTROL_SENTENCE_BYTES_MAX 200
#define CONTROL_HELLO_NS           INT64_C(2000000000) /* until the first message is whole */
#define CONTROL_CLOSING_NS         INT64_C(1000000000) /* until the client has the last reply */

struct server;
struct session;

enum control_state {
	CONTROL_EXPECT_HELLO, /* waits for HELLO or ATTACH, CONTROL_HELLO_NS at most */
	CONTROL_LIVE,         /* waits for requests; its session's silence is what ends it */
	CONTROL_CLOSING,      /* waits for the client to take the last reply and close, for
			       * CONTROL_CLOSING_NS at most; what it sends is thrown away */
};

struct control {
	struct source source;
	struct server *server;
	struct session *session; /* while LIVE */
	enum control_state state;
	bool is_unix;
	bool waits;   /* LIVE: for control_continue, with the request just handled */
	bool again;   /* LIVE: the request just handled was not answered, its turn comes again */
	bool stalled; /* LIVE: requests and notices wait until the client has read */
	bool shut;    /* CLOSING: everything was sent */
	bool ended;   /* the client sends nothing more; requests of its may lie in the buffer yet */
	bool unread;  /* doomed: it leaves too much unread */
	bool deaf;    /* it takes nothing any more: nothing is sent */
	/* LIVE: what the client has sent is handled yet, so many bytes at most; then its session is
	 * lost for this reason, unless it has said goodbye. END_NONE: it is not like that. */
	enum session_end last;
	uint32_t last_bytes;
	/* Doomed; for the log: of a connection without a session, whose end is another line. */
	const char *why;
	uint64_t deletion; /* LIVE: of the DELETE that waits until all are told; 0: there is none */
	struct peer_timer hello;                    /* until its first message has come */
	struct deadline deadline;                   /* of the last reply */
	struct list link, ready, doomed, unflushed; /* in the server's lists */
	/* received: handled before in_begin; no PING lies before in_scanned */
	uint32_t in_begin, in_scanned, in_fill;
	uint32_t out_sent, out_fill, out_bytes;
	uint8_t *out;
	uint8_t in[CONTROL_IN_BYTES];
};

/* Serve the socket @fd. Returns 0 or a negative errno; the socket is its own only after 0. */
int control_open(struct server *server, int fd, bool is_unix);
/* Close and free; its session, if it has one, has lost it. */
void control_close(struct control *control);
/* What control_resume will take of a turn. */
unsigned control_steps(const struct control *control);
/* Go on with what was left over: notices that the client did not take, requests that wait or take
 * their time. */
void control_resume(struct control *control);

/* What a request waits for, having set `waits`, has come: it is handled again. */
void control_continue(struct control *control);

/* Send a notice, with others at the end of the turn. Returns false when too much lies unread: then
 * control_resume follows when the client has read. */
bool control_notify(struct control *control, uint16_t type, const void *body, size_t body_bytes);
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
/* Nothing more is taken from the client; close when it has what was sent. */
void control_finish(struct control *control);
/* Handle what its client has sent already; if GOODBYE is not among that, its session is lost: for
 * @why, with the errno @error of the system call that said so, or 0. */
void control_hear_out(struct control *control, enum session_end why, int error);
/* Drop it at the end of this turn, at any place in the code. @why NULL: nothing to be said. */
void control_doom(struct control *control, const char *why);
/* Its session is ended by the caller: say so in a notice, with @sentence, and finish. */
void control_fence(struct control *control, const char *sentence);
/* Send what was appended, as far as the socket takes it. */
void control_flush(struct control *control);
/* Whether everything was sent. */
bool control_is_flushed(const struct control *control);

#endif
