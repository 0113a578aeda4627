/* SPDX-License-Identifier: Apache-2.0 */
/* Transport tcp, the main thread's side: data connections are given to workers, and come back when
 * nothing of them can be executed any more. */
#ifndef STORAGED_PATHS_DATA_CONNECTIONS_H
#define STORAGED_PATHS_DATA_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct server;
struct session;

#define SESSION_DATA_MAX 8 /* data connections of a session */

/* Whether @session has as many as it may. */
bool data_connections_full(const struct session *session);
/* Give the socket @fd, with @bytes received already, to a worker. Returns 0, -EMFILE, -ENOMEM; the
 * socket is the session's only after 0. */
int data_connections_add(struct session *session, int fd, const void *bytes, size_t byte_count);
/* Take the workers' mail. */
void data_connections_take_mail(struct server *server);

#endif
