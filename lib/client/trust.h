/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a unix socket can be trusted. The user does not name the default socket, so whichever
 * process made it first would be spoken to. It and its directory must belong to root or to this
 * process's user, and so must the process that listens there.
 */
#ifndef LIB_CLIENT_TRUST_H
#define LIB_CLIENT_TRUST_H

#include <stddef.h>

/* Returns 0, or -EACCES with *reason filled. */
int trust_socket(const char *path, char *reason, size_t reason_bytes);
/* The same for the process that listens at the other end of the connected unix socket @fd. */
int trust_peer(int fd, const char *path, char *reason, size_t reason_bytes);

#endif
