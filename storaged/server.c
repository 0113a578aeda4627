/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/server.h"
#include "storaged/control/accept.h"
#include "storaged/control/control.h"
#include "storaged/log.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <stdio.h>

/* For the clients to be told and the workers to finish; processes that have mapped the arena are
 * not waited for, their mappings outlive storaged harmlessly. */
#define DRAIN_NS INT64_C(2000000000)
/* For a client to close a connection on which it was told that storaged shuts down. */
#define DRAIN_CLOSING_NS INT64_C(100000000)
/* Pieces of work between two looks at the clock, and what they cost. */
#define CLEAN_BYTES  (256 << 10)
#define CLEAN_STEPS  32
#define TELL_HANDLES 64
#define EXPIRE_STEPS 16
#define DROP_STEPS   16

uint64_t server_operations(const struct server *server)
{
	uint64_t operations = 0;

	for (unsigned i = 0; i < server->worker_count; i++)
		operations +=
			atomic_load_explicit(&server->workers[i].operations, memory_order_relaxed);
	return operations;
}

static uint64_t roce_figure(const struct roce_worker *worker, size_t offset)
{
	return atomic_load_explicit(&worker->figures[offset / sizeof(uint64_t)],
				    memory_order_relaxed);
}

uint64_t server_protocol_errors(const struct server *server)
{
	uint64_t errors = server->protocol_errors;

	/* Each of these ends its queue pair. */
	for (unsigned i = 0; i < server->roce_worker_count; i++)
		errors += roce_figure(&server->roce_workers[i],
				      offsetof(struct roce_counters, naks_request)) +
			  roce_figure(&server->roce_workers[i],
				      offsetof(struct roce_counters, naks_access));
	return errors;
}

bool server_has_room(const struct server *server, unsigned files)
{
	uint64_t taken = server->connection_count + (MAPPING_FILES - 1) * server->mapping_count;

	return server->connection_count < server->connections_max &&
	       taken + files <= server->files_max;
}

struct name_space *server_namespace(struct server *server, const char *name)
{
	for (unsigned i = 0; i < server->namespace_count; i++)
		if (!strcmp(server->namespaces[i].name, name))
			return &server->namespaces[i];
	return NULL;
}

uint8_t server_transports(const struct server *server, const struct name_space *space)
{
	unsigned possible = CONTROL_TCP;

	if (space->domain == CONTROL_DOMAIN_CPU && server->unix_socket.path[0])
		possible |= CONTROL_SHM;
	if (space->domain == CONTROL_DOMAIN_DEVICE && server->verbs_listener)
		possible |= CONTROL_VERBS;
	if (space->domain == CONTROL_DOMAIN_DEVICE || server->roce_port_count)
		possible |= CONTROL_ROCE;
	return (uint8_t)(possible & server->settings->transports);
}

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
	static const char *const names[] = {TRANSPORT_NAMES};
	const struct name_space *space = &server->namespaces[0];
	uint8_t transports = server_transports(server, space);
	char urls[LISTENERS_MAX * 130] = "", list[32] = "", memory[SIZE_TEXT_BYTES], wait[32] = "";
	int64_t left_ns = restart_left_ns(server);

	for (unsigned i = 0; i < server->listener_count; i++) {
		strncat(urls, i ? " " : "", sizeof urls - strlen(urls) - 1);
		strncat(urls, server->listeners[i].url, sizeof urls - strlen(urls) - 1);
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
		 server->workers[0].engine_name,
		 size_text(store_region_bytes(space->store), memory), wait);
}

/* ---- time ---- */

/* Before @timers are looked at: what storaged's thread waited for a processor until now is no part
 * of a peer's silence. */
static void excuse(struct server *server, struct peer_timers *timers, int64_t now_ns)
{
	if (peer_timers_due_ns(timers) <= now_ns)
		starvation_look(&server->starvation);
	timers->starved_ns = server->starvation.waited_ns;
}

static void expire_hellos(struct server *server, int64_t now_ns)
{
	struct peer_timer *timer;

	excuse(server, &server->hellos, now_ns);
	while ((timer = peer_timers_over(&server->hellos, now_ns))) {
		peer_timer_end(&server->hellos, timer);
		control_doom(container_of(timer, struct control, hello),
			     "it did not say HELLO in time");
	}
}

static void expire_closings(struct server *server, int64_t now_ns)
{
	struct deadline *deadline;

	while ((deadline = deadline_first(&server->closings)) && deadline->at_ns <= now_ns) {
		list_remove(&deadline->link);
		control_doom(container_of(deadline, struct control, deadline), NULL);
	}
}

static void expire_pauses(struct server *server, int64_t now_ns)
{
	struct deadline *deadline;

	while ((deadline = deadline_first(&server->pauses)) && deadline->at_ns <= now_ns)
		accept_resume(server, deadline);
}

/* Milliseconds until something is due, -1 for never. */
static int next_due_ms(const struct server *server, int64_t until_ns)
{
	const struct deadlines *all[] = {&server->closings, &server->pauses, &server->mapping_looks,
					 &server->sessions.lingering, &server->sessions.retries};
	const int64_t times_ns[] = {restart_due_ns(server), peer_timers_due_ns(&server->hellos),
				    peer_timers_due_ns(&server->sessions.timers)};
	int64_t due_ns = until_ns;

	if (!list_empty(&server->ready) || !list_empty(&server->sessions.sweeping) ||
	    !list_empty(&server->doomed))
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

/* Connections that have a turn each; one that has more to do puts itself at the end. */
static bool resume_ready(struct server *server, struct budget *budget)
{
	struct list turn;

	list_init(&turn);
	list_splice(&turn, &server->ready);
	while (!list_empty(&turn)) {
		struct control *control = container_of(turn.next, struct control, ready);

		if (!budget_take(budget, control_steps(control)))
			break;
		control_resume(control);
	}
	/* Before those that put themselves there meanwhile. */
	list_splice(&turn, &server->ready);
	list_splice(&server->ready, &turn);
	return !list_empty(&server->ready);
}

/* Have each namespace do a piece of work in turn, another one first in every turn of the loop, as
 * long as one has some. Returns whether one still has. */
static bool in_turns(struct server *server, struct budget *budget, unsigned steps,
		     bool (*is_due)(const struct store *store), void (*piece)(struct store *store))
{
	bool any;

	do {
		any = false;
		for (unsigned i = 0; i < server->namespace_count; i++) {
			unsigned space = (server->turns + i) % server->namespace_count;
			struct store *store = server->namespaces[space].store;

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

	while (!list_empty(&server->unflushed))
		control_flush(container_of(server->unflushed.next, struct control, unflushed));
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

static bool drop_doomed(struct server *server, struct budget *budget)
{
	while (!list_empty(&server->doomed) && budget_take(budget, DROP_STEPS))
		control_close(container_of(server->doomed.next, struct control, doomed));
	return !list_empty(&server->doomed);
}

static void clean_piece(struct store *store)
{
	store_clean(store, CLEAN_BYTES);
}

static bool clean_namespaces(struct server *server, struct budget *budget)
{
	return in_turns(server, budget, CLEAN_STEPS, store_is_dirty, clean_piece);
}

/* What may be much, in every turn as far as its budget goes: each kind has one of its own, so that
 * none waits for another to be through. Each returns whether there is more. */
static bool (*const works[])(struct server *server, struct budget *budget) = {
	resume_ready, tell_deletions, expire_sessions, destroy_peers,
	sweep,        restart_sweep,  drop_doomed,     clean_namespaces,
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
	expire_hellos(server, now_ns);
	expire_closings(server, now_ns);
	expire_pauses(server, now_ns);
	mappings_expire_looks(server, now_ns);
	sessions_expire_lingers(&server->sessions, now_ns);
	sessions_retry_sweeps(&server->sessions, now_ns);
	restart_turn(server, now_ns);
	holds_look(server, now_ns);
	server->busy = work(server);
	return 0;
}

/* Take nothing new, end every session with a word to its client, and wait until both are done. */
static int drain(struct server *server)
{
	int64_t until_ns = clock_now_ns() + DRAIN_NS;
	struct list *link;
	int r = 0;

	server->draining = true;
	restart_drain(server);
	log_info("draining: %u sessions", server->sessions.live_count);
	accept_stop(server);
	server->closings.duration_ns = DRAIN_CLOSING_NS;
	for (link = server->controls.next; link != &server->controls; link = link->next) {
		struct control *control = container_of(link, struct control, link);

		if (control->session)
			session_fence(control->session, END_drained);
		else
			control_doom(control, NULL);
	}
	while (r == 0 && clock_now_ns() < until_ns &&
	       (!list_empty(&server->controls) || sessions_are_closing(&server->sessions) ||
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
