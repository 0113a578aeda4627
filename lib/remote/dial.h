/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting to storaged and the first exchange on a connection, with a deadline (blocking). */
#ifndef LIB_REMOTE_DIAL_H
#define LIB_REMOTE_DIAL_H

#include "lib/core/transport.h"

#define DIAL_ADDRESSES_MAX   8 /* of a host, tried at the same time */
#define DIAL_DESCRIPTORS_MAX 2 /* of a reply */

/* Both return a nonblocking close-on-exec socket or a negative errno with *reason filled. dial_tcp
 * tries every address of @host, the next one when the last has failed or has been silent for a
 * while. @ret_host (may be NULL) gets the numeric address that answered. */
int dial_tcp(const char *host, const char *port, int64_t deadline_ns, char *ret_host,
	     size_t ret_host_bytes, char *reason, size_t reason_bytes);
int dial_unix(const char *path, int64_t deadline_ns, char *reason, size_t reason_bytes);
/* dial_unix to the socket whose file has these numbers. -EACCES: @path is another file by now, or
 * none. */
int dial_unix_file(const char *path, uint64_t device, uint64_t inode, int64_t deadline_ns,
		   char *reason, size_t reason_bytes);

/*
 * Send a request of @type and wait for its reply: a body of exactly @reply_bytes into @reply, and
 * @fd_count descriptors, DIAL_DESCRIPTORS_MAX at most, into @ret_fds. Returns 0, the error that the
 * reply's status stands for, -EPROTO (it is no such reply), -ECONNRESET, -ETIMEDOUT; with *reason
 * filled.
 */
int dial_exchange(int fd, uint16_t type, const void *body, uint32_t body_bytes, void *reply,
		  uint32_t reply_bytes, int *ret_fds, unsigned fd_count, int64_t deadline_ns,
		  char *reason, size_t reason_bytes);

/* ATTACH @transport on a new connection; the reply brings @fd_count descriptors. */
int dial_attach(int fd, const struct attachment *attachment, uint8_t transport, int *ret_fds,
		unsigned fd_count, int64_t deadline_ns);

#endif
