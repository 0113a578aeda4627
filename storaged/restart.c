/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/restart.h"
#include "storaged/log.h"
#include "storaged/server.h"
#include "lib/clock.h"
#include "lib/store/token_clock.h"
#include "lib/sweep.h"

#include <stdio.h>
#include <string.h>

#define BEAT_NS INT64_C(1000000000)
/* Of token origins beyond the clock: far more than passes between two beats. */
#define RESERVE_NS UINT64_C(60000000000)
#define NS_PER_MS  1000000

/* ---- the marker ---- */

/* The path of the marker: beside the unix socket, or named after the first address. Returns whether there is
 * a place that the next storaged finds. */
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

static void beat(struct server *server, int64_t now_ns, uint64_t reserved)
{
	struct marker_now now = marker_now(server->host);

	marker_beat(&server->restart.marker, &now, reserved);
	server->restart.beat_ns = now_ns;
}

/* Say in the marker for how long holders may go on, ours and those of the storaged before. */
static void keep(struct restart *restart)
{
	int64_t keep_ns = restart->keep_ns;

	if (restart->until_ns && keep_ns < restart->wait_ns)
		keep_ns = restart->wait_ns;
	marker_keep(&restart->marker, (uint64_t)keep_ns);
}

static void hold_new_locks(struct server *server, uint16_t owner)
{
	for (unsigned i = 0; i < server->namespace_count; i++)
		store_hold_new(server->namespaces[i].store, owner);
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
	token_clock_raise(before.reserved);
	if (before.wait_ns) {
		restart->wait_ns = before.wait_ns;
		restart->until_ns = clock_now_ns() + before.wait_ns;
		hold_new_locks(server, OWNED_BY_STORAGED);
		log_info("the storaged before had sessions %lld ms ago: locks are granted in "
			 "%lld ms, when those who held one must have noticed its end",
			 (long long)(before.ago_ns / NS_PER_MS),
			 (long long)(before.wait_ns / NS_PER_MS));
	}
	/* In this order: what is left of the wait counts from now on. If storaged is killed between the two, the next one
	 * waits for longer than it would have to. */
	beat(server, clock_now_ns(), token_clock_next() + RESERVE_NS);
	keep(restart);
}

void restart_session_begins(struct server *server, int64_t keep_ns)
{
	struct restart *restart = &server->restart;

	/* While there was no session the marker may have been left alone for hours. */
	if (restart->keep_ns == 0)
		beat(server, clock_now_ns(), token_clock_next() + RESERVE_NS);
	if (keep_ns > restart->keep_ns)
		restart->keep_ns = keep_ns;
	keep(restart);
}

void restart_session_over(struct server *server)
{
	if (server->draining || sessions_count(&server->sessions))
		return;
	server->restart.keep_ns = 0;
	keep(&server->restart);
}

void restart_took_back(struct server *server)
{
	server->restart.had_holds |= server->draining;
}

void restart_close(struct server *server)
{
	struct restart *restart = &server->restart;

	if (!restart->marker.page)
		return;
	if (sessions_count(&server->sessions) == 0 && !restart->had_holds)
		restart->keep_ns = 0;
	keep(restart);
	beat(server, clock_now_ns(), token_clock_next());
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
	struct sweep_tally tally = {.again = server->restart.sweep_again};

	memcpy(reference.parameters, stat->parameters, sizeof reference.parameters);
	if (sweep_object(space->transport, &reference, OWNED_BY_STORAGED, false, &tally))
		futex_wake_object(&server->futexes, space, &reference);
	if (tally.failures)
		log_limited(LOG_LEVEL_ERROR, "%u words that storaged holds cannot be reached",
			    tally.failures);
	server->restart.sweep_again = tally.failures != 0;
	return tally.failures == 0;
}

/* They stay held until the device works again. */
static void sweep_later(struct restart *restart)
{
	restart->is_sweeping = false;
	restart->until_ns = clock_now_ns() + SESSION_RETRY_NS;
}

static void finish_sweep(struct restart *restart)
{
	restart->is_sweeping = false;
	restart->until_ns = 0;
	keep(restart);
	log_info("locks are granted from now on");
}

bool restart_sweep(struct server *server, struct budget *budget)
{
	struct restart *restart = &server->restart;
	struct store_object_stat stat;

	while (restart->is_sweeping) {
		struct name_space *space = &server->namespaces[restart->space];
		uint32_t next = restart->cursor;

		if (store_next(space->store, &next, &stat)) {
			if (!budget_take(budget,
					 1 + (unsigned)sweep_count(stat.type, stat.parameters)))
				return true;
			/* The second time over a loopback queue pair that was connected anew. */
			if (let_go(server, space, &stat) || let_go(server, space, &stat))
				restart->cursor = next;
			else
				sweep_later(restart);
			continue;
		}
		restart->cursor = 0;
		if (++restart->space == server->namespace_count)
			finish_sweep(restart);
	}
	return false;
}

void restart_turn(struct server *server, int64_t now_ns)
{
	struct restart *restart = &server->restart;

	if (restart->marker.page && now_ns - restart->beat_ns >= BEAT_NS)
		beat(server, now_ns, token_clock_next() + RESERVE_NS);
	if (restart->until_ns && !restart->is_sweeping && now_ns >= restart->until_ns) {
		restart->is_sweeping = true;
		hold_new_locks(server, 0);
	}
}

int64_t restart_due_ns(const struct server *server)
{
	const struct restart *restart = &server->restart;
	int64_t due_ns = INT64_MAX;

	if (restart->marker.page && restart->keep_ns)
		due_ns = restart->beat_ns + BEAT_NS;
	if (restart->until_ns && !restart->is_sweeping && restart->until_ns < due_ns)
		due_ns = restart->until_ns;
	return due_ns;
}

int64_t restart_left_ns(const struct server *server)
{
	int64_t left_ns = server->restart.until_ns - clock_now_ns();

	return server->restart.until_ns && left_ns > 0 ? left_ns : 0;
}
