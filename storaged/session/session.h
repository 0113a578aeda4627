/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: who may touch what, until when; and their end, after which nothing of them can land. */
#ifndef STORAGED_SESSION_SESSION_H
#define STORAGED_SESSION_SESSION_H

#include "lib/core/peer_timeout.h"
#include "lib/store/store.h"
#include "storaged/session/budget.h"
#include "storaged/session/ends.h"
#include "storaged/session/fence.h"
#include "storaged/session/futex.h"
#include "storaged/session/holds.h"
#include "storaged/deadlines.h"
#include "storaged/loop.h"
#include "storaged/session/origin.h"

#define SESSION_REMAINS_MAX 64 /* sessions of a process that are over and not swept yet */
/* Between two sweeps that the device fails: each may take as long as a loopback queue pair is
 * silent. */
#define SESSION_RETRY_NS INT64_C(2000000000)

struct server;
struct control;
struct name_space;

enum session_state {
	SESSION_FREE, /* waits for somebody's HELLO */
	SESSION_LIVE, /* waits for requests; for GOODBYE, a disconnect or silence */
	/* waits until nothing of its client can land: for the last of its fences */
	SESSION_FENCING,
	/* fenced; waits until the time is over for which it asked that its holds be kept */
	SESSION_LINGERING,
	/* waits for turns of the loop, in which what it held is undone and its handles are given
	 * back */
	SESSION_SWEEPING,
};

struct session {
	enum session_state state;
	uint64_t id; /* its low 16 bits are its place in the table */
	uint8_t cookie[CONTROL_COOKIE_BYTES];
	struct server *server;
	struct name_space *space;
	struct store_opener opener;
	struct control *control; /* while LIVE */
	uint64_t features;       /* that apply, enum control_feature */
	struct peer_timer timer;
	struct deadline linger;
	int64_t linger_ns;    /* from an end without GOODBYE on its holds are kept for so long, */
	int64_t linger_at_ns; /* until then; 0: it did not end like that */
	/* enum control_transport: whose paths' end is the session's; 0: it has not said */
	uint8_t used;
	/* its last queue pair of transport verbs was disconnected, and no other is on its way */
	bool verbs_left;
	struct fences fences;
	struct waiter waiter;
	int64_t begun_ns;
	char who[ORIGIN_WHO_BYTES]; /* for people: the client's process or address */
	struct origin origin;
	struct origin_count *origin_count; /* all that come from there */
	struct sightings sightings;
	enum session_end end; /* why it ended */
	int last_error; /* errno of the system call that failed when a path of its broke, or 0 */
	unsigned taken; /* words of its that were taken back */
	struct list sweeping; /* in sessions->sweeping */
	struct list remains;  /* in sessions->remains */
	struct list asking;   /* in space->asking: it asked for a linger */
	uint32_t sweep_handle;
	bool sweep_again; /* the object of that handle: some words of it could not be reached */
};

struct sessions {
	struct session *table; /* session_max + 1 of them; the first is never used */
	uint16_t *free;        /* a ring of places, the one free for longest first */
	uint32_t free_head, free_count;
	uint32_t max;
	uint32_t live_count;
	struct peer_timers timers;
	struct deadlines lingering;
	struct deadlines retries; /* of sweeps that the device failed */
	struct list sweeping;
	struct list remains; /* those that are over and not free yet */
	struct origin_counts origin_counts;
	uint64_t begun;
	uint64_t ended[END_COUNT]; /* by the reason */
};

int sessions_open(struct sessions *sessions, uint32_t max, int64_t ttl_ns);
void sessions_close(struct sessions *sessions);
/* Whether as many sessions of the process of @origin are over and not swept yet as may be. */
bool sessions_too_many_remains(const struct sessions *sessions, const struct origin *origin);
/* How many sessions one user or network may have, of those that there may be. */
uint32_t sessions_share(const struct sessions *sessions);
/* Sessions that are not free. */
uint32_t sessions_count(const struct sessions *sessions);
/* Those that ended without a goodbye otherwise than by silence. */
uint64_t sessions_lost(const struct sessions *sessions);

/* Begin one from @origin, which asks for @linger_ns. Returns NULL when there are as many as there
 * may be. */
struct session *session_begin(struct server *server, struct name_space *space,
			      struct control *control, const struct origin *origin,
			      int64_t linger_ns);
/* Its number in owned words, and its place in the table. */
static inline uint16_t session_owner(const struct session *session)
{
	return (uint16_t)session->id;
}

/* The session whose path has @fence. */
static inline struct session *session_of_fence(const struct fence *fence)
{
	return container_of(fence->fences, struct session, fences);
}

/* The live session of @id, or NULL. */
struct session *session_at(struct server *server, uint64_t id);
/* The same, if @cookie is its own; NULL otherwise, in the same time. */
struct session *session_find(struct server *server, uint64_t id,
			     const uint8_t cookie[CONTROL_COOKIE_BYTES]);
/* The client has been heard of. */
void session_heard(struct session *session);
/* End a live session: from here on its control connection is no longer its. */
void session_end(struct session *session, enum session_end why);
/* The same, and its client is told the reason in a notice: before anything of the session's is
 * taken away, so that who finds a path gone finds the notice there. */
void session_fence(struct session *session, enum session_end why);
/* A path of @transport of the session ended by itself, which a system call said with errno @error
 * (0: none did): so does the session, if it is live and uses that, and its client has not said
 * goodbye before. */
void session_path_ended(struct session *session, enum control_transport transport,
			enum session_end why, int error);
/* Its client goes on with its path of @transport: with the end of that, which may have been before,
 * the session ends. */
void session_use(struct session *session, enum control_transport transport);
/* Have those swept whose linger is over. */
void sessions_expire_lingers(struct sessions *sessions, int64_t now_ns);
/* For people who look at what it holds: what has become of it, "" while it is live. */
const char *session_state_note(const struct session *session);

/* Whether there are paths of sessions that storaged closes by itself. */
bool sessions_are_closing(const struct sessions *sessions);
/* Have those swept again that the device failed a while ago. */
void sessions_retry_sweeps(struct sessions *sessions, int64_t now_ns);
/* Undo what ended sessions held. Returns whether there is more. */
bool sessions_sweep(struct sessions *sessions, struct budget *budget);

#endif
