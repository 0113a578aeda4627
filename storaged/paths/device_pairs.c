/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/device_pairs.h"
#include "storaged/server.h"

#include <errno.h>
#include <stdlib.h>

struct device_pair {
	struct mail mail; /* to the main thread: it is made, or could not be */
	pthread_t thread;
	struct server *server;
	struct session *session;
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
	pair->session = session;
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
	session->device_pair = pair;
	server->making_count++;
	return 0;
}

/* Free a made one, and its queue pair if nobody has taken it. */
static void discard(struct device_pair *pair)
{
	if (pair->peer)
		verbs_peer_destroy(pair->peer);
	pair->session->device_pair = NULL;
	free(pair);
}

/* Its thread has ended, or is about to. */
static void join(struct device_pair *pair)
{
	pthread_join(pair->thread, NULL);
	pair->server->making_count--;
	pair->made = true;
}

bool device_pair_abandon(struct session *session)
{
	struct device_pair *pair = session->device_pair;

	if (pair && pair->made)
		discard(pair);
	return !session->device_pair;
}

static void refuse_more(struct control *control, const struct control_header *header)
{
	control_refuse(control, header, WIRE_ACCESS,
		       "the session has %d queue pairs, as many as it may", SESSION_PEERS_MAX);
}

static void answer(struct control *control, const struct control_header *header,
		   struct device_pair *pair)
{
	struct session *session = pair->session;
	struct control_queue_pair ours = {
		.port = le16_of(ROCE_PORT),
		.mtu = le16_of((uint16_t)pair->ours.mtu),
		.rd_atomic = le16_of((uint16_t)pair->ours.rd_atomic),
		.qpn = le32_of(pair->ours.qpn),
		.region_address = le64_of((uint64_t)(uintptr_t)store_base(session->space->store)),
	};

	if (pair->error) {
		control_refuse(control, header, WIRE_DEVICE, "%s", pair->reason);
	} else if (session->peer_count == SESSION_PEERS_MAX) {
		refuse_more(control, header); /* others came meanwhile */
	} else {
		memcpy(ours.ip, pair->ours.gid, sizeof ours.ip);
		ours.rkey = le32_of(verbs_region_rkey(pair->region));
		session_add_peer(control->server, session->id, pair->peer);
		pair->peer = NULL;
		control_reply(control, header, &ours, sizeof ours);
	}
	discard(pair);
}

void device_pair_handle(struct control *control, const struct control_header *header,
			const struct control_queue_pair *theirs)
{
	struct session *session = control->session;
	int r;

	if (session->device_pair) {
		answer(control, header, session->device_pair);
	} else if (session->peer_count == SESSION_PEERS_MAX) {
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
		struct session *session = pair->session;

		join(pair);
		if (session->control) {
			control_continue(session->control);
		} else {
			discard(pair);
			session_sweep_if_fenced(session);
		}
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

		if (session->state == SESSION_FREE || !session->device_pair)
			continue;
		if (!session->device_pair->made)
			join(session->device_pair);
		discard(session->device_pair);
	}
	if (server->made_source.fd >= 0)
		loop_take(&server->loop, &server->made_source);
	if (server->made_inbox.event_fd >= 0)
		mailbox_close(&server->made_inbox);
}
