/* SPDX-License-Identifier: Apache-2.0 */
/* The client of a session, as the session and its paths see it. The control connection implements
 * it: it knows sessions, and they do not know it. */
#ifndef STORAGED_SESSION_CLIENT_H
#define STORAGED_SESSION_CLIENT_H

#include "proto/control.h"
#include "storaged/session/ends.h"

#include <stdbool.h>

struct client;

/* None of these blocks. */
struct client_ops {
	/* The object that the client has open as @handle was deleted. Returns false when the client
	 * leaves too much unread: it has to be told again when it has read. */
	bool (*tell_deleted)(struct client *client, uint32_t handle);
	/* Answer the client's WAIT @request. @taken is the word, if the session owns it now, or
	 * 0. */
	void (*answer_wait)(struct client *client, uint32_t request, enum wire_status status,
			    uint64_t taken);
	/* The caller ends the client's session, for @reason. It is the session's client no more. */
	void (*tell_fenced)(struct client *client, const char *reason);
	/* Handle what the client has already sent; if that contains no GOODBYE, its session is
	 * lost: for @why, with the errno @error of the system call that reported it, or 0. */
	void (*hear_out)(struct client *client, enum session_end why, int error);
	/* What the client's request waits for has come: handle the request again. */
	void (*go_on)(struct client *client);
	/* The round trip as the kernel measures it; 0: it does not. */
	int64_t (*round_trip_ns)(const struct client *client);
};

/* Embedded in the control connection. */
struct client {
	const struct client_ops *ops;
};

#endif
