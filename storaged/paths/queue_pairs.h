/* SPDX-License-Identifier: Apache-2.0 */
/* Transport roce, the main thread's side: ports, workers, and the making of queue pairs. */
#ifndef STORAGED_PATHS_QUEUE_PAIRS_H
#define STORAGED_PATHS_QUEUE_PAIRS_H

#include "storaged/control/handlers.h"
#include "storaged/paths/roce_worker.h"

struct server;

#define SESSION_QUEUE_PAIRS_MAX 8 /* of a session, on the CPU */

/* Bind the UDP ports and start the workers, where roce is to be offered by this CPU. Returns 0 or a
 * negative errno with *reason filled. */
int queue_pairs_open(struct server *server, char *reason, size_t reason_bytes);
void queue_pairs_close(struct server *server);

/* Take the workers' mail. */
void queue_pairs_take_mail(struct server *server);

/* QUEUE_PAIR. */
void handle_queue_pair(struct control *control, const struct control_header *header,
		       const uint8_t *body);

#endif
