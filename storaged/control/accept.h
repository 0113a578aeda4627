/* SPDX-License-Identifier: Apache-2.0 */
/* New connections. */
#ifndef STORAGED_CONTROL_ACCEPT_H
#define STORAGED_CONTROL_ACCEPT_H

#include "storaged/control/control.h"
#include "storaged/listen.h"

/* For open files, or memory, to become free again. */
#define ACCEPT_PAUSE_NS INT64_C(100000000)

struct acceptor {
	struct loop *loop;
	struct listeners *listeners;
	struct controls *controls;
	struct room *room;
	/* of listeners that do not accept for a while */
	struct deadlines pauses;
};

void accept_init(struct acceptor *acceptor, struct loop *loop, struct listeners *listeners,
		 struct controls *controls, struct room *room);
/* Accept at every listener from now on. Returns 0 or a negative errno. */
int accept_start(struct acceptor *acceptor);
/* Accept again at listeners whose pause is over. */
void accept_turn(struct acceptor *acceptor, int64_t now_ns);
/* Accept no more, and close the listeners. */
void accept_stop(struct acceptor *acceptor);

#endif
