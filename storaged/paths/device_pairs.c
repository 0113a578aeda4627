/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/device_pairs.h"
#include "storaged/server.h"

#include <errno.h>
#include <stdlib.h>

/* One that is being made; a session has one at most. */
struct device_pair {
	struct fence fence; /* its queue pair may come to be at any time */
	struct mail mail;   /* to the main thread: it is made, or could not be */
	pthread_t thread;
	struct server *server;
	struct verbs_region *region;
	struct verbs_end theirs, ours;
	struct verbs_peer *peer; /* NULL: it could not */
	int error;
	char reason[CONTROL_SENTENCE_BYTES_MAX];
	bool made; /* the mail was taken */
};

static void *make(void *argument)
{
	struct device_pair *pair = argument;

	pair->error = verbs_peer_make(pair->region, &pair->theirs, &pair->ours, &pair->peer,
				      pair->reason, sizeof pair->reason);
	mailbox_post(&pair->server->made_inbox, &pair->mail, 1);
	return NULL;
}

/* Free a made one, and its queue pair if nobody has taken it. */
static void discard(struct device_pair *pair)
{
	if (pair->peer)
		verbs_peer_destroy(pair->peer);
	fence_closed(&pair->fence);
	free(pair);
}

/* Nobody will ask for it. While its thread is at it, its mail is waited for. */
static void close_path(struct fence *fence, enum session_end why)
{
	struct device_pair *pair = container_of(fence, struct device_pair, fence);

	(void)why;
	if (pair->made)
		discard(pair);
}

static const struct fence_ops fence_ops = {.close = close_path};

static struct device_pair *pair_of(const struct session *session)
{
	struct fence *fence = fences_find(&session->fences, &fence_ops);

	return fence ? container_of(fence, struct device_pair, fence) : NULL;
}

/* Begin to make one. Returns 0 or a negative errno. */
static int begin(struct session *session, const struct control_queue_pair *theirs)
{
	struct server *server = session->server;
	struct device_pair *pair;
	int r;

	if (server->making_count == DEVICE_PAIRS_MAKING_MAX)
		return -EAGAIN;
	pair = calloc(1, sizeof *pair);
	if (!pair)
		return -ENOMEM;
	pair->server = server;
	pair->region = session->space->region;
	memcpy(pair->theirs.gid, theirs->ip, sizeof pair->theirs.gid);
	pair->theirs.qpn = le32_get(theirs->qpn);
	pair->theirs.psn = le32_get(theirs->psn);
	pair->theirs.mtu = le16_get(theirs->mtu);
	pair->theirs.rd_atomic = le16_get(theirs->rd_atomic);
	r = -pthread_create(&pair->thread, NULL, make, pair);
	if (r) {
		free(pair);
		return r;
	}
	fence_open(&session->fences, &pair->fence, &fence_ops, CONTROL_ROCE);
	pair->fence.has_ended = true; /* or has not begun: it carries nothing */
	server->making_count++;
	return 0;
}

/* Its thread has ended, or is about to. */
static void join(struct device_pair *pair)
{
	pthread_join(pair->thread, NULL);
	pair->server->making_count--;
	pair->made = true;
}

static void refuse_more(struct control *control, const struct control_header *header)
{
	control_refuse(control, header, WIRE_ACCESS,
		       "the session has %d queue pairs, as many as it may", SESSION_PEERS_MAX);
}

static void answer(struct control *control, const struct control_header *header,
		   struct device_pair *pair)
{
	struct session *session = session_of_fence(&pair->fence);
	struct control_queue_pair ours = {
		.port = le16_of(ROCE_PORT),
		.mtu = le16_of((uint16_t)pair->ours.mtu),
		.rd_atomic = le16_of((uint16_t)pair->ours.rd_atomic),
		.qpn = le32_of(pair->ours.qpn),
		.region_address = le64_of((uint64_t)(uintptr_t)store_base(session->space->store)),
	};

	if (pair->error) {
		control_refuse(control, header, WIRE_DEVICE, "%s", pair->reason);
	} else if (device_peers_full(session)) {
		refuse_more(control, header); /* others came meanwhile */
	} else {
		memcpy(ours.ip, pair->ours.gid, sizeof ours.ip);
		ours.rkey = le32_of(verbs_region_rkey(pair->region));
		device_peers_add(&control->server->device_peers, session, pair->peer, CONTROL_ROCE);
		pair->peer = NULL;
		control_reply(control, header, &ours, sizeof ours);
	}
	discard(pair);
}

void device_pair_handle(struct control *control, const struct control_header *header,
			const struct control_queue_pair *theirs)
{
	struct session *session = control->session;
	struct device_pair *pair = pair_of(session);
	int r;

	if (pair) {
		answer(control, header, pair);
	} else if (device_peers_full(session)) {
		refuse_more(control, header);
	} else if ((r = begin(session, theirs)) == -EAGAIN) {
		/* A neighbour that does not answer takes a second: the client had better use
		 * tcp. */
		control_refuse(control, header, WIRE_DEVICE,
			       "storaged is making %d queue pairs, as many as it may at a time",
			       DEVICE_PAIRS_MAKING_MAX);
	} else if (r) {
		control_refuse(control, header, WIRE_INTERNAL, "no queue pair can be made: %s",
			       strerrordesc_np(-r));
	} else {
		control->waits = true;
	}
}

static void inbox_ready(struct source *source, uint32_t events)
{
	struct server *server = container_of(source, struct server, made_source);
	struct mail *mail;
	uint32_t bits;

	(void)events;
	mailbox_quiet(&server->made_inbox);
	while ((mail = mailbox_take(&server->made_inbox, &bits))) {
		struct device_pair *pair = container_of(mail, struct device_pair, mail);
		struct session *session = session_of_fence(&pair->fence);

		join(pair);
		if (session->control)
			control_continue(session->control);
		else
			discard(pair);
	}
}

int device_pairs_open(struct server *server)
{
	int r = mailbox_open(&server->made_inbox);

	return r ? r
		 : loop_add(&server->loop, &server->made_source, server->made_inbox.event_fd,
			    EPOLLIN, inbox_ready);
}

void device_pairs_close(struct server *server)
{
	for (uint32_t i = 1; server->making_count && i <= server->sessions.max; i++) {
		struct session *session = &server->sessions.table[i];
		struct device_pair *pair = session->state == SESSION_FREE ? NULL : pair_of(session);

		if (!pair)
			continue;
		if (!pair->made)
			join(pair);
		discard(pair);
	}
	if (server->made_source.fd >= 0)
		loop_take(&server->loop, &server->made_source);
	if (server->made_inbox.event_fd >= 0)
		mailbox_close(&server->made_inbox);
}
