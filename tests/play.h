/* SPDX-License-Identifier: Apache-2.0 */
/* What those who play storaged have in common: whole messages, to a library that may have hung up
 * already. */
#ifndef TESTS_PLAY_H
#define TESTS_PLAY_H

#include <sys/socket.h>

#include "proto/control.h"

static inline bool take(int fd, void *bytes, size_t count)
{
	/* To receive nothing is to wait for the next message. */
	return count == 0 || recv(fd, bytes, count, MSG_WAITALL) == (ssize_t)count;
}

static inline bool give(int fd, const void *bytes, size_t count)
{
	return send(fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count;
}

static inline void reply(int fd, const struct control_header *request, uint16_t status,
			 const void *body, uint32_t bytes)
{
	struct control_header header = control_header_of(le16_get(request->type), status,
							 le32_get(request->request), bytes);

	if (give(fd, &header, sizeof header) && bytes)
		give(fd, body, bytes);
}

#endif
