/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/remote/remote.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Heartbeats in a timeout, so that one late heartbeat ends nothing. */
#define HEARTBEATS_IN_TIMEOUT 5
#define RETRY_NS              (5 * DSO_MILLISECOND)
#define YIELDS_MAX            100

void remote_lose(struct remote *remote, int health, const char *reason)
{
	struct dso_session *session = remote->session;

	int before = atomic_load(&session->health);

	if (before == 0 || (before == -ENOTCONN && health == -ESHUTDOWN)) {
		snprintf(session->lost_reason, sizeof session->lost_reason, "%s", reason);
		atomic_store(&session->health, health);
	}
	/* What storaged has sent can still be read. */
	if (before == 0 && remote->client.fd >= 0)
		shutdown(remote->client.fd, SHUT_WR);
}

/* ---- sending ---- */

void remote_send(struct remote *remote)
{
	ssize_t n;

	if (remote->out_fill == 0 || remote->client.fd < 0 || remote->deaf ||
	    atomic_load(&remote->session->health))
		return;
	n = send(remote->client.fd, remote->out, remote->out_fill, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		remote->out_fill -= (size_t)n;
		memmove(remote->out, remote->out + n, remote->out_fill);
	} else if (errno != EAGAIN && errno != EINTR) {
		/* The input is not taken here: see attend. */
		remote->deaf = true;
	}
}

int remote_append(struct remote *remote, uint16_t type, uint32_t request, const void *body,
		  uint32_t body_bytes, const void *tail, uint32_t tail_bytes)
{
	struct control_header header = control_header_of(type, 0, request, body_bytes + tail_bytes);
	uint8_t *at = remote->out + remote->out_fill;

	if (REMOTE_OUT_BYTES - remote->out_fill < sizeof header + body_bytes + tail_bytes) {
		remote_lose(remote, -ENOTCONN, "storaged does not read what it is sent");
		return -ENOTCONN;
	}
	memcpy(at, &header, sizeof header);
	if (body_bytes)
		memcpy(at + sizeof header, body, body_bytes);
	if (tail_bytes)
		memcpy(at + sizeof header + body_bytes, tail, tail_bytes);
	remote->out_fill += sizeof header + body_bytes + tail_bytes;
	return 0;
}

/* Whether the largest request fits behind what waits to be sent. */
static bool has_room(const struct remote *remote)
{
	return remote->out_fill <= REMOTE_OUT_BYTES / 2;
}

int remote_put(struct remote *remote, uint16_t type, uint32_t request, const void *body,
	       uint32_t body_bytes, const void *tail, uint32_t tail_bytes)
{
	int r = remote_append(remote, type, request, body, body_bytes, tail, tail_bytes);

	if (r == 0)
		remote_send(remote);
	return r;
}

/* ---- receiving ---- */

static void take_reply(struct remote *remote, uint32_t bytes)
{
	remote->replied = true;
	remote->reply_status = le16_get(remote->in.header.status);
	remote->reply_bytes = bytes;
	remote->reply = remote->in;
	remote->opened_handle = 0;
	if (le16_get(remote->in.header.type) == CONTROL_OPEN && remote->reply_status == WIRE_OK &&
	    bytes == sizeof(struct control_opened)) {
		struct control_opened opened;

		memcpy(&opened, remote->in.body, sizeof opened);
		remote->opened_handle = le32_get(opened.handle);
		remote->opened_deleted = false;
	}
}

static void take_frame(struct remote *remote, uint32_t bytes)
{
	uint16_t type = le16_get(remote->in.header.type);
	uint32_t request = le32_get(remote->in.header.request);
	char text[160];

	if (type == CONTROL_FENCED) {
		snprintf(text, sizeof text, "%.*s", (int)(bytes < 150 ? bytes : 150),
			 (char *)remote->in.body);
		remote_lose(remote, -ESHUTDOWN, text);
	} else if (type == CONTROL_DELETED && bytes == sizeof(struct control_close)) {
		struct control_close notice;

		memcpy(&notice, remote->in.body, sizeof notice);
		remote_take_deleted(remote, le32_get(notice.handle));
	} else if (type == CONTROL_PING && request == REMOTE_NOBODY && remote->ping_sent_ns) {
		atomic_store_explicit(&remote->session->round_trip_ns,
				      clock_now_ns() - remote->ping_sent_ns, memory_order_relaxed);
		remote->ping_sent_ns = 0;
		remote->pongs++;
	} else if (request && request == remote->request) {
		if (type == remote->request_type)
			take_reply(remote, bytes);
		else
			remote_lose(remote, -ENOTCONN,
				    "storaged answered a request with a message of another type");
	}
}

/* Take the frames that are whole. Returns false when storaged cannot have sent this stream. */
static bool take_frames(struct remote *remote)
{
	size_t at = 0, whole = 0;
	uint32_t bytes = 0;

	for (; remote->in_fill - at >= sizeof remote->in.header; at += whole) {
		memcpy(&remote->in.header, remote->received + at, sizeof remote->in.header);
		bytes = le32_get(remote->in.header.length_bytes);
		whole = sizeof remote->in.header + bytes;
		if (bytes > CONTROL_BODY_BYTES_MAX || remote->in_fill - at < whole)
			break;
		memcpy(remote->in.body, remote->received + at + sizeof remote->in.header, bytes);
		take_frame(remote, bytes);
	}
	remote->in_fill -= at;
	memmove(remote->received, remote->received + at, remote->in_fill);
	remote_settle(remote);
	return bytes <= CONTROL_BODY_BYTES_MAX;
}

enum heard { HEARD_SOME, HEARD_NOTHING, HEARD_THE_END };

/* Receive what storaged has sent, as much as there is room for. */
static enum heard receive(struct remote *remote)
{
	ssize_t n = recv(remote->client.fd, remote->received + remote->in_fill,
			 sizeof remote->received - remote->in_fill, MSG_DONTWAIT);

	if (n > 0) {
		remote->in_fill += (size_t)n;
		if (take_frames(remote))
			return HEARD_SOME;
		remote_lose(remote, -ENOTCONN, "storaged broke the protocol");
		return HEARD_THE_END;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return HEARD_NOTHING;
	remote_lose(remote, -ENOTCONN, "storaged has closed the control connection");
	return HEARD_THE_END;
}

/* Something broke: the session is over, unless unread input gives a better reason. */
static void lose_after_hearing(struct remote *remote, const char *why)
{
	while (receive(remote) == HEARD_SOME)
		;
	remote_lose(remote, -ENOTCONN, why);
}

void remote_path_broke(void *context, const char *why)
{
	struct remote *remote = context;
	struct dso_session *session = remote->session;

	pthread_mutex_lock(&session->lock);
	/* A transport that broke before it was chosen was tried in vain. */
	if (session->transport)
		lose_after_hearing(remote, why);
	pthread_mutex_unlock(&session->lock);
}

/* ---- heartbeat ---- */

/* Between two heartbeats. */
static int64_t heartbeat_ns(const struct dso_session *session)
{
	int64_t of_timeout_ns = session->timeout_ns / HEARTBEATS_IN_TIMEOUT;
	int64_t of_ttl_ns = session->ttl_ns / REMOTE_HEARTBEATS_IN_TTL;

	return of_timeout_ns < of_ttl_ns ? of_timeout_ns : of_ttl_ns;
}

/* Send what is due, and check that storaged still lives. Returns when to come again. */
static int64_t attend(struct remote *remote, int64_t now_ns)
{
	struct dso_session *session = remote->session;
	int64_t interval_ns = heartbeat_ns(session);
	bool is_quiescent;
	int64_t due_ns;
	char text[160];

	/* The answer may have come unread, where the listening thread got no processor. */
	if (remote->ping_sent_ns && now_ns >= remote->ping_due_ns)
		receive(remote);
	if (remote->deaf)
		lose_after_hearing(remote, "storaged has closed the control connection");
	if (remote->ping_sent_ns && !remote->attaching &&
	    heartbeat_timeout_is_over(&remote->pong)) {
		snprintf(text, sizeof text, "storaged has not answered a heartbeat for %lld ms",
			 (long long)(session->timeout_ns / DSO_MILLISECOND));
		remote_lose(remote, -ENOTCONN, text);
	}
	if (atomic_load(&session->health))
		return INT64_MAX;
	/* While a transport is chosen answers may be late; storaged still has to hear of this
	 * session. */
	if ((remote->ping_sent_ns == 0 || remote->attaching) && now_ns >= remote->ping_due_ns) {
		remote->ping_sent_ns = now_ns;
		heartbeat_timeout_begin(&remote->pong, session->timeout_ns);
		remote->ping_due_ns = now_ns + interval_ns;
		remote_put(remote, CONTROL_PING, REMOTE_NOBODY, NULL, 0, NULL, 0);
	}
	remote_send(remote);
	is_quiescent = remote_quiesce(remote);
	due_ns = remote->ping_sent_ns ? now_ns + interval_ns : remote->ping_due_ns;
	if (remote->ping_sent_ns && !remote->attaching &&
	    heartbeat_timeout_until_ns(&remote->pong) < due_ns)
		due_ns = heartbeat_timeout_until_ns(&remote->pong);
	if ((!is_quiescent || remote->out_fill) && now_ns + RETRY_NS < due_ns)
		due_ns = now_ns + RETRY_NS;
	return due_ns;
}

/* ---- in the heartbeat thread ---- */

static void lock_for_heartbeat(struct remote *remote)
{
	atomic_store(&remote->heartbeat_waits, true);
	pthread_mutex_lock(&remote->session->lock);
	atomic_store(&remote->heartbeat_waits, false);
}

static bool readable(struct heartbeat_client *client)
{
	struct remote *remote = (struct remote *)client;
	bool open;

	lock_for_heartbeat(remote);
	open = remote->listens || receive(remote) != HEARD_THE_END;
	pthread_mutex_unlock(&remote->session->lock);
	return open;
}

static int64_t tick(struct heartbeat_client *client, int64_t now_ns)
{
	struct remote *remote = (struct remote *)client;
	int64_t due_ns;

	lock_for_heartbeat(remote);
	due_ns = attend(remote, now_ns);
	pthread_mutex_unlock(&remote->session->lock);
	return due_ns;
}

/* In a forked child: this session is the parent's. */
static void forked(struct heartbeat_client *client)
{
	close(client->fd);
	client->fd = -1;
}

void remote_prepare(struct remote *remote)
{
	remote->client =
		(struct heartbeat_client){.readable = readable, .tick = tick, .forked = forked};
}

/* ---- requests, in the user's thread ---- */

void remote_listen(struct remote *remote, int64_t until_ns)
{
	struct dso_session *session = remote->session;
	bool was_sending = remote->out_fill > 0;
	int64_t due_ns = attend(remote, clock_now_ns());
	struct pollfd control = {.fd = remote->client.fd,
				 .events = POLLIN | (remote->out_fill ? POLLOUT : 0)};
	struct timespec left;
	int64_t left_ns;

	if (atomic_load(&session->health) || (remote->request && remote->replied))
		return;
	/* Everything has been sent just now, which may be all that the caller waits for. */
	if (was_sending && remote->out_fill == 0)
		return;
	left_ns = (due_ns < until_ns ? due_ns : until_ns) - clock_now_ns();
	left = clock_timespec(left_ns > 0 ? left_ns : 0);
	/* Otherwise the heartbeat thread would take the reply and wake this thread: one switch more
	 * for every wake-up. */
	remote->listens = true;
	heartbeat_watch(&remote->client, false);
	pthread_mutex_unlock(&session->lock);
	ppoll(&control, 1, &left, NULL);
	pthread_mutex_lock(&session->lock);
	remote->listens = false;
	if (control.revents & ~POLLOUT)
		receive(remote);
	heartbeat_watch(&remote->client, true);
}

int remote_make_room(struct remote *remote)
{
	struct peer_timeout timeout;

	if (has_room(remote))
		return atomic_load(&remote->session->health);
	heartbeat_timeout_begin(&timeout, remote->session->timeout_ns);
	while (!has_room(remote) && !atomic_load(&remote->session->health)) {
		if (heartbeat_timeout_is_over(&timeout))
			remote_lose(remote, -ENOTCONN, "storaged does not read what it is sent");
		else
			remote_listen(remote, heartbeat_timeout_until_ns(&timeout));
	}
	return atomic_load(&remote->session->health);
}

void remote_yield_to_heartbeat(struct remote *remote)
{
	for (unsigned i = 0; i < YIELDS_MAX && atomic_load(&remote->heartbeat_waits); i++)
		sched_yield();
}

/* Wait for the reply. The lock is held, and let go meanwhile. */
static int await(struct remote *remote, char *reason, size_t reason_bytes)
{
	struct dso_session *session = remote->session;
	struct peer_timeout timeout = {0};
	unsigned pongs = 0;

	/* While storaged answers heartbeats it is only late: it may have much to do. */
	while (!remote->replied && !atomic_load(&session->health)) {
		if (timeout.until_ns == 0 || remote->pongs != pongs)
			heartbeat_timeout_begin(&timeout, session->timeout_ns);
		pongs = remote->pongs;
		if (heartbeat_timeout_is_over(&timeout))
			break;
		remote_listen(remote, heartbeat_timeout_until_ns(&timeout));
	}
	if (remote->replied)
		return 0;
	if (atomic_load(&session->health)) {
		snprintf(reason, reason_bytes, "%s", session->lost_reason);
		return atomic_load(&session->health);
	}
	/* The effect of the request is unknown, and a late reply would have no receiver: the
	 * session is over. */
	remote_lose(remote, -ENOTCONN, "storaged did not answer a request in time");
	snprintf(reason, reason_bytes, "%s", session->lost_reason);
	return -ETIMEDOUT;
}

int remote_begin(struct remote *remote, uint16_t type, const void *body, uint32_t body_bytes,
		 const char *name)
{
	int r = remote_make_room(remote);

	if (r)
		return r;
	remote->last_request = remote->last_request % (REMOTE_NOBODY - 1) + 1;
	remote->request = remote->last_request;
	remote->request_type = type;
	remote->replied = false;
	return remote_put(remote, type, remote->request, body, body_bytes, name,
			  name ? (uint32_t)strlen(name) : 0);
}

int remote_reply_error(const struct remote *remote, char *reason, size_t reason_bytes)
{
	if (remote->reply_status == WIRE_OK)
		return 0;
	snprintf(reason, reason_bytes, "%.*s",
		 (int)(remote->reply_bytes < 200 ? remote->reply_bytes : 200),
		 (const char *)remote->reply.body);
	if (*reason == 0)
		snprintf(reason, reason_bytes, "%s", wire_status_sentence(remote->reply_status));
	return wire_status_error(remote->reply_status);
}

int remote_reply_is_broken(struct remote *remote, char *reason, size_t reason_bytes)
{
	remote_lose(remote, -ENOTCONN, "storaged broke the protocol");
	snprintf(reason, reason_bytes, "%s", remote->session->lost_reason);
	return -EPROTO;
}

/* Whether a request of @type changes anything at storaged: then it may have, also where no reply
 * came. */
static bool has_effect(uint16_t type)
{
	return type == CONTROL_OPEN || type == CONTROL_DELETE || type == CONTROL_WAKE;
}

int remote_request(struct remote *remote, uint16_t type, const void *body, uint32_t body_bytes,
		   const char *name, uint32_t reply_bytes_min, char *reason, size_t reason_bytes)
{
	int r = remote_begin(remote, type, body, body_bytes, name);

	if (r) {
		snprintf(reason, reason_bytes, "%s", remote->session->lost_reason);
		return r;
	}
	r = await(remote, reason, reason_bytes);
	remote->request = 0;
	/* storaged answers in order: before it says that it has ended the session, it has answered
	 * what was done. But it answers a DELETE only when all sessions were told of it. */
	if ((r == -ENOTCONN && has_effect(type)) || (r == -ESHUTDOWN && type == CONTROL_DELETE))
		return -ECONNRESET;
	if (r == 0)
		r = remote_reply_error(remote, reason, reason_bytes);
	if (r)
		return r;
	if (remote->reply_bytes < reply_bytes_min)
		return remote_reply_is_broken(remote, reason, reason_bytes);
	return 0;
}
