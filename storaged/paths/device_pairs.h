/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport roce where the RDMA device is the responder: making its queue pairs. The kernel may
 * take a second for that (it asks for the client's link address), so a thread of its own does it,
 * one for each.
 */
#ifndef STORAGED_PATHS_DEVICE_PAIRS_H
#define STORAGED_PATHS_DEVICE_PAIRS_H

#include "storaged/control/handlers.h"

#define DEVICE_PAIRS_MAKING_MAX 64

struct server;

int device_pairs_open(struct server *server);
void device_pairs_close(struct server *server);

/* Handle QUEUE_PAIR in the domain `device`: begin, and when it is called again answer. */
void device_pair_handle(struct control *control, const struct control_header *header,
			const struct control_queue_pair *theirs);

#endif
