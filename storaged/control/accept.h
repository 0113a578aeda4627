/* SPDX-License-Identifier: Apache-2.0 */
/* New connections. */
#ifndef STORAGED_CONTROL_ACCEPT_H
#define STORAGED_CONTROL_ACCEPT_H

#include "storaged/deadlines.h"

/* For open files, or memory, to become free again. */
#define ACCEPT_PAUSE_NS INT64_C(100000000)

struct server;

/* Accept at every listener from now on. Returns 0 or a negative errno. */
int accept_start(struct server *server);
/* A listener's pause is over. */
void accept_resume(struct server *server, struct deadline *pause);
/* Accept no more, and close the listeners. */
void accept_stop(struct server *server);

#endif
