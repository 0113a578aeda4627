/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/server.h"
#include "storaged/log.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <stdio.h>

/* For telling the clients and for the workers to finish. Processes that have mapped the arena are
 * not waited for: their mappings outlive storaged without harm. */
#define DRAIN_NS INT64_C(2000000000)
/* For a client to close its connection after it was told that storaged shuts down. */
#define DRAIN_CLOSING_NS INT64_C(100000000)
/* Pieces of work between two looks at the clock, and what they cost. */
#define CLEAN_BYTES  (256 << 10)
#define CLEAN_STEPS  32
#define TELL_HANDLES 64
#define EXPIRE_STEPS 16

#define SIZE_TEXT_BYTES 32

/* "256MiB", "1.5GiB" */
static const char *size_text(uint64_t bytes, char text[static SIZE_TEXT_BYTES])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
		value /= 1024;
	snprintf(text, SIZE_TEXT_BYTES, "%.4g%s", value, units[unit]);
	return text;
}

void server_ready_line(const struct server *server, char *line, size_t line_bytes)
{
	static const char *const names[TRANSPORT_COUNT] = {TRANSPORT_NAMES_BY_BIT};
	const struct name_space *space = &server->namespaces.table[0];
	uint8_t transports = context_transports(&server->context, space);
	char urls[LISTENERS_MAX * 130] = "", list[32] = "", memory[SIZE_TEXT_BYTES], wait[32] = "";
	int64_t left_ns = restart_left_ns(&server->restart);

	for (unsigned i = 0; i < server->listeners.count; i++) {
		strncat(urls, i ? " " : "", sizeof urls - strlen(urls) - 1);
		strncat(urls, server->listeners.table[i].url, sizeof urls - strlen(urls) - 1);
	}
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		if (!(transports & 1 << i))
			continue;
		strcat(list, list[0] ? "," : "");
		strcat(list, names[i]);
	}
	if (left_ns)
		snprintf(wait, sizeof wait, " locks-in=%.1fs", (double)left_ns / 1e9);
	snprintf(line, line_bytes,
		 "storaged %s ready: %s domain=%s transports=%s io=%s memory=%s%s\n", DSO_VERSION,
		 urls, space->domain == CONTROL_DOMAIN_DEVICE ? "device" : "cpu", list,
		 server->data_connections.workers[0].engine_name,
		 size_text(store_region_bytes(space->store), memory), wait);
}

/* ---- time ---- */

/* Before @timers are looked at: time in which storaged's thread waited for a processor is no part
 * of a peer's silence. */
static void excuse(struct server *server, struct peer_timers *timers, int64_t now_ns)
{
	if (peer_timers_due_ns(timers) <= now_ns)
		starvation_look(&server->starvation);
	timers->starved_ns = server->starvation.waited_ns;
}

/* Milliseconds until something is due, -1 for never. */
static int next_due_ms(const struct server *server, int64_t until_ns)
{
	const struct deadlines *all[] = {&server->acceptor.pauses, &server->mappings.looks,
					 &server->sessions.lingering, &server->sessions.retries};
	const int64_t times_ns[] = {restart_due_ns(&server->restart),
				    controls_due_ns(&server->controls),
				    peer_timers_due_ns(&server->sessions.timers)};
	int64_t due_ns = until_ns;

	if (!list_empty(&server->sessions.sweeping))
		return 0;
	for (unsigned i = 0; i < sizeof times_ns / sizeof *times_ns; i++)
		due_ns = times_ns[i] < due_ns ? times_ns[i] : due_ns;
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		const struct deadline *first = deadline_first(all[i]);

		if (first && first->at_ns < due_ns)
			due_ns = first->at_ns;
	}
	return due_ns == INT64_MAX ? -1 : clock_poll_ms(due_ns);
}

/* ---- turns of the loop ---- */

static bool resume_controls(struct server *server, struct budget *budget)
{
	return controls_resume(&server->controls, budget);
}

/* Let the namespaces do pieces of work in turn, beginning with another one in every turn of the
 * loop, as long as one has some. Returns whether one still has. */
static bool in_turns(struct server *server, struct budget *budget, unsigned steps,
		     bool (*is_due)(const struct store *store), void (*piece)(struct store *store))
{
	bool any;

	do {
		any = false;
		for (unsigned i = 0; i < server->namespaces.count; i++) {
			unsigned space = (server->turns + i) % server->namespaces.count;
			struct store *store = server->namespaces.table[space].store;

			if (!is_due(store))
				continue;
			if (!budget_take(budget, steps))
				return true;
			piece(store);
			any = true;
		}
	} while (any);
	return false;
}

static void tell_piece(struct store *store)
{
	store_tell(store, TELL_HANDLES);
}

static bool tell_deletions(struct server *server, struct budget *budget)
{
	bool more = in_turns(server, budget, TELL_HANDLES, store_is_telling, tell_piece);

	controls_flush(&server->controls);
	return more;
}

static bool expire_sessions(struct server *server, struct budget *budget)
{
	struct peer_timers *timers = &server->sessions.timers;
	int64_t now_ns = clock_now_ns();
	struct peer_timer *timer;

	excuse(server, timers, now_ns);
	while ((timer = peer_timers_over(timers, now_ns))) {
		struct session *session = container_of(timer, struct session, timer);

		if (!budget_take(budget, EXPIRE_STEPS))
			return true;
		session_fence(session, END_silent);
	}
	return false;
}

static bool destroy_peers(struct server *server, struct budget *budget)
{
	return device_peers_destroy(&server->device_peers, budget);
}

static bool sweep(struct server *server, struct budget *budget)
{
	return sessions_sweep(&server->sessions, budget);
}

static bool sweep_after_restart(struct server *server, struct budget *budget)
{
	return restart_sweep(&server->restart, budget);
}

static bool drop_controls(struct server *server, struct budget *budget)
{
	return controls_drop(&server->controls, budget);
}

static void clean_piece(struct store *store)
{
	store_clean(store, CLEAN_BYTES);
}

static bool clean_namespaces(struct server *server, struct budget *budget)
{
	return in_turns(server, budget, CLEAN_STEPS, store_is_dirty, clean_piece);
}

/* Work that may be much, in every turn as far as its budget goes. Each kind of work has a budget of
 * its own, so that none waits for another to be through. Each returns whether there is more. */
static bool (*const works[])(struct server *server, struct budget *budget) = {
	resume_controls, tell_deletions,      expire_sessions, destroy_peers,
	sweep,           sweep_after_restart, drop_controls,   clean_namespaces,
};

static bool work(struct server *server)
{
	bool more = false;

	for (unsigned i = 0; i < sizeof works / sizeof *works; i++) {
		struct budget budget = budget_begin();

		more |= works[i](server, &budget);
	}
	return more;
}

static int turn(struct server *server, int64_t until_ns)
{
	int r = loop_turn(&server->loop, server->busy ? 0 : next_due_ms(server, until_ns));
	int64_t now_ns = clock_now_ns();

	if (r)
		return r;
	server->turns++;
	starvation_turn(&server->starvation, now_ns);
	excuse(server, &server->controls.hellos, now_ns);
	controls_expire(&server->controls, now_ns);
	accept_turn(&server->acceptor, now_ns);
	mappings_turn(&server->mappings, now_ns);
	sessions_expire_lingers(&server->sessions, now_ns);
	sessions_retry_sweeps(&server->sessions, now_ns);
	restart_turn(&server->restart, now_ns);
	holds_look(&server->holds, now_ns);
	server->busy = work(server);
	return 0;
}

/* Take nothing new, end every session with a word to its client, and wait until the clients were
 * told and the workers have finished. */
static int drain(struct server *server)
{
	int64_t until_ns = clock_now_ns() + DRAIN_NS;
	int r = 0;

	server->context.is_draining = true;
	restart_drain(&server->restart);
	log_info("draining: %u sessions", server->sessions.live_count);
	accept_stop(&server->acceptor);
	controls_drain(&server->controls, DRAIN_CLOSING_NS);
	while (r == 0 && clock_now_ns() < until_ns &&
	       (!list_empty(&server->controls.all) || sessions_are_closing(&server->sessions) ||
		!list_empty(&server->sessions.sweeping)))
		r = turn(server, until_ns);
	return r;
}

int server_run(struct server *server)
{
	int r = 0;

	starvation_open(&server->starvation);
	while (r == 0 && server->signal_count == 0)
		r = turn(server, INT64_MAX);
	r = r ? r : drain(server);
	starvation_close(&server->starvation);
	return r;
}
