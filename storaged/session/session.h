/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: what a client may reach, and until when; and the end of a session, after which nothing
 * of it can land. */
#ifndef STORAGED_SESSION_SESSION_H
#define STORAGED_SESSION_SESSION_H

#include "lib/core/peer_timeout.h"
#include "lib/store/store.h"
#include "storaged/session/budget.h"
#include "storaged/session/ends.h"
#include "storaged/session/fence.h"
#include "storaged/session/futex.h"
#include "lib/core/deadlines.h"
#include "storaged/loop.h"
#include "storaged/session/origin.h"
#include "storaged/session/restart.h"
#include "storaged/session/sightings.h"

#define SESSION_REMAINS_MAX 64 /* sessions of a process that are over and not swept yet */

enum session_state {
	SESSION_FREE, /* waits for somebody's HELLO */
	SESSION_LIVE, /* waits for requests; for GOODBYE, a disconnect or silence */
	/* waits until nothing of its client can land: until its last fence has closed */
	SESSION_FENCING,
	/* fenced; waits for the end of its linger, for which its holds are kept */
	SESSION_LINGERING,
	/* waits for turns of the loop, in which its holds are undone and its handles given back */
	SESSION_SWEEPING,
};

struct session {
	enum session_state state;
	/* its low 16 bits are its place in the table */
	uint64_t id;
	uint8_t cookie[CONTROL_COOKIE_BYTES];
	struct sessions *sessions;
	struct name_space *space;
	struct store_opener opener;
	/* while LIVE */
	struct client *client;
	/* the features that apply, enum control_feature */
	uint64_t features;
	struct peer_timer timer;
	struct restart_linger linger;
	/* the end of the linger, or the next try of a sweep that the device failed */
	struct deadline due;
	/* enum control_transport: the end of a path of this transport ends the session; 0: not said
	 * yet */
	uint8_t used;
	/* its last queue pair of transport verbs was disconnected, and no other is being made */
	bool verbs_left;
	struct fences fences;
	struct waiter waiter;
	int64_t begun_ns;
	/* for people: the client's process or address */
	char who[ORIGIN_WHO_BYTES];
	struct origin origin;
	/* all that come from there */
	struct origin_count *origin_count;
	struct sightings sightings;
	/* why it ended */
	enum session_end end;
	/* errno of the system call that failed when a path of its broke, or 0 */
	int last_error;
	/* how many of its words were taken back */
	unsigned taken;
	/* in sessions->sweeping */
	struct list sweeping;
	/* in sessions->remains */
	struct list remains;
	uint32_t sweep_handle;
	/* the object of that handle: some of its words could not be reached */
	bool sweep_again;
};

struct sessions {
	/* session_max + 1 of them; the first is never used */
	struct session *table;
	/* a ring of free places, the one free for the longest time first */
	uint16_t *free;
	uint32_t free_head, free_count;
	uint32_t max;
	uint32_t live_count;
	struct peer_timers timers;
	struct deadlines lingering;
	/* of sweeps that the device failed */
	struct deadlines retries;
	struct list sweeping;
	/* sessions that are over and not free yet */
	struct list remains;
	struct origin_counts origin_counts;
	uint64_t begun;
	/* by the reason */
	uint64_t ended[END_COUNT];
	struct futexes *futexes;
	struct restart *restart;
};

int sessions_open(struct sessions *sessions, uint32_t max, int64_t ttl_ns, struct futexes *futexes,
		  struct restart *restart);
void sessions_close(struct sessions *sessions);
/* Whether the process of @origin has as many sessions that are over and not swept yet as it may. */
bool sessions_too_many_remains(const struct sessions *sessions, const struct origin *origin);
/* The most sessions of one user or network. */
uint32_t sessions_share(const struct sessions *sessions);
/* Sessions that are not free. */
uint32_t sessions_count(const struct sessions *sessions);
/* The sessions that ended without a goodbye, other than by silence. */
uint64_t sessions_lost(const struct sessions *sessions);

/* Begin a session from @origin, with a linger of @linger_ns. Returns NULL when there are as many as
 * there may be. */
struct session *session_begin(struct sessions *sessions, struct name_space *space,
			      struct client *client, const struct origin *origin,
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
struct session *sessions_at(const struct sessions *sessions, uint64_t id);
/* The same, if @cookie is that session's; NULL otherwise, in the same time. */
struct session *sessions_find(const struct sessions *sessions, uint64_t id,
			      const uint8_t cookie[CONTROL_COOKIE_BYTES]);
/* The session in @space with the number @owner, which was read from a word that clients write; or
 * NULL. */
struct session *sessions_owner(const struct sessions *sessions, const struct name_space *space,
			       uint16_t owner);
/* The client was heard of. */
void session_heard(struct session *session);
/* End a live session: from here on it has no client. */
void session_end(struct session *session, enum session_end why);
/* The same, and send its client the reason in a notice. That comes before anything of the session
 * is taken away, so that a client that finds a path gone finds the notice. */
void session_fence(struct session *session, enum session_end why);
/* A path of @transport of the session ended by itself, which a system call reported with errno
 * @error (0: none did). The session ends too, if it is live and uses that transport, and its client
 * has not said goodbye before. */
void session_path_ended(struct session *session, enum control_transport transport,
			enum session_end why, int error);
/* The client uses its path of @transport from now on: the session ends with that path, which may
 * have ended before. */
void session_use(struct session *session, enum control_transport transport);
/* Sweep the sessions whose linger is over. */
void sessions_expire_lingers(struct sessions *sessions, int64_t now_ns);
/* A note for people who look at its holds: the state of the session, "" while it is live. */
const char *session_state_note(const struct session *session);

/* Whether there are paths of sessions that storaged closes by itself. */
bool sessions_are_closing(const struct sessions *sessions);
/* Sweep the sessions again whose sweep the device failed a while ago. */
void sessions_retry_sweeps(struct sessions *sessions, int64_t now_ns);
/* Undo what ended sessions held. Returns whether there is more. */
bool sessions_sweep(struct sessions *sessions, struct budget *budget);

#endif
