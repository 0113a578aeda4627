/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory that storaged keeps, over a control connection. The user's thread sends a request and waits
 * for its reply; the keeper's thread reads replies and notices, sends heartbeats and acknowledges deletions.
 * Everything here is under session->lock.
 */
#include "lib/clock.h"
#include "lib/dial.h"
#include "lib/keeper.h"
#include "lib/object.h"
#include "proto/layout.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEARTBEAT_NS (DSO_SECOND / 5)
#define RETRY_NS     (5 * DSO_MILLISECOND)
/* Beginning a session takes resolvers, drivers and new processes: it may take so many timeouts. */
#define CONNECT_TIMEOUTS 10
#define OUT_BYTES        16384
/* Requests of the keeper's own, whose replies nobody waits for. */
#define KEEPER_REQUEST 0x80000000u

struct frame {
	struct control_header header;
	uint8_t body[CONTROL_BODY_BYTES_MAX];
};

struct remote {
	struct keeper_client client;
	struct dso_session *session;
	struct control_welcome welcome;
	char host[64]; /* numeric */
	pthread_cond_t answered;
	/* the request of the user's thread: 0 when there is none */
	uint32_t request, last_request;
	bool replied;
	uint16_t reply_status;
	uint32_t reply_bytes;
	/* a handle of a reply to OPEN that the user's thread has not seen yet */
	uint32_t opened_handle;
	bool opened_deleted;
	unsigned unacknowledged; /* deleted objects that operations may still be under way on */
	int64_t ping_sent_ns;    /* 0: none is unanswered */
	int64_t ping_due_ns;
	size_t out_fill, in_fill;
	uint8_t out[OUT_BYTES];
	struct frame in, reply;
};

static struct remote *remote_of(struct dso_session *session)
{
	return session->directory_data;
}

static void lose(struct remote *remote, int health, const char *reason)
{
	struct dso_session *session = remote->session;

	if (atomic_load(&session->health) == 0) {
		snprintf(session->lost_reason, sizeof session->lost_reason, "%s", reason);
		atomic_store(&session->health, health);
	}
	pthread_cond_broadcast(&remote->answered);
}

/* ---- sending ---- */

static void send_some(struct remote *remote)
{
	ssize_t n;

	if (remote->out_fill == 0 || remote->client.fd < 0)
		return;
	n = send(remote->client.fd, remote->out, remote->out_fill, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		remote->out_fill -= (size_t)n;
		memmove(remote->out, remote->out + n, remote->out_fill);
	} else if (errno != EAGAIN && errno != EINTR) {
		lose(remote, -ENOTCONN, "storaged has closed the control connection");
	}
}

static int put(struct remote *remote, uint16_t type, uint32_t request, const void *body,
	       uint32_t body_bytes, const void *tail, uint32_t tail_bytes)
{
	struct control_header header = control_header_of(type, 0, request, body_bytes + tail_bytes);
	uint8_t *at = remote->out + remote->out_fill;

	if (OUT_BYTES - remote->out_fill < sizeof header + body_bytes + tail_bytes) {
		lose(remote, -ENOTCONN, "storaged does not read what it is sent");
		return -ENOTCONN;
	}
	memcpy(at, &header, sizeof header);
	if (body_bytes)
		memcpy(at + sizeof header, body, body_bytes);
	if (tail_bytes)
		memcpy(at + sizeof header + body_bytes, tail, tail_bytes);
	remote->out_fill += sizeof header + body_bytes + tail_bytes;
	send_some(remote);
	return 0;
}

/* ---- deletions ---- */

static void acknowledge(struct remote *remote, struct object *object)
{
	struct control_close close = {.handle = le32_of(object->handle)};

	object->acknowledged = true;
	put(remote, CONTROL_CLOSE, KEEPER_REQUEST, &close, sizeof close, NULL, 0);
}

/* Acknowledge what no operation can be under way on any more. */
static void quiesce(struct remote *remote)
{
	uint64_t left = atomic_load_explicit(&remote->session->left, memory_order_acquire);

	for (struct object *object = remote->session->objects; object && remote->unacknowledged;
	     object = object->next) {
		if (!atomic_load(&object->deleted) || object->acknowledged ||
		    object->leave_serial > left)
			continue;
		remote->unacknowledged--;
		acknowledge(remote, object);
	}
}

static void mark_deleted(struct remote *remote, struct object *object)
{
	if (atomic_load(&object->deleted))
		return;
	atomic_store(&object->deleted, true);
	if (!keeper_has_barrier()) {
		/* Then it is acknowledged when the handle is closed. */
		object->leave_serial = UINT64_MAX;
		return;
	}
	/* See session_enter: whoever does not see the flag after this has its entry counted here. */
	keeper_barrier();
	object->leave_serial =
		atomic_load_explicit(&remote->session->entered, memory_order_relaxed);
	remote->unacknowledged++;
	quiesce(remote);
}

static void deleted(struct remote *remote, uint32_t handle)
{
	for (struct object *object = remote->session->objects; object; object = object->next) {
		if (object->handle == handle) {
			mark_deleted(remote, object);
			return;
		}
	}
	if (handle == remote->opened_handle)
		remote->opened_deleted = true;
}

/* ---- receiving, in the keeper's thread ---- */

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
	pthread_cond_broadcast(&remote->answered);
}

static void take_frame(struct remote *remote, uint32_t bytes)
{
	uint16_t type = le16_get(remote->in.header.type);
	uint32_t request = le32_get(remote->in.header.request);
	char text[160];

	if (type == CONTROL_FENCED) {
		snprintf(text, sizeof text, "%.*s", (int)(bytes < 150 ? bytes : 150),
			 (char *)remote->in.body);
		lose(remote, -ESHUTDOWN, text);
	} else if (type == CONTROL_DELETED && bytes == sizeof(struct control_close)) {
		struct control_close notice;

		memcpy(&notice, remote->in.body, sizeof notice);
		deleted(remote, le32_get(notice.handle));
	} else if (type == CONTROL_PING && request == KEEPER_REQUEST) {
		remote->ping_sent_ns = 0;
	} else if (request && request == remote->request) {
		take_reply(remote, bytes);
	}
}

/* Take the frames that are whole. Returns false when the stream is none of storaged's. */
static bool take_frames(struct remote *remote)
{
	for (;;) {
		uint32_t bytes;
		size_t whole;

		if (remote->in_fill < sizeof remote->in.header)
			return true;
		bytes = le32_get(remote->in.header.length_bytes);
		if (bytes > CONTROL_BODY_BYTES_MAX)
			return false;
		whole = sizeof remote->in.header + bytes;
		if (remote->in_fill < whole)
			return true;
		take_frame(remote, bytes);
		remote->in_fill -= whole;
		memmove(&remote->in, (uint8_t *)&remote->in + whole, remote->in_fill);
	}
}

static bool readable(struct keeper_client *client)
{
	struct remote *remote = (struct remote *)client;
	struct dso_session *session = remote->session;
	bool open = true;
	ssize_t n;

	pthread_mutex_lock(&session->lock);
	n = recv(client->fd, (uint8_t *)&remote->in + remote->in_fill,
		 sizeof remote->in - remote->in_fill, MSG_DONTWAIT);
	if (n > 0) {
		remote->in_fill += (size_t)n;
		open = take_frames(remote);
		if (!open)
			lose(remote, -ENOTCONN, "storaged broke the protocol");
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		open = false;
		lose(remote, -ENOTCONN, "storaged has closed the control connection");
	}
	pthread_mutex_unlock(&session->lock);
	return open;
}

/* ---- heartbeat, in the keeper's thread ---- */

static int64_t tick(struct keeper_client *client, int64_t now_ns)
{
	struct remote *remote = (struct remote *)client;
	struct dso_session *session = remote->session;
	int64_t interval_ns =
		session->ttl_ns / 4 < HEARTBEAT_NS ? session->ttl_ns / 4 : HEARTBEAT_NS;
	int64_t due_ns;
	char text[160];

	pthread_mutex_lock(&session->lock);
	if (remote->ping_sent_ns && now_ns - remote->ping_sent_ns > session->timeout_ns) {
		snprintf(text, sizeof text, "storaged has not answered a heartbeat for %lld ms",
			 (long long)(session->timeout_ns / DSO_MILLISECOND));
		lose(remote, -ENOTCONN, text);
	}
	if (atomic_load(&session->health)) {
		pthread_mutex_unlock(&session->lock);
		return INT64_MAX;
	}
	if (remote->ping_sent_ns == 0 && now_ns >= remote->ping_due_ns) {
		remote->ping_sent_ns = now_ns;
		remote->ping_due_ns = now_ns + interval_ns;
		put(remote, CONTROL_PING, KEEPER_REQUEST, NULL, 0, NULL, 0);
	}
	send_some(remote);
	quiesce(remote);
	due_ns = remote->ping_sent_ns ? now_ns + interval_ns : remote->ping_due_ns;
	if (remote->ping_sent_ns && remote->ping_sent_ns + session->timeout_ns < due_ns)
		due_ns = remote->ping_sent_ns + session->timeout_ns + 1;
	if ((remote->unacknowledged || remote->out_fill) && now_ns + RETRY_NS < due_ns)
		due_ns = now_ns + RETRY_NS;
	pthread_mutex_unlock(&session->lock);
	return due_ns;
}

/* In a forked child: this session is the parent's. */
static void forked(struct keeper_client *client)
{
	struct remote *remote = (struct remote *)client;
	struct dso_session *session = remote->session;

	pthread_mutex_init(&session->lock, NULL);
	pthread_cond_init(&remote->answered, NULL);
	close(client->fd);
	client->fd = -1;
	lose(remote, -ENOTCONN, "the session belongs to the process that forked");
}

/* ---- requests, in the user's thread ---- */

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / DSO_SECOND, .tv_nsec = ns % DSO_SECOND};
}

/* Wait for the reply. The lock is held, and let go meanwhile. */
static int await(struct remote *remote, char *reason, size_t reason_bytes)
{
	struct dso_session *session = remote->session;
	int64_t deadline_ns = clock_now_ns() + session->timeout_ns;
	struct timespec deadline = timespec_of(deadline_ns);

	while (remote->out_fill && !atomic_load(&session->health) && clock_now_ns() < deadline_ns) {
		struct pollfd writable = {.fd = remote->client.fd, .events = POLLOUT};

		pthread_mutex_unlock(&session->lock);
		poll(&writable, 1, clock_poll_ms(deadline_ns));
		pthread_mutex_lock(&session->lock);
		send_some(remote);
	}
	while (!remote->replied && !atomic_load(&session->health))
		if (pthread_cond_timedwait(&remote->answered, &session->lock, &deadline) ==
		    ETIMEDOUT)
			break;
	if (remote->replied)
		return 0;
	if (atomic_load(&session->health)) {
		snprintf(reason, reason_bytes, "%s", session->lost_reason);
		return atomic_load(&session->health);
	}
	/* Its effect is unknown, and a late reply would have no one to go to: the session is over. */
	lose(remote, -ENOTCONN, "storaged did not answer a request in time");
	snprintf(reason, reason_bytes, "%s", session->lost_reason);
	return -ETIMEDOUT;
}

/* A request and its reply, now in remote->reply. Its body has at least @reply_bytes_min. Lock held. */
static int request(struct remote *remote, uint16_t type, const void *body, uint32_t body_bytes,
		   const char *name, uint32_t reply_bytes_min, char *reason, size_t reason_bytes)
{
	int r;

	remote->last_request = remote->last_request % (KEEPER_REQUEST - 1) + 1;
	remote->request = remote->last_request;
	remote->replied = false;
	r = put(remote, type, remote->request, body, body_bytes, name,
		name ? (uint32_t)strlen(name) : 0);
	if (r == 0)
		r = await(remote, reason, reason_bytes);
	remote->request = 0;
	if (r)
		return r;
	if (remote->reply_status != WIRE_OK) {
		snprintf(reason, reason_bytes, "%.*s",
			 (int)(remote->reply_bytes < 200 ? remote->reply_bytes : 200),
			 (char *)remote->reply.body);
		if (*reason == 0)
			snprintf(reason, reason_bytes, "%s",
				 wire_status_sentence(remote->reply_status));
		return wire_status_error(remote->reply_status);
	}
	if (remote->reply_bytes < reply_bytes_min) {
		lose(remote, -ENOTCONN, "storaged broke the protocol");
		snprintf(reason, reason_bytes, "%s", remote->session->lost_reason);
		return -EPROTO;
	}
	return 0;
}

/* Whether a reference lies in the region and is what its type asks for. */
static bool reference_holds(const struct remote *remote, const struct object *object)
{
	uint64_t region_bytes = le64_get(remote->welcome.region_bytes), need;

	switch (object->type) {
	case OBJECT_COUNTER:
		if (object->parameters[COUNTER_PARAMETER_STRIPES] < 1 ||
		    object->parameters[COUNTER_PARAMETER_STRIPES] > COUNTER_STRIPES_MAX)
			return false;
		need = COUNTER_STRIPE_OFFSET(object->parameters[COUNTER_PARAMETER_STRIPES]);
		break;
	case OBJECT_REGISTER:
		if (object->parameters[REGISTER_PARAMETER_CAPACITY] < 1 ||
		    object->parameters[REGISTER_PARAMETER_CAPACITY] > REGISTER_CAPACITY_BYTES_MAX)
			return false;
		need = REGISTER_SLOT_OFFSET(2, object->parameters[REGISTER_PARAMETER_CAPACITY]);
		break;
	case OBJECT_MEMORY:
		if (object->parameters[MEMORY_PARAMETER_BYTES] < 1 ||
		    object->parameters[MEMORY_PARAMETER_BYTES] > MEMORY_BYTES_MAX)
			return false;
		need = MEMORY_DATA_OFFSET + object->parameters[MEMORY_PARAMETER_BYTES];
		break;
	default:
		return false;
	}
	return object->offset % LAYOUT_LINE_BYTES == 0 && object->length_bytes >= need &&
	       object->offset <= region_bytes &&
	       object->length_bytes <= region_bytes - object->offset;
}

static int remote_open_object(struct dso_session *session, struct object *object,
			      const struct open_request *open, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_open body = {
		.type = le16_of(open->type),
		.flags = CONTROL_OPEN_CREATE | (open->given ? CONTROL_OPEN_PARAMETERS : 0),
		.name_bytes = (uint8_t)strlen(object->name),
	};
	struct control_opened opened;
	int r;

	for (unsigned i = 0; i < 4; i++)
		body.parameters.parameter[i] = le64_of(open->parameters[i]);
	pthread_mutex_lock(&session->lock);
	r = request(remote, CONTROL_OPEN, &body, sizeof body, object->name, sizeof opened, reason,
		    reason_bytes);
	if (r == 0) {
		memcpy(&opened, remote->reply.body, sizeof opened);
		object->handle = le32_get(opened.handle);
		object->generation = le32_get(opened.generation);
		object->offset = le64_get(opened.offset);
		object->length_bytes = le64_get(opened.length_bytes);
		for (unsigned i = 0; i < 4; i++)
			object->parameters[i] = le64_get(opened.parameters.parameter[i]);
		if (reference_holds(remote, object)) {
			object_link(object);
			if (remote->opened_deleted)
				mark_deleted(remote, object);
		} else {
			lose(remote, -ENOTCONN, "storaged sent a reference outside its region");
			snprintf(reason, reason_bytes, "%s", session->lost_reason);
			r = -EPROTO;
		}
	}
	remote->opened_handle = 0;
	remote->opened_deleted = false;
	pthread_mutex_unlock(&session->lock);
	return r;
}

static void remote_close_object(struct dso_session *session, struct object *object)
{
	struct remote *remote = remote_of(session);

	pthread_mutex_lock(&session->lock);
	object_unlink(object);
	if (atomic_load(&object->deleted) && !object->acknowledged &&
	    object->leave_serial != UINT64_MAX)
		remote->unacknowledged--;
	if (!object->acknowledged && atomic_load(&session->health) == 0)
		acknowledge(remote, object);
	pthread_mutex_unlock(&session->lock);
}

static int remote_delete(struct dso_session *session, const char *name, char *reason,
			 size_t reason_bytes)
{
	struct control_name body = {.name_bytes = (uint8_t)strlen(name)};
	int r;

	pthread_mutex_lock(&session->lock);
	r = request(remote_of(session), CONTROL_DELETE, &body, sizeof body, name, 0, reason,
		    reason_bytes);
	pthread_mutex_unlock(&session->lock);
	return r;
}

static void stat_of(const struct control_entry *entry, const uint8_t *name, struct dso_stat *stat)
{
	*stat = (struct dso_stat){
		.type = (enum dso_type)le16_get(entry->type),
		.generation = le32_get(entry->generation),
		.offset = le64_get(entry->offset),
		.length_bytes = le64_get(entry->length_bytes),
		.opens = le32_get(entry->opens),
	};
	for (unsigned i = 0; i < 4; i++)
		stat->parameters[i] = le64_get(entry->parameters.parameter[i]);
	memcpy(stat->name, name, entry->name_bytes);
}

/* Take an entry and its name at *at, of @left bytes. Returns the bytes taken, 0 when it is not whole. */
static size_t take_entry(const uint8_t *at, size_t left, struct dso_stat *stat)
{
	struct control_entry entry;

	if (left < sizeof entry)
		return 0;
	memcpy(&entry, at, sizeof entry);
	if (left - sizeof entry < entry.name_bytes)
		return 0;
	stat_of(&entry, at + sizeof entry, stat);
	return sizeof entry + entry.name_bytes;
}

static int remote_stat(struct dso_session *session, const char *name, struct dso_stat *ret_stat,
		       char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_name body = {.name_bytes = (uint8_t)strlen(name)};
	int r;

	pthread_mutex_lock(&session->lock);
	r = request(remote, CONTROL_STAT, &body, sizeof body, name, sizeof(struct control_entry),
		    reason, reason_bytes);
	if (r == 0 && take_entry(remote->reply.body, remote->reply_bytes, ret_stat) == 0)
		r = -EPROTO;
	pthread_mutex_unlock(&session->lock);
	return r;
}

static int remote_list(struct dso_session *session, uint32_t *cursor, struct dso_stat *entries,
		       unsigned count_max, unsigned *ret_count, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_list body = {.cursor = le32_of(*cursor)};
	struct control_page page;
	size_t at = sizeof page;
	int r;

	pthread_mutex_lock(&session->lock);
	r = request(remote, CONTROL_LIST, &body, sizeof body, NULL, sizeof page, reason,
		    reason_bytes);
	if (r == 0) {
		memcpy(&page, remote->reply.body, sizeof page);
		if (le32_get(page.count) > count_max)
			r = -EPROTO;
	}
	for (uint32_t i = 0; r == 0 && i < le32_get(page.count); i++) {
		size_t taken =
			take_entry(remote->reply.body + at, remote->reply_bytes - at, &entries[i]);

		at += taken;
		if (taken == 0)
			r = -EPROTO;
	}
	if (r == 0) {
		*cursor = le32_get(page.cursor);
		*ret_count = le32_get(page.count);
	}
	pthread_mutex_unlock(&session->lock);
	return r;
}

/* A zero-filled field of the wire as a string. */
static void text_of(char *to, size_t to_bytes, const uint8_t *from, size_t from_bytes)
{
	snprintf(to, to_bytes, "%.*s", (int)from_bytes, (const char *)from);
}

static int remote_server_stat(struct dso_session *session, struct dso_server_stat *stat,
			      char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_server_stat wire;
	int r;

	pthread_mutex_lock(&session->lock);
	r = request(remote, CONTROL_SERVER_STAT, NULL, 0, NULL, sizeof wire, reason, reason_bytes);
	if (r == 0)
		memcpy(&wire, remote->reply.body, sizeof wire);
	pthread_mutex_unlock(&session->lock);
	if (r)
		return r;
	*stat = (struct dso_server_stat){
		.uptime = le64_get(wire.uptime_ns),
		.region_bytes = le64_get(wire.region_bytes),
		.region_used_bytes = le64_get(wire.region_used_bytes),
		.objects = le64_get(wire.objects),
		.objects_max = le64_get(wire.objects_max),
		.sessions = le64_get(wire.sessions),
		.sessions_max = le64_get(wire.sessions_max),
		.sessions_begun = le64_get(wire.sessions_begun),
		.sessions_fenced = le64_get(wire.sessions_fenced),
		.sessions_lost = le64_get(wire.sessions_lost),
		.protocol_errors = le64_get(wire.protocol_errors),
		.operations = le64_get(wire.operations),
		.session_ttl = session->ttl_ns,
	};
	snprintf(stat->domain, sizeof stat->domain, "%s",
		 wire.domain == CONTROL_DOMAIN_DEVICE ? "device" : "cpu");
	text_of(stat->domain_reason, sizeof stat->domain_reason, wire.domain_reason,
		sizeof wire.domain_reason);
	text_of(stat->io, sizeof stat->io, wire.io, sizeof wire.io);
	text_of(stat->device, sizeof stat->device, wire.device, sizeof wire.device);
	text_of(stat->version, sizeof stat->version, wire.version, sizeof wire.version);
	return 0;
}

static int remote_figures(struct dso_session *session, struct dso_figure *figures, size_t count_max,
			  size_t *count, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_figures head;
	struct control_figure entry;
	int r;

	/* A storaged that has no roce may not know the question. */
	if (!(remote->welcome.transports & CONTROL_ROCE))
		return 0;
	pthread_mutex_lock(&session->lock);
	r = request(remote, CONTROL_FIGURES, NULL, 0, NULL, sizeof head, reason, reason_bytes);
	if (r == 0) {
		memcpy(&head, remote->reply.body, sizeof head);
		if (le32_get(head.count) != (remote->reply_bytes - sizeof head) / sizeof entry)
			r = -EPROTO;
	}
	for (uint32_t i = 0; r == 0 && i < le32_get(head.count); i++) {
		memcpy(&entry, remote->reply.body + sizeof head + i * sizeof entry, sizeof entry);
		figure_append(figures, count_max, count, (const char *)entry.name,
			      sizeof entry.name, le64_get(entry.value));
	}
	pthread_mutex_unlock(&session->lock);
	return r;
}

static int remote_ping(struct dso_session *session, char *reason, size_t reason_bytes)
{
	int r;

	pthread_mutex_lock(&session->lock);
	r = request(remote_of(session), CONTROL_PING, NULL, 0, NULL, 0, reason, reason_bytes);
	pthread_mutex_unlock(&session->lock);
	return r;
}

static void remote_leave(struct dso_session *session)
{
	struct remote *remote = remote_of(session);

	keeper_remove(&remote->client);
	if (remote->client.fd >= 0) {
		if (atomic_load(&session->health) == 0)
			put(remote, CONTROL_GOODBYE, KEEPER_REQUEST, NULL, 0, NULL, 0);
		close(remote->client.fd);
	}
	pthread_cond_destroy(&remote->answered);
	free(remote);
}

static const struct directory_ops remote_ops = {
	.open = remote_open_object,
	.close = remote_close_object,
	.delete = remote_delete,
	.stat = remote_stat,
	.list = remote_list,
	.server_stat = remote_server_stat,
	.figures = remote_figures,
	.ping = remote_ping,
	.leave = remote_leave,
};

/* ---- beginning a session ---- */

/* The transports, best first, and why storaged may not offer one, by the region's domain. */
static const struct {
	const char *name;
	int (*connect)(const struct attachment *attachment, struct transport **ret_transport);
	uint8_t bit;
	const char *absent_cpu, *absent_device;
} transports[] = {
	{"shm", transport_shm_connect, CONTROL_SHM,
	 "storaged was told not to offer it, or has no unix socket",
	 "storaged's RDMA device executes this region's atomics, no CPU may"},
	{"verbs", transport_verbs_connect, CONTROL_VERBS,
	 "storaged serves this region by its CPU: it uses no RDMA device (dsoctl stat says why)",
	 "storaged was told not to offer it"},
	{"roce", transport_roce_connect, CONTROL_ROCE,
	 "storaged was told not to offer it, listens at no address, or has no sockets for it",
	 "storaged was told not to offer it"},
	{"tcp", transport_tcp_connect, CONTROL_TCP, "storaged was told not to offer it",
	 "storaged was told not to offer it"},
};

/* Try the transport at @index. Returns 0 or a negative errno with *why filled. */
static int try_transport(unsigned index, const struct attachment *attachment,
			 struct transport **ret_transport)
{
	const struct control_welcome *welcome = attachment->welcome;
	int r;

	*attachment->reason = 0;
	if (!(welcome->transports & transports[index].bit)) {
		snprintf(attachment->reason, attachment->reason_bytes, "%s",
			 welcome->domain == CONTROL_DOMAIN_DEVICE ? transports[index].absent_device
								  : transports[index].absent_cpu);
		return -EOPNOTSUPP;
	}
	r = transports[index].connect(attachment, ret_transport);
	if (r && *attachment->reason == 0)
		snprintf(attachment->reason, attachment->reason_bytes, "%s", strerror(-r));
	return r;
}

static int attach(struct remote *remote, const struct url *url,
		  const struct session_settings *settings, int64_t deadline_ns, char *reason,
		  size_t reason_bytes)
{
	struct dso_session *session = remote->session;
	bool automatic = !strcmp(settings->transport, "auto");
	char why[160];
	struct attachment attachment = {
		.welcome = &remote->welcome,
		.control_fd = remote->client.fd,
		.host = url->kind == URL_TCP ? remote->host : NULL,
		.port = (uint16_t)atoi(url->port),
		.unix_path = url->kind == URL_UNIX ? url->path : NULL,
		.device = settings->device,
		.io = settings->io,
		.poll = settings->poll,
		.connect_deadline_ns = deadline_ns,
		.timeout_ns = settings->timeout_ns,
		.health = &session->health,
		.reason = why,
		.reason_bytes = sizeof why,
	};
	int r = -EOPNOTSUPP;

	for (unsigned i = 0; i < sizeof transports / sizeof *transports; i++) {
		const char *name = transports[i].name;

		if (!automatic && strcmp(settings->transport, name)) {
			session_report(session, name, false, "%s was asked for",
				       settings->transport);
		} else if (session->transport && remote->welcome.transports & transports[i].bit) {
			session_report(session, name, false, "%s works and is better",
				       dso_transport(session));
		} else {
			int s = try_transport(i, &attachment, &session->transport);

			session_report(session, name, s == 0, "%s",
				       s           ? why
				       : automatic ? "the best one that works"
						   : "it was asked for");
			if (s)
				snprintf(reason, reason_bytes, "transport %s: %s", name, why);
			r = session->transport ? 0 : s;
		}
	}
	return r;
}

static int greet(struct remote *remote, const struct url *url, int64_t deadline_ns, char *reason,
		 size_t reason_bytes)
{
	struct control_hello hello = {.version_min = le16_of(CONTROL_VERSION),
				      .version_max = le16_of(CONTROL_VERSION),
				      .features_offered = le64_of(CONTROL_FEATURES)};
	int r;

	memcpy(hello.magic, CONTROL_MAGIC, sizeof hello.magic);
	memcpy(hello.name_space, url->name_space, sizeof hello.name_space);
	r = dial_exchange(remote->client.fd, CONTROL_HELLO, &hello, sizeof hello, &remote->welcome,
			  sizeof remote->welcome, NULL, deadline_ns, reason, reason_bytes);
	if (r)
		return r;
	if (le16_get(remote->welcome.version) != CONTROL_VERSION ||
	    (le64_get(remote->welcome.session) & UINT16_MAX) == 0 ||
	    le32_get(remote->welcome.ttl_ms) == 0) {
		snprintf(reason, reason_bytes, "storaged's welcome makes no sense");
		return -EPROTO;
	}
	return 0;
}

int remote_open(struct dso_session *session, const struct url *url,
		const struct session_settings *settings, char *reason, size_t reason_bytes)
{
	int64_t deadline_ns = clock_now_ns() + CONNECT_TIMEOUTS * settings->timeout_ns;
	struct remote *remote = calloc(1, sizeof *remote);
	pthread_condattr_t monotonic;
	int r;

	if (!remote)
		return -ENOMEM;
	remote->session = session;
	remote->client =
		(struct keeper_client){.readable = readable, .tick = tick, .forked = forked};
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&remote->answered, &monotonic);
	pthread_condattr_destroy(&monotonic);

	r = remote->client.fd = url->kind == URL_UNIX
					? dial_unix(url->path, deadline_ns, reason, reason_bytes)
					: dial_tcp(url->host, url->port, deadline_ns, remote->host,
						   sizeof remote->host, reason, reason_bytes);
	if (r < 0)
		goto failed;
	r = greet(remote, url, deadline_ns, reason, reason_bytes);
	if (r)
		goto failed;
	session->directory = &remote_ops;
	session->directory_data = remote;
	session->owner = (uint16_t)le64_get(remote->welcome.session);
	session->ttl_ns = le32_get(remote->welcome.ttl_ms) * DSO_MILLISECOND;
	r = attach(remote, url, settings, deadline_ns, reason, reason_bytes);
	if (r)
		goto failed;
	r = keeper_add(&remote->client);
	if (r) {
		transport_ops(session->transport)->close(session->transport);
		goto failed;
	}
	return 0;
failed:
	if (remote->client.fd >= 0)
		close(remote->client.fd);
	pthread_cond_destroy(&remote->answered);
	free(remote);
	return r;
}
