/* SPDX-License-Identifier: Apache-2.0 */
/* What storaged does for each request. */
#ifndef STORAGED_CONTROL_HANDLERS_H
#define STORAGED_CONTROL_HANDLERS_H

#include "storaged/control/control.h"

/* What the request @header takes of a turn beside a light one's: 0 for a light one, which is
 * handled at once. */
unsigned handler_steps(const struct control_header *header);
/* Handle the whole request @header with @body, which lie in the connection's buffer. */
void handle_request(struct control *control, const struct control_header *header,
		    const uint8_t *body);

/* The first message of a connection (hello.c, attach.c). */
void handle_hello(struct control *control, const struct control_header *header,
		  const uint8_t *body);
void handle_attach(struct control *control, const struct control_header *header,
		   const uint8_t *body);

/* Parking on words and waking (futex.c). */
void handle_wait(struct control *control, const struct control_header *header, const uint8_t *body);
void handle_wake(struct control *control, const struct control_header *header, const uint8_t *body);
void handle_wake_quietly(struct control *control, const struct control_header *header,
			 const uint8_t *body);
void handle_cancel(struct control *control, const struct control_header *header,
		   const uint8_t *body);

/* Who holds what (holds.c). */
void handle_held(struct control *control, const struct control_header *header, const uint8_t *body);
void handle_figures(struct control *control, const struct control_header *header,
		    const uint8_t *body);

#endif
