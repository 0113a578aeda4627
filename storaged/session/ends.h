/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reasons why sessions end: one table, from which the log line, the client's sentence and the
 * figures are made.
 */
#ifndef STORAGED_SESSION_ENDS_H
#define STORAGED_SESSION_ENDS_H

#include "storaged/log.h"

/* X(name, level of the log line, whether the client left without a goodbye, the reason for people).
 * The figure is called "sessions_ended_" and the name. */
#define SESSION_ENDS(X)                                                            \
	X(goodbye, INFO, false, "its client said goodbye")                         \
	X(drained, INFO, false, "storaged is shutting down")                       \
	X(silent, WARNING, true, "the session was silent for longer than the TTL") \
	X(control_closed, INFO, true, "its control connection ended")              \
	X(control_broke, INFO, true, "its control connection broke")               \
	X(unread, WARNING, true, "it does not read what it is sent")               \
	X(protocol, WARNING, true, "its client broke the protocol")                \
	X(data_closed, INFO, true, "its data connection was closed")               \
	X(data_broke, INFO, true, "its data connection broke")                     \
	X(data_refused, ERROR, true, "the I/O engine takes no more connections")   \
	X(data_protocol, WARNING, true, "it broke the protocol of the data path")  \
	X(device_failed, ERROR, true, "the RDMA device failed an operation")       \
	X(queue_pair_refused, WARNING, true, "its queue pair refused a request")   \
	X(queue_pair_closed, INFO, true, "its queue pair was disconnected")        \
	X(path_gone, INFO, true, "the path that its client chose had ended")

enum session_end {
	END_NONE, /* it goes on */
#define X(name, level, died, reason) END_##name,
	SESSION_ENDS(X)
#undef X
		END_COUNT
};

struct session_end_kind {
	/* of the figure */
	const char *name;
	enum log_level level;
	bool died;
	const char *reason;
};

extern const struct session_end_kind session_ends[END_COUNT];

#endif
