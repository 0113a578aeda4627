/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storaged that follows another one at the same place. Sessions of the one before may not know
 * yet that it ended: what a lock of theirs guards, outside of the store, is theirs until they must
 * have noticed. Until then storaged itself, under an owner number of its own, holds every mutex,
 * rwlock, permit and once that is made, and then lets all of them go by the ordinary sweep. A first
 * start, and one after a storaged that ended without sessions, or whose sessions held nothing and
 * could reach nothing any more, waits for nothing. Each namespace waits for its own sessions alone.
 */
#ifndef STORAGED_SESSION_RESTART_H
#define STORAGED_SESSION_RESTART_H

#include "storaged/session/budget.h"
#include "storaged/session/marker.h"

/* Who holds it then, for people. */
#define RESTART_WHO "sessions before the restart"

struct name_space;
struct server;
struct session;

/* Of a namespace. */
struct restart_space {
	int64_t until_ns; /* locks are held until then; 0: they are not, or not any more */
	int64_t keep_ns;  /* so long a session may go on behind our end; 0: there is none */
	bool had_holds;   /* a session that was told of our end held something */
	bool is_sweeping;
	uint32_t cursor;  /* where the sweep goes on */
	bool sweep_again; /* the object there: some words of it could not be reached */
};

/* A namespace that is not here, in which sessions of a storaged before may go on. */
struct restart_absent {
	char name[MARKER_NAME_BYTES];
	int64_t until_ns;
};

struct restart {
	struct marker marker;
	int64_t beat_ns; /* the marker was written last */
	struct restart_absent absent[MARKER_SPACES];
};

/* Read the marker of the storaged before. Where there can be none it is said in the log, and
 * nothing waits. */
void restart_open(struct server *server);
/* Write the marker, and begin to let go of the locks when it is time. */
void restart_turn(struct server *server, int64_t now_ns);
/* Let go of as many as @budget has room for. Returns whether there are more. */
bool restart_sweep(struct server *server, struct budget *budget);
/* When restart_turn has something to do; INT64_MAX: when something else has happened. */
int64_t restart_due_ns(const struct server *server);
/* How long it is until locks are granted. */
int64_t restart_left_ns(const struct server *server);

/* @session begins: the marker knows it from now on. */
void restart_session_begins(const struct session *session);
/* A session in @space is gone, and nothing is left of it. */
void restart_session_over(struct server *server, struct name_space *space);
/* Something was taken back in @space from a session that ended. */
void restart_took_back(struct server *server, struct name_space *space);
/* storaged is about to end its sessions: from here on the marker keeps what it says of them. */
void restart_drain(struct server *server);

void restart_close(struct server *server);

#endif
