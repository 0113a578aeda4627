/* SPDX-License-Identifier: Apache-2.0 */
/* What storaged does for each request: one function for each, which takes the whole request @header
 * with @body; they are in the connection's buffer. */
#ifndef STORAGED_CONTROL_HANDLERS_H
#define STORAGED_CONTROL_HANDLERS_H

#include "storaged/control/context.h"
#include "storaged/control/control.h"

/* The first message of a connection (hello.c, attach.c). */
void handle_hello(struct control *control, const struct control_header *header,
		  const uint8_t *body);
void handle_attach(struct control *control, const struct control_header *header,
		   const uint8_t *body);

/* Parking on words and waking (waits.c). */
void handle_wait(struct control *control, const struct control_header *header, const uint8_t *body);
void handle_wake(struct control *control, const struct control_header *header, const uint8_t *body);
void handle_wake_quietly(struct control *control, const struct control_header *header,
			 const uint8_t *body);
void handle_cancel(struct control *control, const struct control_header *header,
		   const uint8_t *body);

/* Reducing a round of an aggregator (reduce.c). */
void handle_reduce(struct control *control, const struct control_header *header,
		   const uint8_t *body);

/* The ends of transport roce (queue_pair.c). */
void handle_queue_pair(struct control *control, const struct control_header *header,
		       const uint8_t *body);

/* Who holds what (held.c). */
void handle_held(struct control *control, const struct control_header *header, const uint8_t *body);

/* What storaged counts (statistics.c). */
void handle_server_stat(struct control *control, const struct control_header *header,
			const uint8_t *body);
void handle_figures(struct control *control, const struct control_header *header,
		    const uint8_t *body);

/* All of them, by the type of the request (handlers.c). */
extern const struct control_handler handlers[];
extern const unsigned handler_count;

#endif
