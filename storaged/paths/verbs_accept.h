/* SPDX-License-Identifier: Apache-2.0 */
/* Queue pairs of clients: accepted in the name of a session, and its own from then on. */
#ifndef STORAGED_PATHS_VERBS_ACCEPT_H
#define STORAGED_PATHS_VERBS_ACCEPT_H

#include <stddef.h>

struct server;

/* Accept queue pairs, if there is a device and the settings let it. Returns 0 or a negative errno
 * with *reason filled. */
int verbs_accept_open(struct server *server, char *reason, size_t reason_bytes);
/* Accept no more. The peers are gone by then, with their sessions. */
void verbs_accept_close(struct server *server);

#endif
