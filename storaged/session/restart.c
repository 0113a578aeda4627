/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/restart.h"
#include "storaged/log.h"
#include "storaged/server.h"
#include "lib/core/clock.h"
#include "lib/store/token_clock.h"
#include "lib/core/sweep.h"

#include <stdio.h>
#include <string.h>

_Static_assert(MARKER_SPACES >= 2 * SETTINGS_ITEMS_MAX &&
		       MARKER_NAME_BYTES > CONTROL_NAMESPACE_BYTES_MAX,
	       "the marker has room for every namespace, and as many that are not here");

#define BEAT_NS INT64_C(1000000000)
/* Of token origins beyond the clock: far more than passes between two beats. */
#define RESERVE_NS UINT64_C(60000000000)
#define NS_PER_MS  1000000

/* ---- the marker ---- */

/* The path of the marker: beside the unix socket, or named after the first address. Returns whether
 * there is a place that the next storaged finds. */
static bool find_path(const struct server *server, char *path, size_t path_bytes)
{
	const char *url = server->listener_count ? server->listeners[0].url : "";
	const char *port = server->settings->listen.count
				   ? strrchr(server->settings->listen.item[0], ':')
				   : NULL;
	char directory[108];

	if (server->unix_socket.path[0]) {
		snprintf(path, path_bytes, "%s" MARKER_SUFFIX, server->unix_socket.path);
		return true;
	}
	/* A port that the kernel chose is another one the next time. */
	if (!*url || (port && !strcmp(port, ":0")))
		return false;
	unix_socket_default_path(directory, sizeof directory);
	*strrchr(directory, '/') = 0;
	snprintf(path, path_bytes, "%s/%s" MARKER_SUFFIX, directory, url + strlen("dso://"));
	return true;
}

/*
 * For how long the client of a live session may go on behind the last beat: it gives up within the
 * TTL of when it heard of storaged last, which is until the next beat. (That one is late by a turn
 * of the loop, a few ms, which is less than the quarter of the TTL by which clients are early.)
 * When storaged ends, its clients are told behind a beat.
 */
static int64_t live_ns(const struct server *server)
{
	return (int64_t)server->settings->ttl_ns + (server->draining ? 0 : BEAT_NS);
}

static int64_t larger(int64_t one, int64_t other)
{
	return one > other ? one : other;
}

/* For how long @session may go on: while it lives, until its client must have noticed, and for its
 * linger behind that; when it is over, for what is left of that. */
static int64_t keep_of(const struct session *session, int64_t now_ns)
{
	if (session->state == SESSION_LIVE)
		return live_ns(session->server) + session->linger_ns;
	return session->linger_at_ns > now_ns ? session->linger_at_ns - now_ns : 0;
}

/* Say in the marker for how long holders in @space may go on, ours and those of the storaged
 * before. */
static void keep(struct server *server, struct name_space *space)
{
	struct restart *restart = &server->restart;
	int64_t keep_ns = space->restart.keep_ns;

	/* The marker counts from when storaged lived last. */
	if (space->restart.until_ns)
		keep_ns = larger(keep_ns, space->restart.until_ns - restart->beat_ns);
	marker_keep(&restart->marker, space->name, (uint64_t)keep_ns);
}

/* Look at the sessions that there are, and at no other. */
static void count_keep(struct server *server, struct name_space *space)
{
	space->restart.keep_ns = space->live_count ? live_ns(server) : 0;
	for (struct list *link = space->asking.next; link != &space->asking; link = link->next)
		space->restart.keep_ns = larger(space->restart.keep_ns,
						keep_of(container_of(link, struct session, asking),
							server->restart.beat_ns));
	keep(server, space);
}

/* Namespaces that are not here may be there again after the next start: what is left of their wait
 * is passed on. */
static void keep_absent(struct server *server)
{
	struct restart *restart = &server->restart;

	for (unsigned i = 0; i < MARKER_SPACES && *restart->absent[i].name; i++) {
		const struct restart_absent *absent = &restart->absent[i];

		marker_keep(&restart->marker, absent->name,
			    (uint64_t)larger(absent->until_ns - restart->beat_ns, 0));
	}
}

static void beat(struct server *server, int64_t now_ns, uint64_t reserved)
{
	struct marker_now now = marker_now(server->host);

	marker_beat(&server->restart.marker, &now, reserved);
	server->restart.beat_ns = now_ns;
	keep_absent(server);
}

static bool is_absent(const struct restart *restart, const char *name)
{
	for (unsigned i = 0; i < MARKER_SPACES; i++)
		if (!strcmp(restart->absent[i].name, name))
			return true;
	return false;
}

/* Remember those of the storaged before that are not here. The rows of the others become free
 * before the first beat, from which they would count again. */
static void find_absent(struct server *server, const struct marker_before *before)
{
	unsigned count = 0, count_max = MARKER_SPACES - server->namespace_count;
	int64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < MARKER_SPACES; i++) {
		const char *name = before->spaces[i].name;
		int64_t wait_ns = marker_wait_ns(before, name);
		struct restart_absent *absent = &server->restart.absent[count];

		if (!*name || server_namespace(server, name) || is_absent(&server->restart, name))
			continue;
		if (wait_ns && count < count_max) {
			memcpy(absent->name, name, sizeof absent->name);
			absent->until_ns = now_ns + wait_ns;
			count++;
			continue;
		}
		marker_keep(&server->restart.marker, name, 0);
		if (wait_ns)
			log_warning("sessions of the namespace %s are forgotten: there were too "
				    "many namespaces in the last starts",
				    name);
	}
}

/* Wait for the sessions that the storaged before had in @space. */
static void wait_in(struct name_space *space, const struct marker_before *before)
{
	int64_t wait_ns = marker_wait_ns(before, space->name);

	if (!wait_ns)
		return;
	space->restart.until_ns = clock_now_ns() + wait_ns;
	store_hold_new(space->store, OWNED_BY_STORAGED);
	log_info("the storaged before had sessions in the namespace %s %lld ms ago: locks are "
		 "granted "
		 "there in %lld ms, when those who held one must have noticed its end",
		 space->name, (long long)(before->ago_ns / NS_PER_MS),
		 (long long)(wait_ns / NS_PER_MS));
}

void restart_open(struct server *server)
{
	struct restart *restart = &server->restart;
	struct marker_now now = marker_now(server->host);
	struct marker_before before = {0};
	char path[256], reason[256] = "";

	if (!find_path(server, path, sizeof path))
		return;
	if (!server->unix_socket.path[0] && unix_socket_make_directory(path, reason, sizeof reason))
		log_warning("after a restart locks will be granted at once: %s", reason);
	else if (marker_open(&restart->marker, path, &now, &before, reason, sizeof reason))
		log_warning("after a restart locks will be granted at once: %s", reason);
	if (before.is_damaged)
		log_warning(
			"%s is damaged: what it says that cannot be is not believed, and fencing "
			"tokens go by the clock alone",
			path);
	token_clock_raise(before.reserved);
	for (unsigned i = 0; i < server->namespace_count; i++)
		wait_in(&server->namespaces[i], &before);
	find_absent(server, &before);
	/* In this order: the rows of the storaged before count from the beat on, which is for
	 * longer than they have to, and then each of them says what is left of it. */
	beat(server, clock_now_ns(), token_clock_next() + RESERVE_NS);
	for (unsigned i = 0; i < server->namespace_count; i++)
		keep(server, &server->namespaces[i]);
}

void restart_session_begins(const struct session *session)
{
	struct restart_space *space = &session->space->restart;

	/* While there was no session the marker may have been left alone for hours. */
	if (session->begun_ns - session->server->restart.beat_ns >= BEAT_NS)
		beat(session->server, session->begun_ns, token_clock_next() + RESERVE_NS);
	space->keep_ns = larger(space->keep_ns, keep_of(session, session->begun_ns));
	keep(session->server, session->space);
}

void restart_session_over(struct server *server, struct name_space *space)
{
	if (!server->draining && space->session_count == 0)
		count_keep(server, space);
}

void restart_took_back(struct server *server, struct name_space *space)
{
	space->restart.had_holds |= server->draining;
}

void restart_drain(struct server *server)
{
	beat(server, clock_now_ns(), token_clock_next() + RESERVE_NS);
	for (unsigned i = 0; i < server->namespace_count; i++)
		count_keep(server, &server->namespaces[i]);
}

void restart_close(struct server *server)
{
	struct restart *restart = &server->restart;

	if (!restart->marker.page)
		return;
	beat(server, clock_now_ns(), token_clock_next());
	for (unsigned i = 0; i < server->namespace_count; i++) {
		struct name_space *space = &server->namespaces[i];

		if (space->session_count == 0 && !space->restart.had_holds)
			space->restart.keep_ns = 0;
		keep(server, space);
	}
	marker_close(&restart->marker);
}

/* ---- letting go ---- */

/* Returns whether all of the object's words could be reached. */
static bool let_go(struct server *server, struct name_space *space,
		   const struct store_object_stat *stat)
{
	struct store_reference reference = {.type = stat->type,
					    .generation = stat->generation,
					    .offset = stat->offset,
					    .length_bytes = stat->length_bytes};
	struct sweep_tally tally = {.again = space->restart.sweep_again};

	memcpy(reference.parameters, stat->parameters, sizeof reference.parameters);
	if (sweep_object(space->transport, &reference, OWNED_BY_STORAGED, false, &tally))
		futex_wake_object(&server->futexes, space, &reference);
	if (tally.failures)
		log_limited(LOG_LEVEL_ERROR, "%u words that storaged holds cannot be reached",
			    tally.failures);
	space->restart.sweep_again = tally.failures != 0;
	return tally.failures == 0;
}

/* They stay held until the device works again: nobody is given anything too early, and the marker
 * says that it is not over. Tried anew every SESSION_RETRY_NS, as sweeps of sessions are. */
static void sweep_later(struct restart_space *space)
{
	space->is_sweeping = false;
	space->until_ns = clock_now_ns() + SESSION_RETRY_NS;
}

static void finish_sweep(struct server *server, struct name_space *space)
{
	space->restart.is_sweeping = false;
	space->restart.until_ns = 0;
	keep(server, space);
	log_info("locks are granted in the namespace %s from now on", space->name);
}

/* Returns whether there are more in @space. */
static bool sweep_space(struct server *server, struct name_space *space, struct budget *budget)
{
	struct restart_space *restart = &space->restart;
	struct store_object_stat stat;

	while (restart->is_sweeping) {
		uint32_t next = restart->cursor;

		if (!store_next(space->store, &next, &stat)) {
			finish_sweep(server, space);
			break;
		}
		if (!budget_take(budget, 1 + (unsigned)sweep_count(stat.type, stat.parameters)))
			return true;
		/* The second time over a loopback queue pair that was connected anew. */
		if (let_go(server, space, &stat) || let_go(server, space, &stat))
			restart->cursor = next;
		else
			sweep_later(restart);
	}
	return false;
}

bool restart_sweep(struct server *server, struct budget *budget)
{
	for (unsigned i = 0; i < server->namespace_count; i++)
		if (sweep_space(server, &server->namespaces[i], budget))
			return true;
	return false;
}

/* Whether anybody may hold something that the next storaged is to know of. */
static bool keeps(const struct name_space *space)
{
	return space->restart.keep_ns || space->restart.until_ns;
}

void restart_turn(struct server *server, int64_t now_ns)
{
	struct restart *restart = &server->restart;
	bool is_due = restart->marker.page && now_ns - restart->beat_ns >= BEAT_NS;

	if (is_due)
		beat(server, now_ns, token_clock_next() + RESERVE_NS);
	for (unsigned i = 0; i < server->namespace_count; i++) {
		struct name_space *space = &server->namespaces[i];

		if (is_due && !server->draining && keeps(space))
			count_keep(server, space);
		if (!space->restart.until_ns || space->restart.is_sweeping ||
		    now_ns < space->restart.until_ns)
			continue;
		space->restart.is_sweeping = true;
		store_hold_new(space->store, 0);
	}
}

int64_t restart_due_ns(const struct server *server)
{
	int64_t due_ns = INT64_MAX;

	for (unsigned i = 0; i < server->namespace_count; i++) {
		const struct restart_space *space = &server->namespaces[i].restart;

		if (server->restart.marker.page && space->keep_ns &&
		    server->restart.beat_ns + BEAT_NS < due_ns)
			due_ns = server->restart.beat_ns + BEAT_NS;
		if (space->until_ns && !space->is_sweeping && space->until_ns < due_ns)
			due_ns = space->until_ns;
	}
	return due_ns;
}

int64_t restart_left_ns(const struct server *server)
{
	int64_t now_ns = clock_now_ns(), left_ns = 0;

	for (unsigned i = 0; i < server->namespace_count; i++)
		if (server->namespaces[i].restart.until_ns)
			left_ns = larger(left_ns, server->namespaces[i].restart.until_ns - now_ns);
	return left_ns;
}
