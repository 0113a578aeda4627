/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/device_pairs.h"
#include "proto/roce.h"
#include "storaged/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A queue pair that is being made; a session has one at most. */
struct device_pair {
	struct fence fence; /* its queue pair may be created at any time */
	struct mail mail;   /* mail to the main thread: it is made, or could not be */
	pthread_t thread;
	struct device_pairs *pairs;
	struct list link; /* in pairs->all */
	struct verbs_region *region;
	struct verbs_end theirs, ours;
	struct verbs_peer *peer; /* NULL: it could not */
	int error;
	char reason[REASON_BYTES];
	bool made; /* the mail was taken */
};

static void *make(void *argument)
{
	struct device_pair *pair = argument;

	pair->error = verbs_peer_make(pair->region, &pair->theirs, &pair->ours, &pair->peer,
				      pair->reason, sizeof pair->reason);
	mailbox_post(&pair->pairs->inbox.mailbox, &pair->mail, 1);
	return NULL;
}

/* Free it, and its queue pair if that was not taken. */
static void discard(struct device_pair *pair)
{
	if (pair->peer)
		verbs_peer_destroy(pair->peer);
	list_remove(&pair->link);
	fence_closed(&pair->fence);
	free(pair);
}

/* Its session will not ask for it any more. While its thread works on it, its mail is awaited. */
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

bool device_pairs_have(const struct session *session)
{
	return pair_of(session) != NULL;
}

int device_pairs_begin(struct device_pairs *pairs, struct session *session,
		       const struct control_queue_pair *theirs)
{
	struct device_pair *pair;
	int r;

	if (pairs->making_count == DEVICE_PAIRS_MAKING_MAX)
		return -EAGAIN;
	pair = calloc(1, sizeof *pair);
	if (!pair)
		return -ENOMEM;
	pair->pairs = pairs;
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
	list_append(&pairs->all, &pair->link);
	pairs->making_count++;
	return 0;
}

/* Its thread has ended, or is about to. */
static void join(struct device_pair *pair)
{
	pthread_join(pair->thread, NULL);
	pair->pairs->making_count--;
	pair->made = true;
}

int device_pairs_take(struct device_pairs *pairs, struct session *session,
		      struct control_queue_pair *ret_ours, char *reason, size_t reason_bytes)
{
	struct device_pair *pair = pair_of(session);
	int r = pair->error;

	if (r) {
		snprintf(reason, reason_bytes, "%s", pair->reason);
	} else if (device_peers_full(session)) {
		r = 1;
	} else {
		*ret_ours = (struct control_queue_pair){
			.port = le16_of(ROCE_PORT),
			.mtu = le16_of((uint16_t)pair->ours.mtu),
			.rd_atomic = le16_of((uint16_t)pair->ours.rd_atomic),
			.qpn = le32_of(pair->ours.qpn),
			.rkey = le32_of(verbs_region_rkey(pair->region)),
			.region_address =
				le64_of((uint64_t)(uintptr_t)store_base(session->space->store)),
		};
		memcpy(ret_ours->ip, pair->ours.gid, sizeof ret_ours->ip);
		device_peers_add(pairs->peers, session, pair->peer, CONTROL_ROCE);
		pair->peer = NULL;
	}
	discard(pair);
	return r;
}

static void inbox_ready(struct source *source, uint32_t events)
{
	struct device_pairs *pairs = container_of(source, struct device_pairs, inbox.source);
	struct mail *mail;
	uint32_t bits;

	(void)events;
	mailbox_quiet(&pairs->inbox.mailbox);
	while ((mail = mailbox_take(&pairs->inbox.mailbox, &bits))) {
		struct device_pair *pair = container_of(mail, struct device_pair, mail);
		struct client *client = session_of_fence(&pair->fence)->client;

		join(pair);
		if (client)
			client->ops->go_on(client);
		else
			discard(pair);
	}
}

int device_pairs_open(struct device_pairs *pairs, struct loop *loop, struct device_peers *peers)
{
	*pairs = (struct device_pairs){.peers = peers};
	list_init(&pairs->all);
	return inbox_open(&pairs->inbox, loop, inbox_ready);
}

void device_pairs_close(struct device_pairs *pairs)
{
	while (pairs->peers && !list_empty(&pairs->all)) {
		struct device_pair *pair = container_of(pairs->all.next, struct device_pair, link);

		if (!pair->made)
			join(pair);
		discard(pair);
	}
	inbox_close(&pairs->inbox);
}
