/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/control/control.h"
#include "storaged/log.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define OUT_BYTES_FIRST 4096
/* how often a connection in CLOSING is received from before others have their turn */
#define DISCARD_TURNS 16

/* ---- out ---- */

bool control_is_flushed(const struct control *control)
{
	return control->out_sent == control->out_fill;
}

/* A client that leaves replies unread is not read from: it waits, and its session falls silent. */
static bool is_stalled(const struct control *control)
{
	return control->out_fill - control->out_sent > CONTROL_OUT_BYTES_MAX / 2;
}

static void want(struct control *control)
{
	/* While whole requests wait in the buffer there may be no room to receive. */
	uint32_t filled = control->in_fill - control->in_begin;
	bool full = control->stalled || filled == CONTROL_IN_BYTES;
	uint32_t events = full || control->ended ? 0 : EPOLLIN;

	if (!control_is_flushed(control))
		events |= EPOLLOUT;
	loop_change(control->controls->loop, &control->source, events);
}

/* Queue the connection behind the others, unless it is queued already. */
static void queue_turn(struct control *control)
{
	list_remove(&control->ready);
	list_append(&control->controls->ready, &control->ready);
}

/* Handle what its client has already sent; if that contains no GOODBYE, its session is lost. */
static void hear_out(struct control *control, enum session_end why, int error)
{
	if (control->last || !list_empty(&control->doomed))
		return;
	control->last = why;
	control->session->last_error = error;
	control->last_bytes = CONTROL_LAST_BYTES_MAX;
	queue_turn(control);
}

/* A client that closes with unread replies may have said goodbye before. */
static void cannot_send(struct control *control, int error)
{
	control->deaf = true;
	control->out_sent = control->out_fill = 0;
	if (control->session)
		hear_out(control, END_control_broke, error);
	else
		control_doom(control, NULL);
}

void control_flush(struct control *control)
{
	list_remove(&control->unflushed);
	while (!control_is_flushed(control) && list_empty(&control->doomed)) {
		ssize_t sent = send(control->source.fd, control->out + control->out_sent,
				    control->out_fill - control->out_sent, MSG_NOSIGNAL);

		if (sent >= 0)
			control->out_sent += (uint32_t)sent;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			cannot_send(control, errno);
	}
	if (control->stalled && !is_stalled(control)) {
		control->stalled = false;
		queue_turn(control);
	}
	if (control_is_flushed(control)) {
		control->out_sent = control->out_fill = 0;
		if (control->state == CONTROL_CLOSING && !control->shut) {
			control->shut = true;
			shutdown(control->source.fd, SHUT_WR);
		}
	}
	want(control);
}

/* Room for @bytes more, or NULL. */
static uint8_t *reserve(struct control *control, uint32_t bytes)
{
	uint32_t unsent = control->out_fill - control->out_sent, size = control->out_bytes;
	uint8_t *grown;

	if (control->out_sent) {
		memmove(control->out, control->out + control->out_sent, unsent);
		control->out_sent = 0;
		control->out_fill = unsent;
	}
	if (unsent + bytes > CONTROL_OUT_BYTES_MAX)
		return NULL;
	if (size == 0)
		size = OUT_BYTES_FIRST;
	while (size < unsent + bytes)
		size *= 2;
	if (size != control->out_bytes) {
		grown = realloc(control->out, size);
		if (!grown)
			return NULL;
		control->out = grown;
		control->out_bytes = size;
	}
	return control->out + unsent;
}

static void append(struct control *control, struct control_header header, const void *body)
{
	uint32_t body_bytes = le32_get(header.length_bytes);
	uint8_t *to;

	if (!list_empty(&control->doomed) || control->shut || control->deaf)
		return;
	to = reserve(control, (uint32_t)sizeof header + body_bytes);
	if (!to) {
		control->unread = true;
		control_doom(control, NULL);
		return;
	}
	memcpy(to, &header, sizeof header);
	if (body_bytes)
		memcpy(to + sizeof header, body, body_bytes);
	control->out_fill += (uint32_t)sizeof header + body_bytes;
}

void control_reply(struct control *control, const struct control_header *header, const void *body,
		   size_t body_bytes)
{
	append(control,
	       control_header_of(le16_get(header->type), WIRE_OK, le32_get(header->request),
				 (uint32_t)body_bytes),
	       body);
}

static void refuse(struct control *control, const struct control_header *header,
		   enum wire_status status, const char *sentence)
{
	append(control,
	       control_header_of(le16_get(header->type), status, le32_get(header->request),
				 (uint32_t)strnlen(sentence, CONTROL_SENTENCE_BYTES_MAX)),
	       sentence);
}

void control_refuse(struct control *control, const struct control_header *header,
		    enum wire_status status, const char *format, ...)
{
	char sentence[CONTROL_SENTENCE_BYTES_MAX + 1];
	va_list arguments;

	if (!format) {
		refuse(control, header, status, wire_status_sentence(status));
		return;
	}
	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	refuse(control, header, status, sentence);
}

void control_reject(struct control *control, const struct control_header *header,
		    const char *format, ...)
{
	char sentence[CONTROL_SENTENCE_BYTES_MAX + 1], who[ORIGIN_WHO_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	control->controls->protocol_errors++;
	log_limited(LOG_LEVEL_WARNING, "a client (%s) broke the protocol: %s",
		    origin_who(control->source.fd, control->is_unix, who), sentence);
	refuse(control, header, WIRE_MALFORMED, sentence);
	control_finish(control);
}

/* ---- the end ---- */

void control_doom(struct control *control, const char *why)
{
	if (!list_empty(&control->doomed))
		return;
	control->why = why;
	list_append(&control->controls->doomed, &control->doomed);
}

/* The reason for which the rest of its input was handled, or else @otherwise. */
static void end_session(struct control *control, enum session_end otherwise)
{
	struct session *session = control->session;

	control->session = NULL;
	session_end(session, control->last ? control->last : otherwise);
}

void control_finish(struct control *control)
{
	if (control->state == CONTROL_CLOSING)
		return;
	if (control->session)
		end_session(control, END_protocol);
	control->state = CONTROL_CLOSING;
	control->in_begin = control->in_scanned = control->in_fill = 0;
	control->stalled = false;
	list_remove(&control->ready);
	peer_timer_end(&control->controls->hellos, &control->hello);
	deadline_set(&control->controls->closings, &control->deadline, clock_now_ns());
	control_flush(control);
}

void control_close(struct control *control)
{
	struct controls *controls = control->controls;
	char who[ORIGIN_WHO_BYTES];

	if (control->why)
		log_limited(LOG_LEVEL_WARNING, "a client (%s) is dropped: %s",
			    origin_who(control->source.fd, control->is_unix, who), control->why);
	if (control->session)
		end_session(control, control->unread ? END_unread : END_control_closed);
	list_remove(&control->link);
	list_remove(&control->ready);
	list_remove(&control->doomed);
	list_remove(&control->unflushed);
	list_remove(&control->deadline.link);
	peer_timer_end(&controls->hellos, &control->hello);
	room_give_back(controls->room, 1);
	free(control->reduction);
	free(control->out);
	loop_bury(controls->loop, &control->source, control);
}

/* ---- in ---- */

/* The header of the request that begins at @at, if all of it was received. */
static bool header_at(const struct control *control, uint32_t at, struct control_header *header)
{
	if (control->in_fill - at < sizeof *header)
		return false;
	memcpy(header, control->in + at, sizeof *header);
	return true;
}

static const struct control_handler *handler_of(const struct control *control,
						const struct control_header *header)
{
	unsigned type = le16_get(header->type);

	return type < control->controls->handler_count ? &control->controls->handlers[type] : NULL;
}

/* Handle the whole request @header with @body, which lie in the connection's buffer. */
static void handle_request(struct control *control, const struct control_header *header,
			   const uint8_t *body)
{
	const struct control_handler *handler = handler_of(control, header);
	unsigned type = le16_get(header->type);
	bool is_first = control->state == CONTROL_EXPECT_HELLO;
	bool begins = type == CONTROL_HELLO || type == CONTROL_ATTACH;
	enum wire_status status;

	if (!handler) {
		control_reject(control, header, "%s is a notice: storaged sends it",
			       control_type_name(type));
		return;
	}
	if (is_first != begins) {
		control_reject(control, header,
			       is_first ? "a connection begins with HELLO or ATTACH, not with %s"
					: "%s is the first message of a connection or none",
			       control_type_name(type));
		return;
	}
	status = control_check(header, body);
	if (status == WIRE_MALFORMED)
		control_reject(control, header, "the body of that %s is malformed",
			       control_type_name(type));
	else if (status != WIRE_OK)
		control_refuse(control, header, status, NULL);
	else
		handler->handle(control, header, body);
}

/* Handle the first request, if it is whole. Returns its bytes, 0 when it is not, or when the
 * connection takes no more requests. */
static uint32_t handle_one(struct control *control)
{
	struct control_header header;
	enum wire_status status;
	uint32_t length_bytes;

	if (!header_at(control, control->in_begin, &header))
		return 0;
	length_bytes = le32_get(header.length_bytes);
	status = control_check(&header, NULL);
	/* This holds even if the table of lengths were wrong: nothing beyond the buffer is
	 * believed. */
	if (status != WIRE_OK || length_bytes > CONTROL_BODY_BYTES_MAX) {
		control_reject(control, &header,
			       "a message of type %u (%s) with %u bytes of body does not exist",
			       le16_get(header.type), control_type_name(le16_get(header.type)),
			       length_bytes);
		return 0;
	}
	if (control->in_fill - control->in_begin < sizeof header + length_bytes)
		return 0;
	handle_request(control, &header, control->in + control->in_begin + sizeof header);
	if (control->again || control->waits)
		return 0;
	return control->state == CONTROL_CLOSING || !list_empty(&control->doomed)
		       ? 0
		       : (uint32_t)sizeof header + length_bytes;
}

/* The steps that the first request takes more than a light one. */
static unsigned weight(const struct control *control)
{
	struct control_header header;

	const struct control_handler *handler = header_at(control, control->in_begin, &header)
							? handler_of(control, &header)
							: NULL;

	return handler ? handler->steps : 0;
}

/* Move what is not handled yet to the beginning of the buffer. */
static void make_room(struct control *control)
{
	uint32_t taken = control->in_begin;

	if (taken == 0)
		return;
	memmove(control->in, control->in + taken, control->in_fill - taken);
	control->in_fill -= taken;
	control->in_scanned -= control->in_scanned < taken ? control->in_scanned : taken;
	control->in_begin = 0;
}

/* Take the @bytes at @at out of the buffer. */
static void cut(struct control *control, uint32_t at, uint32_t bytes)
{
	memmove(control->in + at, control->in + at + bytes, control->in_fill - at - bytes);
	control->in_fill -= bytes;
}

/* A client's heartbeat does not wait for its earlier requests that had no turn yet: answer the
 * PINGs among them. */
static void answer_pings(struct control *control)
{
	struct control_header header;

	if (control->in_scanned < control->in_begin)
		control->in_scanned = control->in_begin;
	while (header_at(control, control->in_scanned, &header) &&
	       control_check(&header, NULL) == WIRE_OK) {
		uint32_t bytes = (uint32_t)sizeof header + le32_get(header.length_bytes);

		if (control->in_fill - control->in_scanned < bytes)
			break;
		if (le16_get(header.type) == CONTROL_PING) {
			handle_request(control, &header, NULL);
			cut(control, control->in_scanned, bytes);
		} else {
			control->in_scanned += bytes;
		}
	}
}

static bool is_waiting(const struct control *control)
{
	return control->state == CONTROL_LIVE && list_empty(&control->doomed) &&
	       (control->waits || !list_empty(&control->ready));
}

/* All that was received was handled. Receive more, or have the session lost: there is no
 * goodbye. */
static void hear_more(struct control *control)
{
	uint32_t room = CONTROL_IN_BYTES - control->in_fill;
	ssize_t got = 0;

	if (!control->ended && !control->stalled && control->last_bytes > room)
		got = recv(control->source.fd, control->in + control->in_fill, room, 0);
	if (got > 0) {
		control->in_fill += (uint32_t)got;
		control->last_bytes -= (uint32_t)got;
		queue_turn(control);
	} else if (control->ended || control->deaf) {
		control_doom(control, NULL);
	} else {
		session_fence(control->session, control->last);
	}
}

/* Handle requests; where @may_be_heavy, one that takes its time, too. */
static void handle_all(struct control *control, bool may_be_heavy)
{
	uint32_t taken;
	unsigned count = 0;

	while (!(control->stalled = is_stalled(control))) {
		bool heavy = control->again || weight(control);

		if (count == CONTROL_TURN_MAX || (heavy && !may_be_heavy)) {
			queue_turn(control);
			break;
		}
		may_be_heavy &= !heavy;
		control->again = false;
		taken = handle_one(control);
		if (control->again)
			may_be_heavy = false;
		else if (taken == 0)
			break;
		control->in_begin += taken;
		count++;
	}
	if (is_waiting(control))
		answer_pings(control);
	if (list_empty(&control->doomed)) {
		make_room(control);
		if (control->last && control->session && !control->waits &&
		    list_empty(&control->ready))
			hear_more(control);
		control_flush(control);
	}
}

unsigned control_steps(const struct control *control)
{
	return CONTROL_TURN_MAX + weight(control);
}

void control_resume(struct control *control)
{
	list_remove(&control->ready);
	if (control->session)
		store_opener_tell(&control->session->opener);
	if (!control->waits)
		handle_all(control, true);
}

static void discard(struct control *control)
{
	char nothing[4096];

	for (unsigned i = 0; i < DISCARD_TURNS; i++) {
		ssize_t got = recv(control->source.fd, nothing, sizeof nothing, 0);

		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			control_doom(control, NULL);
		if (got <= 0)
			return;
	}
}

/* Requests that were received before are still handled, each in its turn. */
static void hear_no_more(struct control *control, int error)
{
	control->ended = true;
	if (control->session)
		hear_out(control, error ? END_control_broke : END_control_closed, error);
	else
		control_doom(control, NULL);
}

static void receive(struct control *control)
{
	bool waits = is_waiting(control);
	ssize_t got = recv(control->source.fd, control->in + control->in_fill,
			   CONTROL_IN_BYTES - control->in_fill, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		hear_no_more(control, got ? errno : 0);
		return;
	}
	control->in_fill += (uint32_t)got;
	/* Also after a request that takes its time, and whose answer holds the others up. */
	if (control->session)
		session_heard(control->session);
	if (!waits) {
		handle_all(control, false);
		return;
	}
	answer_pings(control);
	control_flush(control);
}

static void control_event(struct source *source, uint32_t events)
{
	struct control *control = container_of(source, struct control, source);

	if (!list_empty(&control->doomed))
		return;
	if (events & EPOLLOUT)
		control_flush(control);
	if (!list_empty(&control->doomed) || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (control->state == CONTROL_CLOSING)
		discard(control);
	else if (control->in_fill < CONTROL_IN_BYTES && !control->stalled)
		receive(control);
	else if (events & (EPOLLHUP | EPOLLERR))
		cannot_send(control, 0);
}

/* ---- what its session has to say ---- */

static struct control *control_of(struct client *client)
{
	return container_of(client, struct control, client);
}

/* Sent together with others at the end of the turn. */
static bool tell_deleted(struct client *client, uint32_t handle)
{
	struct control *control = control_of(client);
	struct control_close notice = {.handle = le32_of(handle)};

	list_remove(&control->unflushed);
	list_append(&control->controls->unflushed, &control->unflushed);
	control->stalled |= is_stalled(control);
	if (control->stalled)
		return false;
	append(control, control_header_of(CONTROL_DELETED, 0, 0, sizeof notice), &notice);
	return true;
}

static void answer_wait(struct client *client, uint32_t request, enum wire_status status,
			uint64_t taken)
{
	struct control *control = control_of(client);
	struct control_header wait = control_header_of(CONTROL_WAIT, 0, request, 0);
	struct control_waited waited = {.taken = le64_of(taken)};

	if (status == WIRE_OK)
		control_reply(control, &wait, &waited, sizeof waited);
	else
		control_refuse(control, &wait, status, NULL);
	control_flush(control);
}

static void tell_fenced(struct client *client, const char *reason)
{
	struct control *control = control_of(client);

	append(control,
	       control_header_of(CONTROL_FENCED, 0, 0,
				 (uint32_t)strnlen(reason, CONTROL_SENTENCE_BYTES_MAX)),
	       reason);
	control->session = NULL;
	control_finish(control);
}

static void hear_client_out(struct client *client, enum session_end why, int error)
{
	hear_out(control_of(client), why, error);
}

static void go_on(struct client *client)
{
	struct control *control = control_of(client);

	control->waits = false;
	queue_turn(control);
}

static int64_t round_trip_ns(const struct client *client)
{
	const struct control *control = container_of(client, struct control, client);
	struct tcp_info info = {0};
	socklen_t bytes = sizeof info;

	if (control->is_unix ||
	    getsockopt(control->source.fd, IPPROTO_TCP, TCP_INFO, &info, &bytes))
		return 0;
	return (int64_t)info.tcpi_rtt * 1000;
}

static const struct client_ops client_ops = {
	.tell_deleted = tell_deleted,
	.answer_wait = answer_wait,
	.tell_fenced = tell_fenced,
	.hear_out = hear_client_out,
	.go_on = go_on,
	.round_trip_ns = round_trip_ns,
};

/* ---- the beginning ---- */

int control_open(struct controls *controls, int fd, bool is_unix)
{
	struct control *control = calloc(1, sizeof *control);
	int r;

	if (!control)
		return -ENOMEM;
	r = loop_add(controls->loop, &control->source, fd, EPOLLIN, control_event);
	if (r) {
		free(control);
		return r;
	}
	control->controls = controls;
	control->context = controls->context;
	control->client.ops = &client_ops;
	control->is_unix = is_unix;
	list_init(&control->link);
	list_init(&control->ready);
	list_init(&control->doomed);
	list_init(&control->unflushed);
	list_init(&control->deadline.link);
	list_append(&controls->all, &control->link);
	peer_timer_begin(&controls->hellos, &control->hello, clock_now_ns());
	room_take(controls->room, 1);
	return 0;
}
