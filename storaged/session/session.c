/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/session.h"
#include "storaged/log.h"
#include "storaged/session/grants.h"
#include "lib/core/clock.h"
#include "lib/core/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define OWNER_BITS 16

#define SWEEP_WORDS 8 /* looked at in a step */

static const char *const state_names[] = {"free", "live", "fencing", "lingering", "sweeping"};

int sessions_open(struct sessions *sessions, uint32_t max, int64_t ttl_ns, struct futexes *futexes,
		  struct restart *restart)
{
	*sessions = (struct sessions){.max = max, .futexes = futexes, .restart = restart};
	sessions->timers = (struct peer_timers){.whole_ns = ttl_ns};
	deadlines_init(&sessions->lingering, 0);
	deadlines_init(&sessions->retries, SWEEP_RETRY_NS);
	list_init(&sessions->sweeping);
	list_init(&sessions->remains);
	origin_counts_init(&sessions->origin_counts);
	sessions->table = calloc(max + 1, sizeof *sessions->table);
	sessions->free = calloc(max, sizeof *sessions->free);
	if (!sessions->table || !sessions->free) {
		sessions_close(sessions);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < max; i++)
		sessions->free[i] = (uint16_t)(i + 1);
	sessions->free_count = max;
	return 0;
}

/* With the error of the system call, where there was one, or what the device said, in @text. */
static const char *reason_of(const struct session *session, char text[REASON_BYTES])
{
	const char *reason = session_ends[session->end].reason;
	bool broke = session->end == END_control_broke || session->end == END_data_broke;
	char breakage[REASON_BYTES];

	if (session->end == END_device_failed) {
		namespace_last_breakage(breakage);
		snprintf(text, REASON_BYTES, "%s (%.180s)", reason, breakage);
		return text;
	}
	if (!broke || !session->last_error)
		return reason;
	snprintf(text, REASON_BYTES, "%s (%s)", reason, strerror(session->last_error));
	return text;
}

/* Once for each session. Many ends of one reason do not hold back lines about another. */
static void log_end(const struct session *session)
{
	static struct log_limit limits[END_COUNT];
	char reason[REASON_BYTES];

	if (log_limit_allows(&limits[session->end], session_ends[session->end].level))
		log_line(session_ends[session->end].level,
			 "session %u (%s) is over: %s; holds taken back: %u",
			 session_owner(session), session->who, reason_of(session, reason),
			 session->taken);
}

void sessions_close(struct sessions *sessions)
{
	for (uint32_t i = 1; sessions->table && i <= sessions->max; i++) {
		struct session *session = &sessions->table[i];

		if (session->state == SESSION_FREE)
			continue;
		if (session->state != SESSION_LIVE)
			log_end(session);
		store_opener_end(&session->opener);
		sightings_forget(&session->sightings);
		origin_count_leave(session->origin_count);
	}
	free(sessions->table);
	free(sessions->free);
	*sessions = (struct sessions){0};
}

bool sessions_too_many_remains(const struct sessions *sessions, const struct origin *origin)
{
	unsigned count = 0;

	if (!origin->is_unix || origin->pid <= 0)
		return false;
	for (struct list *link = sessions->remains.next; link != &sessions->remains;
	     link = link->next) {
		const struct origin *other = &container_of(link, struct session, remains)->origin;

		count += other->is_unix && other->uid == origin->uid && other->pid == origin->pid;
	}
	return count >= SESSION_REMAINS_MAX;
}

uint32_t sessions_share(const struct sessions *sessions)
{
	return (sessions->max + 1) / 2;
}

uint32_t sessions_count(const struct sessions *sessions)
{
	return sessions->max - sessions->free_count;
}

uint64_t sessions_lost(const struct sessions *sessions)
{
	uint64_t count = 0;

	for (unsigned end = 0; end < END_COUNT; end++)
		if (session_ends[end].died && end != END_silent)
			count += sessions->ended[end];
	return count;
}

/* ---- the way through the states ---- */

static void go_free(struct session *session)
{
	struct sessions *sessions = session->sessions;

	log_end(session);
	sightings_forget(&session->sightings);
	/* Every handle was given back; this frees the opener's own memory. */
	store_opener_end(&session->opener);
	list_remove(&session->sweeping);
	list_remove(&session->remains);
	origin_count_leave(session->origin_count);
	sessions->free[(sessions->free_head + sessions->free_count++) % sessions->max] =
		session_owner(session);
	explicit_bzero(session->cookie, sizeof session->cookie);
	restart_session_over(sessions->restart, session->space, &session->linger);
}

/* The one place where a session changes its state. */
static void go(struct session *session, enum session_state state)
{
	struct sessions *sessions = session->sessions;

	log_debug("session %u: %s, now %s", session_owner(session), state_names[session->state],
		  state_names[state]);
	session->state = state;
	switch (state) {
	case SESSION_LIVE:
		sessions->live_count++;
		sessions->begun++;
		peer_timer_begin(&sessions->timers, &session->timer, clock_now_ns());
		break;
	case SESSION_FENCING:
		sessions->live_count--;
		restart_session_ends(sessions->restart, session->space, &session->linger);
		list_append(&sessions->remains, &session->remains);
		peer_timer_end(&sessions->timers, &session->timer);
		futex_forget(&session->waiter);
		session->client = NULL;
		break;
	case SESSION_LINGERING:
		deadline_insert(&sessions->lingering, &session->due, session->linger.at_ns);
		break;
	case SESSION_SWEEPING:
		grant_end(&session->waiter.grant);
		list_remove(&session->due.link);
		session->sweep_handle = 1;
		list_append(&sessions->sweeping, &session->sweeping);
		break;
	case SESSION_FREE:
		go_free(session);
		break;
	}
}

/* From here on nothing of its client can land. */
static void is_fenced(struct fences *fences)
{
	struct session *session = container_of(fences, struct session, fences);

	go(session, session->linger.at_ns > clock_now_ns() ? SESSION_LINGERING : SESSION_SWEEPING);
}

bool sessions_are_closing(const struct sessions *sessions)
{
	for (uint32_t i = 1; i <= sessions->max; i++)
		if (sessions->table[i].state != SESSION_FREE &&
		    fences_are_closing(&sessions->table[i].fences))
			return true;
	return false;
}

void sessions_expire_lingers(struct sessions *sessions, int64_t now_ns)
{
	struct deadline *deadline;

	while ((deadline = deadline_first(&sessions->lingering)) && deadline->at_ns <= now_ns)
		go(container_of(deadline, struct session, due), SESSION_SWEEPING);
}

const char *session_state_note(const struct session *session)
{
	static const char *const notes[] = {
		[SESSION_FREE] = "",
		[SESSION_LIVE] = "",
		[SESSION_FENCING] = " (lost)",
		[SESSION_LINGERING] = " (lingers)",
		[SESSION_SWEEPING] = " (ended)",
	};

	return notes[session->state];
}

/* ---- begin and end ---- */

static bool object_deleted(struct store_opener *opener, uint32_t handle)
{
	struct session *session = container_of(opener, struct session, opener);
	struct client *client = session->client;

	if (!client)
		return true;
	if (!client->ops->tell_deleted(client, handle))
		return false;
	futex_answer_of(&session->waiter, handle, WIRE_STALE);
	return true;
}

struct session *session_begin(struct sessions *sessions, struct name_space *space,
			      struct client *client, const struct origin *origin, int64_t linger_ns)
{
	struct session *session;
	struct origin_count *origin_count;
	uint64_t random;
	uint16_t place;

	if (sessions->free_count == 0)
		return NULL;
	place = sessions->free[sessions->free_head];
	session = &sessions->table[place];
	/* getrandom() does not block once the system has booted; before that storaged rather waits
	 * than gives a cookie that can be guessed. */
	if (getrandom(&random, sizeof random, 0) != sizeof random ||
	    getrandom(session->cookie, sizeof session->cookie, 0) != sizeof session->cookie)
		return NULL;
	origin_count = origin_counts_join(&sessions->origin_counts, origin);
	if (!origin_count)
		return NULL;
	sessions->free_head = (sessions->free_head + 1) % sessions->max;
	sessions->free_count--;
	session->id = random << OWNER_BITS | place;
	session->sessions = sessions;
	session->space = space;
	session->origin = *origin;
	session->origin_count = origin_count;
	session->client = client;
	session->opener = (struct store_opener){0};
	store_opener_begin(space->store, &session->opener, object_deleted);
	fences_init(&session->fences, is_fenced);
	list_init(&session->sweeping);
	list_init(&session->remains);
	waiter_init(&session->waiter, space, &session->opener, client, &session->fences);
	list_init(&session->due.link);
	session->end = END_NONE;
	session->last_error = 0;
	session->used = 0;
	session->verbs_left = false;
	session->taken = 0;
	session->begun_ns = clock_now_ns();
	session->who[0] = 0;
	go(session, SESSION_LIVE);
	restart_session_begins(sessions->restart, space, &session->linger, linger_ns,
			       session->begun_ns);
	return session;
}

struct session *sessions_at(const struct sessions *sessions, uint64_t id)
{
	uint16_t place = (uint16_t)id;
	struct session *session = &sessions->table[place];

	if (place == 0 || place > sessions->max || session->state != SESSION_LIVE ||
	    session->id != id)
		return NULL;
	return session;
}

struct session *sessions_owner(const struct sessions *sessions, const struct name_space *space,
			       uint16_t owner)
{
	struct session *session = &sessions->table[owner];

	if (owner == 0 || owner > sessions->max || session->state == SESSION_FREE ||
	    session->space != space)
		return NULL;
	return session;
}

struct session *sessions_find(const struct sessions *sessions, uint64_t id,
			      const uint8_t cookie[CONTROL_COOKIE_BYTES])
{
	static const uint8_t nobody[CONTROL_COOKIE_BYTES];
	struct session *session = sessions_at(sessions, id);
	const uint8_t *own = session ? session->cookie : nobody;
	volatile uint8_t difference = 0;

	/* The time does not depend on where the first difference is. */
	for (unsigned i = 0; i < CONTROL_COOKIE_BYTES; i++)
		difference |= own[i] ^ cookie[i];
	return difference == 0 ? session : NULL;
}

void session_heard(struct session *session)
{
	peer_timer_begin(&session->sessions->timers, &session->timer, clock_now_ns());
}

static bool died(const struct session *session)
{
	return session_ends[session->end].died;
}

/* Its holds stay for a while, which people may wonder about. */
static void log_wait(const struct session *session)
{
	char text[REASON_BYTES];
	const char *reason = reason_of(session, text);
	const char *open_while = fences_open_while(&session->fences);

	if (open_while)
		log_limited(LOG_LEVEL_INFO,
			    "session %u (%s) is lost: %s; what it holds stays held while %s",
			    session_owner(session), session->who, reason, open_while);
	else if (session->linger.at_ns)
		log_limited(LOG_LEVEL_INFO,
			    "session %u (%s) is lost: %s; what it holds stays held for the %lld ms "
			    "of its linger",
			    session_owner(session), session->who, reason,
			    (long long)(session->linger.ns / 1000000));
}

void session_end(struct session *session, enum session_end why)
{
	session->end = why;
	session->sessions->ended[why]++;
	/* A session with nothing open holds nothing. */
	if (died(session) && session->linger.ns && session->opener.open_count)
		session->linger.at_ns = clock_now_ns() + session->linger.ns;
	go(session, SESSION_FENCING);
	fences_close(&session->fences, why);
	log_wait(session);
}

void session_fence(struct session *session, enum session_end why)
{
	session->client->ops->tell_fenced(session->client, session_ends[why].reason);
	session_end(session, why);
}

void session_path_ended(struct session *session, enum control_transport transport,
			enum session_end why, int error)
{
	if (session->state == SESSION_LIVE && session->used == transport)
		session->client->ops->hear_out(session->client, why, error);
}

/* With transport verbs the client may know sooner than storaged that its queue pair exists. */
static bool has_path(const struct session *session, enum control_transport transport)
{
	return fences_carry(&session->fences, transport) ||
	       (transport == CONTROL_VERBS && !session->verbs_left);
}

void session_use(struct session *session, enum control_transport transport)
{
	session->used = (uint8_t)transport;
	if (!has_path(session, transport))
		session_path_ended(session, transport, END_path_gone, 0);
}

/* ---- the sweep ---- */

/* Undo what the session held in one object, and wake the waiters there. Returns whether all of its
 * words could be reached; if not, call again to undo the rest. */
static bool sweep(struct session *session, const struct store_reference *reference)
{
	struct futexes *futexes = session->sessions->futexes;
	struct sweep_tally tally = {.again = session->sweep_again};

	if (sweep_object(session->space->transport, reference, session_owner(session),
			 died(session), &tally))
		futex_wake_object(futexes, session->space, reference);
	else if (sweep_owes_wakes(reference, died(session)))
		futex_recheck(futexes, session->space, reference);
	if (tally.taken || tally.failures)
		restart_took_back(session->sessions->restart, session->space);
	session->taken += tally.taken;
	session->sweep_again = tally.failures != 0;
	if (tally.failures) {
		char breakage[REASON_BYTES];

		namespace_last_breakage(breakage);
		log_limited(LOG_LEVEL_ERROR,
			    "session %u: %u words that it may hold cannot be reached: %s",
			    session_owner(session), tally.failures, breakage);
	}
	return tally.failures == 0;
}

/* Its holds stay until the device works again. */
static void sweep_later(struct session *session)
{
	list_remove(&session->sweeping);
	deadline_set(&session->sessions->retries, &session->due, clock_now_ns());
}

void sessions_retry_sweeps(struct sessions *sessions, int64_t now_ns)
{
	struct deadline *deadline;

	while ((deadline = deadline_first(&sessions->retries)) && deadline->at_ns <= now_ns) {
		struct session *session = container_of(deadline, struct session, due);

		list_remove(&deadline->link);
		list_append(&sessions->sweeping, &session->sweeping);
	}
}

/* The steps that sweeping an object takes: one for this many words. */
static unsigned sweep_steps(const struct store_reference *reference)
{
	return 1 + (unsigned)(sweep_count(reference->type, reference->parameters) / SWEEP_WORDS);
}

/* Sweep one more object of @session, or end it with the last. Returns whether it fitted into the
 * budget. */
static bool sweep_next(struct session *session, struct budget *budget)
{
	struct store_reference reference;
	uint32_t next = session->sweep_handle;

	if (!store_opener_next(&session->opener, &next, &reference)) {
		go(session, SESSION_FREE);
		return true;
	}
	if (!budget_take(budget, sweep_steps(&reference)))
		return false;
	/* The second try goes over a loopback queue pair that was connected anew. */
	if (!sweep(session, &reference) && !sweep(session, &reference)) {
		sweep_later(session);
		return true;
	}
	session->sweep_handle = next;
	store_close(&session->opener, reference.handle);
	return true;
}

bool sessions_sweep(struct sessions *sessions, struct budget *budget)
{
	while (!list_empty(&sessions->sweeping)) {
		struct session *session =
			container_of(sessions->sweeping.next, struct session, sweeping);

		if (!sweep_next(session, budget))
			return true;
		/* In turns, so that a session that holds one thing does not wait for one that holds
		 * thousands. */
		if (session->state == SESSION_SWEEPING && !list_empty(&session->sweeping)) {
			list_remove(&session->sweeping);
			list_append(&sessions->sweeping, &session->sweeping);
		}
	}
	return false;
}
