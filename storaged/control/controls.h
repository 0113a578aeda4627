/* SPDX-License-Identifier: Apache-2.0 */
/* All control connections, in turns of the loop. */
#ifndef STORAGED_CONTROL_CONTROLS_H
#define STORAGED_CONTROL_CONTROLS_H

#include "storaged/control/control.h"

/* @handlers: @handler_count of them, for the types from 0 on. They find @context in each
 * connection. */
void controls_init(struct controls *controls, struct loop *loop, struct room *room,
		   const struct control_handler *handlers, unsigned handler_count,
		   struct context *context);
/* Close all of them. */
void controls_close(struct controls *controls);
/* When a connection is due, INT64_MAX: none is. */
int64_t controls_due_ns(const struct controls *controls);
/* Drop the connections that did not say HELLO in time, or did not take their last reply. */
void controls_expire(struct controls *controls, int64_t now_ns);
/* Go on with what was left over: notices that clients did not take, and requests that wait or take
 * their time. Each connection has one turn; one that has more to do queues itself at the end.
 * Returns whether there is more. */
bool controls_resume(struct controls *controls, struct budget *budget);
/* Send the notices of this turn. */
void controls_flush(struct controls *controls);
/* Close the connections that are to be dropped. Returns whether there are more. */
bool controls_drop(struct controls *controls, struct budget *budget);
/* End all connections and their sessions, with a word to the clients, which have @closing_ns to
 * close. */
void controls_drain(struct controls *controls, int64_t closing_ns);

#endif
