/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport roce where the RDMA device is the responder: making its queue pairs. The kernel may
 * take a second for that (it asks for the client's link address), so a thread of its own does it,
 * one for each.
 */
#ifndef STORAGED_PATHS_DEVICE_PAIRS_H
#define STORAGED_PATHS_DEVICE_PAIRS_H

#include "storaged/paths/device_peers.h"
#include "storaged/paths/inbox.h"

#define DEVICE_PAIRS_MAKING_MAX 64

struct device_pairs {
	/* where queue pairs go that were made */
	struct device_peers *peers;
	/* being made, or made and not taken yet */
	struct list all;
	unsigned making_count;
	struct inbox inbox;
};

/* Returns 0 or a negative errno; device_pairs_close is due either way, and does nothing on one of
 * zeroes. */
int device_pairs_open(struct device_pairs *pairs, struct loop *loop, struct device_peers *peers);
void device_pairs_close(struct device_pairs *pairs);

/* Whether a queue pair is being made for @session, or was made and not taken yet: a session has one
 * at most. */
bool device_pairs_have(const struct session *session);
/* Begin to make a queue pair for the other end @theirs; the session's client goes on when it is
 * made. Returns 0 or a negative errno, -EAGAIN: as many are being made as may be. */
int device_pairs_begin(struct device_pairs *pairs, struct session *session,
		       const struct control_queue_pair *theirs);
/* Take the queue pair of @session that was made. Returns 0, with our end in *ret_ours; 1: the
 * session has as many as it may, because others came meanwhile; or a negative errno with *reason
 * filled. */
int device_pairs_take(struct device_pairs *pairs, struct session *session,
		      struct control_queue_pair *ret_ours, char *reason, size_t reason_bytes);

#endif
