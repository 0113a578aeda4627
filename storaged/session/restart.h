/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storaged that follows another one at the same place. Sessions of the storaged before may not
 * know yet that it ended. Until they must have noticed, what a lock of theirs guards outside of the
 * store is still theirs. Until then storaged itself holds every mutex, rwlock, permit and once that
 * is created, under an owner number of its own, and then lets all of them go by the ordinary sweep.
 * A storaged waits for nothing at its first start, and where the storaged before ended without
 * sessions, or its sessions held nothing and could reach nothing any more. Each namespace waits
 * only for its own sessions.
 */
#ifndef STORAGED_SESSION_RESTART_H
#define STORAGED_SESSION_RESTART_H

#include "storaged/namespace.h"
#include "storaged/session/budget.h"
#include "storaged/session/futex.h"
#include "storaged/session/marker.h"

/* The holder then, for people. */
#define RESTART_WHO "sessions before the restart"

/* The time between two sweeps that the device fails, also of a session: each sweep may take as long
 * as the timeout of a loopback queue pair. */
#define SWEEP_RETRY_NS INT64_C(2000000000)

/* For how long a session's client may go on when storaged ends. */
struct restart_linger {
	/* in restart_space->asking; alone: it asked for no linger */
	struct list asking;
	/* the session */
	bool is_live;
	/* after an end without GOODBYE its holds are kept for so long, */
	int64_t ns;
	/* until then; 0: it did not end like that */
	int64_t at_ns;
};

/* Of a namespace. */
struct restart_space {
	/* not free yet, */
	unsigned session_count;
	/* and of them those that live */
	unsigned live_count;
	/* the sessions that asked for a linger */
	struct list asking;
	/* locks are held until then; 0: they are not, or not any more */
	int64_t until_ns;
	/* for how long a session may go on after our end; 0: there is none */
	int64_t keep_ns;
	/* a session that was told of our end held something */
	bool had_holds;
	bool is_sweeping;
	/* where the sweep goes on */
	uint32_t cursor;
	/* the object at that cursor: some of its words could not be reached */
	bool sweep_again;
};

/* A missing namespace in which sessions of a storaged before may go on. */
struct restart_absent {
	char name[MARKER_NAME_BYTES];
	int64_t until_ns;
};

struct restart {
	const struct settings *settings;
	const uint8_t *boot_id;
	struct namespaces *namespaces;
	struct futexes *futexes;
	bool is_draining;
	struct marker marker;
	struct restart_space spaces[SETTINGS_ITEMS_MAX];
	/* the marker was written last */
	int64_t beat_ns;
	struct restart_absent absent[MARKER_SPACES];
};

void restart_init(struct restart *restart, const struct settings *settings,
		  const uint8_t boot_id[16], struct namespaces *namespaces,
		  struct futexes *futexes);
/* Read the marker of the storaged before, the file @path. A failure is logged, and then nothing
 * waits. */
void restart_open(struct restart *restart, const char *path);
/* Write the marker, and begin to let go of the locks when it is time. */
void restart_turn(struct restart *restart, int64_t now_ns);
/* Let as many locks go as @budget has room for. Returns whether there are more. */
bool restart_sweep(struct restart *restart, struct budget *budget);
/* When restart_turn has something to do; INT64_MAX: when something else has happened. */
int64_t restart_due_ns(const struct restart *restart);
/* How long it is until locks are granted. */
int64_t restart_left_ns(const struct restart *restart);
/* Whether storaged holds the locks in @space. */
bool restart_waits_in(const struct restart *restart, const struct name_space *space);

/* A session in @space begins, with a linger of @linger_ns: the marker knows of it from now on. */
void restart_session_begins(struct restart *restart, const struct name_space *space,
			    struct restart_linger *linger, int64_t linger_ns, int64_t now_ns);
/* It is over. */
void restart_session_ends(struct restart *restart, const struct name_space *space,
			  struct restart_linger *linger);
/* Nothing is left of it. */
void restart_session_over(struct restart *restart, const struct name_space *space,
			  struct restart_linger *linger);
/* Something was taken back in @space from a session that ended. */
void restart_took_back(struct restart *restart, const struct name_space *space);
/* storaged is about to end its sessions: from here on the marker keeps what it says about them. */
void restart_drain(struct restart *restart);

void restart_close(struct restart *restart);

#endif
