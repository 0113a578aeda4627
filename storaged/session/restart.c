/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/restart.h"
#include "storaged/log.h"
#include "lib/core/clock.h"
#include "lib/store/token_clock.h"
#include "lib/core/sweep.h"

#include <stdio.h>
#include <string.h>

_Static_assert(MARKER_SPACES >= 2 * SETTINGS_ITEMS_MAX &&
		       MARKER_NAME_BYTES > CONTROL_NAMESPACE_BYTES_MAX,
	       "the marker has room for every namespace, and as many that are not here");

#define BEAT_NS INT64_C(1000000000)
/* How many token origins are reserved beyond the clock: far more than pass between two beats. */
#define RESERVE_NS UINT64_C(60000000000)
#define NS_PER_MS  1000000

/* ---- the marker ---- */

void restart_init(struct restart *restart, const struct settings *settings,
		  const uint8_t boot_id[16], struct namespaces *namespaces, struct futexes *futexes)
{
	*restart = (struct restart){.settings = settings,
				    .boot_id = boot_id,
				    .namespaces = namespaces,
				    .futexes = futexes};
	for (unsigned i = 0; i < SETTINGS_ITEMS_MAX; i++)
		list_init(&restart->spaces[i].asking);
}

static struct restart_space *space_of(struct restart *restart, const struct name_space *space)
{
	return &restart->spaces[namespaces_place(restart->namespaces, space)];
}

/*
 * For how long the client of a live session may go on after the last beat. It gives up within the
 * TTL of when it last heard of storaged, which it may until the next beat. (The next beat may be
 * late by a turn of the loop, a few ms, which is less than the quarter of the TTL by which clients
 * are early.) When storaged ends, its clients are told after a beat.
 */
static int64_t live_ns(const struct restart *restart)
{
	return (int64_t)restart->settings->ttl_ns + (restart->is_draining ? 0 : BEAT_NS);
}

static int64_t larger(int64_t one, int64_t other)
{
	return one > other ? one : other;
}

/* For how long the session of @linger may go on. A live session may until its client must have
 * noticed, and then for its linger; a session that is over may for the rest of its linger. */
static int64_t keep_of(const struct restart *restart, const struct restart_linger *linger,
		       int64_t now_ns)
{
	if (linger->is_live)
		return live_ns(restart) + linger->ns;
	return linger->at_ns > now_ns ? linger->at_ns - now_ns : 0;
}

/* Write into the marker for how long holders in the namespace at @place may go on, both ours and
 * those of the storaged before. */
static void keep(struct restart *restart, unsigned place)
{
	const struct restart_space *space = &restart->spaces[place];
	int64_t keep_ns = space->keep_ns;

	/* The marker counts from when storaged lived last. */
	if (space->until_ns)
		keep_ns = larger(keep_ns, space->until_ns - restart->beat_ns);
	marker_keep(&restart->marker, restart->namespaces->table[place].name, (uint64_t)keep_ns);
}

/* Look at existing sessions only. */
static void count_keep(struct restart *restart, unsigned place)
{
	struct restart_space *space = &restart->spaces[place];

	space->keep_ns = space->live_count ? live_ns(restart) : 0;
	for (struct list *link = space->asking.next; link != &space->asking; link = link->next)
		space->keep_ns =
			larger(space->keep_ns,
			       keep_of(restart, container_of(link, struct restart_linger, asking),
				       restart->beat_ns));
	keep(restart, place);
}

/* Namespaces that are missing now may be there again after the next start: what is left of their
 * wait is passed on. */
static void keep_absent(struct restart *restart)
{
	for (unsigned i = 0; i < MARKER_SPACES && *restart->absent[i].name; i++) {
		const struct restart_absent *absent = &restart->absent[i];

		marker_keep(&restart->marker, absent->name,
			    (uint64_t)larger(absent->until_ns - restart->beat_ns, 0));
	}
}

static void beat(struct restart *restart, int64_t now_ns, uint64_t reserved)
{
	struct marker_now now = marker_now(restart->boot_id);

	marker_beat(&restart->marker, &now, reserved);
	restart->beat_ns = now_ns;
	keep_absent(restart);
}

static bool is_absent(const struct restart *restart, const char *name)
{
	for (unsigned i = 0; i < MARKER_SPACES; i++)
		if (!strcmp(restart->absent[i].name, name))
			return true;
	return false;
}

/* Remember the namespaces of the storaged before that are missing now. The rows of the others
 * become free before the first beat, from which they would count again. */
static void find_absent(struct restart *restart, const struct marker_before *before)
{
	unsigned count = 0, count_max = MARKER_SPACES - restart->namespaces->count;
	int64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < MARKER_SPACES; i++) {
		const char *name = before->spaces[i].name;
		int64_t wait_ns = marker_wait_ns(before, name);
		struct restart_absent *absent = &restart->absent[count];

		if (!*name || namespaces_find(restart->namespaces, name) ||
		    is_absent(restart, name))
			continue;
		if (wait_ns && count < count_max) {
			memcpy(absent->name, name, sizeof absent->name);
			absent->until_ns = now_ns + wait_ns;
			count++;
			continue;
		}
		marker_keep(&restart->marker, name, 0);
		if (wait_ns)
			log_warning("sessions of the namespace %s are forgotten: there were too "
				    "many namespaces in the last starts",
				    name);
	}
}

/* Wait for the sessions that the storaged before had in @space. */
static void wait_in(struct restart *restart, const struct name_space *space,
		    const struct marker_before *before)
{
	int64_t wait_ns = marker_wait_ns(before, space->name);

	if (!wait_ns)
		return;
	space_of(restart, space)->until_ns = clock_now_ns() + wait_ns;
	store_hold_new(space->store, OWNED_BY_STORAGED);
	log_info("the storaged before had sessions in the namespace %s %lld ms ago: locks are "
		 "granted there in %lld ms, when their holders must have noticed its end",
		 space->name, (long long)(before->ago_ns / NS_PER_MS),
		 (long long)(wait_ns / NS_PER_MS));
}

void restart_open(struct restart *restart, const char *path)
{
	struct marker_now now = marker_now(restart->boot_id);
	struct marker_before before = {0};
	char reason[256] = "";

	if (marker_open(&restart->marker, path, &now, &before, reason, sizeof reason))
		log_warning("after a restart locks will be granted at once: %s", reason);
	if (before.is_damaged)
		log_warning(
			"%s is damaged: what it says that cannot be is not believed, and fencing "
			"tokens go by the clock alone",
			path);
	token_clock_raise(before.reserved);
	for (unsigned i = 0; i < restart->namespaces->count; i++)
		wait_in(restart, &restart->namespaces->table[i], &before);
	find_absent(restart, &before);
	/* In this order: the rows of the storaged before count from the beat on, which is longer
	 * than they have to, and then each of them is set to what is left. */
	beat(restart, clock_now_ns(), token_clock_next() + RESERVE_NS);
	for (unsigned i = 0; i < restart->namespaces->count; i++)
		keep(restart, i);
}

void restart_session_begins(struct restart *restart, const struct name_space *space,
			    struct restart_linger *linger, int64_t linger_ns, int64_t now_ns)
{
	struct restart_space *own = space_of(restart, space);

	*linger = (struct restart_linger){.is_live = true, .ns = linger_ns};
	list_init(&linger->asking);
	if (linger_ns)
		list_append(&own->asking, &linger->asking);
	own->session_count++;
	own->live_count++;
	/* While there was no session the marker may have been left alone for hours. */
	if (now_ns - restart->beat_ns >= BEAT_NS)
		beat(restart, now_ns, token_clock_next() + RESERVE_NS);
	own->keep_ns = larger(own->keep_ns, keep_of(restart, linger, now_ns));
	keep(restart, namespaces_place(restart->namespaces, space));
}

void restart_session_ends(struct restart *restart, const struct name_space *space,
			  struct restart_linger *linger)
{
	space_of(restart, space)->live_count--;
	linger->is_live = false;
}

void restart_session_over(struct restart *restart, const struct name_space *space,
			  struct restart_linger *linger)
{
	list_remove(&linger->asking);
	if (--space_of(restart, space)->session_count == 0 && !restart->is_draining)
		count_keep(restart, namespaces_place(restart->namespaces, space));
}

void restart_took_back(struct restart *restart, const struct name_space *space)
{
	space_of(restart, space)->had_holds |= restart->is_draining;
}

void restart_drain(struct restart *restart)
{
	restart->is_draining = true;
	beat(restart, clock_now_ns(), token_clock_next() + RESERVE_NS);
	for (unsigned i = 0; i < restart->namespaces->count; i++)
		count_keep(restart, i);
}

void restart_close(struct restart *restart)
{
	if (!restart->marker.page)
		return;
	beat(restart, clock_now_ns(), token_clock_next());
	for (unsigned i = 0; i < restart->namespaces->count; i++) {
		struct restart_space *space = &restart->spaces[i];

		if (space->session_count == 0 && !space->had_holds)
			space->keep_ns = 0;
		keep(restart, i);
	}
	marker_close(&restart->marker);
}

/* ---- letting go ---- */

/* Returns whether all of the object's words could be reached. */
static bool let_go(struct restart *restart, const struct name_space *space,
		   const struct store_object_stat *stat)
{
	struct restart_space *own = space_of(restart, space);
	struct store_reference reference = {.type = stat->type,
					    .generation = stat->generation,
					    .offset = stat->offset,
					    .length_bytes = stat->length_bytes};
	struct sweep_tally tally = {.again = own->sweep_again};

	memcpy(reference.parameters, stat->parameters, sizeof reference.parameters);
	if (sweep_object(space->transport, &reference, OWNED_BY_STORAGED, false, &tally))
		futex_wake_object(restart->futexes, space, &reference);
	if (tally.failures) {
		char breakage[REASON_BYTES];

		namespace_last_breakage(breakage);
		log_limited(LOG_LEVEL_ERROR, "%u words that storaged holds cannot be reached: %s",
			    tally.failures, breakage);
	}
	own->sweep_again = tally.failures != 0;
	return tally.failures == 0;
}

/* The locks stay held until the device works again: nothing is granted too early, and the marker
 * says that the wait is not over. It is tried again every SWEEP_RETRY_NS, as sweeps of sessions
 * are. */
static void sweep_later(struct restart_space *space)
{
	space->is_sweeping = false;
	space->until_ns = clock_now_ns() + SWEEP_RETRY_NS;
}

static void finish_sweep(struct restart *restart, unsigned place)
{
	restart->spaces[place].is_sweeping = false;
	restart->spaces[place].until_ns = 0;
	keep(restart, place);
	log_info("locks are granted in the namespace %s from now on",
		 restart->namespaces->table[place].name);
}

/* Returns whether there are more in the namespace at @place. */
static bool sweep_space(struct restart *restart, unsigned place, struct budget *budget)
{
	const struct name_space *space = &restart->namespaces->table[place];
	struct restart_space *own = &restart->spaces[place];
	struct store_object_stat stat;

	while (own->is_sweeping) {
		uint32_t next = own->cursor;

		if (!store_next(space->store, &next, &stat)) {
			finish_sweep(restart, place);
			break;
		}
		if (!budget_take(budget, 1 + (unsigned)sweep_count(stat.type, stat.parameters)))
			return true;
		/* The second try goes over a loopback queue pair that was connected anew. */
		if (let_go(restart, space, &stat) || let_go(restart, space, &stat))
			own->cursor = next;
		else
			sweep_later(own);
	}
	return false;
}

bool restart_sweep(struct restart *restart, struct budget *budget)
{
	for (unsigned i = 0; i < restart->namespaces->count; i++)
		if (sweep_space(restart, i, budget))
			return true;
	return false;
}

/* Whether a session may hold something that the next storaged has to know of. */
static bool keeps(const struct restart_space *space)
{
	return space->keep_ns || space->until_ns;
}

void restart_turn(struct restart *restart, int64_t now_ns)
{
	bool is_due = restart->marker.page && now_ns - restart->beat_ns >= BEAT_NS;

	if (is_due)
		beat(restart, now_ns, token_clock_next() + RESERVE_NS);
	for (unsigned i = 0; i < restart->namespaces->count; i++) {
		struct restart_space *space = &restart->spaces[i];

		if (is_due && !restart->is_draining && keeps(space))
			count_keep(restart, i);
		if (!space->until_ns || space->is_sweeping || now_ns < space->until_ns)
			continue;
		space->is_sweeping = true;
		store_hold_new(restart->namespaces->table[i].store, 0);
	}
}

int64_t restart_due_ns(const struct restart *restart)
{
	int64_t due_ns = INT64_MAX;

	for (unsigned i = 0; i < restart->namespaces->count; i++) {
		const struct restart_space *space = &restart->spaces[i];

		if (restart->marker.page && space->keep_ns && restart->beat_ns + BEAT_NS < due_ns)
			due_ns = restart->beat_ns + BEAT_NS;
		if (space->until_ns && !space->is_sweeping && space->until_ns < due_ns)
			due_ns = space->until_ns;
	}
	return due_ns;
}

int64_t restart_left_ns(const struct restart *restart)
{
	int64_t now_ns = clock_now_ns(), left_ns = 0;

	for (unsigned i = 0; i < restart->namespaces->count; i++)
		if (restart->spaces[i].until_ns)
			left_ns = larger(left_ns, restart->spaces[i].until_ns - now_ns);
	return left_ns;
}

bool restart_waits_in(const struct restart *restart, const struct name_space *space)
{
	return restart->spaces[namespaces_place(restart->namespaces, space)].until_ns != 0;
}
