/* SPDX-License-Identifier: Apache-2.0 */
/* The client of a session, as the session and its paths reach it: by the control connection, which
 * knows sessions and is not known by them. */
#ifndef STORAGED_SESSION_CLIENT_H
#define STORAGED_SESSION_CLIENT_H

#include "proto/control.h"
#include "storaged/session/ends.h"

#include <stdbool.h>

struct client;

/* None of these blocks. */
struct client_ops {
	/* The object that it has open as @handle was deleted. Returns false when it leaves too much
	 * unread: it is to be told again when it has read. */
	bool (*tell_deleted)(struct client *client, uint32_t handle);
	/* Answer its WAIT @request; with @taken, the word, which is its own now, or 0. */
	void (*answer_wait)(struct client *client, uint32_t request, enum wire_status status,
			    uint64_t taken);
	/* Its session is ended by the caller, for @reason. It is the session's client no more. */
	void (*tell_fenced)(struct client *client, const char *reason);
	/* Handle what it has sent already; if GOODBYE is not among that, its session is lost: for
	 * @why, with the errno @error of the system call that said so, or 0. */
	void (*hear_out)(struct client *client, enum session_end why, int error);
	/* What its request waits for has come: handle it again. */
	void (*go_on)(struct client *client);
	/* As the kernel measures it; 0: it does not. */
	int64_t (*round_trip_ns)(const struct client *client);
};

/* Embedded in the control connection. */
struct client {
	const struct client_ops *ops;
};

#endif
