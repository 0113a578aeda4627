/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/lock.h"
#include "perf/clock.h"
#include "perf/hand_over.h"
#include "perf/rows.h"

#include <stdio.h>
#include <stdlib.h>

#define ALONE_NS     (50 * DSO_MILLISECOND)
#define CONTENDED_NS (200 * DSO_MILLISECOND)
#define BATCH_NS     5000 /* how long a timed batch lasts: reading the clock costs about 25 ns */
#define HAND_OVERS   25   /* of each way, in a round */
/* at most this long, and at most half of the time for which the waiter spins */
#define SPINNING_NS 50000

/* A row of the report. */
enum lock_row {
	LOCK_FAA,              /* fetch-and-add of a word that no other session touches */
	LOCK_PAIR,             /* lock and unlock, likewise */
	LOCK_PING,             /* round trips of the control connection, one after the other */
	LOCK_PING_COLD,        /* one after a pause, in which all threads have gone to sleep */
	LOCK_FAA_AWAY,         /* fetch-and-add of a word that another session has just changed */
	LOCK_SPINNING,         /* from the unlock to the return of a spinning waiter's lock */
	LOCK_PARKED,           /* likewise, of a parked waiter */
	LOCK_CONTENDED,        /* lock and unlock by 2 sessions, both calls */
	LOCK_CONTENDED_BY_ALL, /* likewise by all of --sessions */
	LOCK_ROWS
};

static const struct row rows[] = {
	[LOCK_FAA] = {"faa", "faa", LOCK_FAA, 1},
	[LOCK_PAIR] = {"lock", "lock and unlock", LOCK_FAA, 1},
	[LOCK_PING] = {"ping", "control round trip", LOCK_PING, 1},
	[LOCK_PING_COLD] = {"ping-cold", "control round trip after a pause", LOCK_PING_COLD, 1},
	[LOCK_FAA_AWAY] = {"faa-away", "faa after another's", LOCK_FAA_AWAY, 2},
	[LOCK_SPINNING] = {"hand-over-spinning", "hand-over, spinning", LOCK_FAA_AWAY, 2},
	[LOCK_PARKED] = {"hand-over-parked", "hand-over, parked", LOCK_PING_COLD, 2},
	[LOCK_CONTENDED] = {"lock-contended", "lock and unlock, 2", LOCK_CONTENDED, 2},
	[LOCK_CONTENDED_BY_ALL] = {"lock-contended", "lock and unlock, all", LOCK_CONTENDED, 0},
};

/* Several sessions that contend for the mutex for a while. */
struct contest {
	int64_t until_ns;
	_Atomic uint64_t inside; /* counted by load and store, under the mutex */
};

/* One of them. */
struct contender {
	pthread_t thread;
	struct lane *lane;
	struct contest *contest;
	struct histogram latencies;
	uint64_t pairs, in_time;
};

/* ---- alone ---- */

static int faa(struct lane *lane, unsigned count)
{
	int r = 0;

	while (count-- && r == 0)
		r = dso_memory_fetch_add(lane->worker.memory, OWN_WORD, 1, NULL);
	return r;
}

static int pair(struct lane *lane, unsigned count)
{
	int r = 0;

	while (count-- && r == 0) {
		r = dso_mutex_lock(lane->mutex, HANG_TIMEOUT, NULL);
		if (r == 0)
			r = dso_mutex_unlock(lane->mutex);
	}
	return r;
}

static int ping(struct lane *lane, unsigned count)
{
	int r = 0;

	while (count-- && r == 0)
		r = dso_ping(lane->worker.session, NULL);
	return r;
}

/* Time @operate for ALONE_NS, after a warm-up that finds how many operations make a sample. */
static int alone(struct lane *lane, int (*operate)(struct lane *lane, unsigned count),
		 struct histogram *latencies)
{
	int64_t begin_ns = clock_ns(), end_ns, now_ns;
	unsigned batch = 16;
	int r = operate(lane, batch);

	now_ns = clock_ns();
	end_ns = now_ns + ALONE_NS;
	batch = (unsigned)(BATCH_NS * 16 / (now_ns - begin_ns + 1)) + 1;
	while (r == 0 && now_ns < end_ns && !stopped()) {
		begin_ns = now_ns;
		r = operate(lane, batch);
		now_ns = clock_ns();
		histogram_add(latencies, (uint64_t)(now_ns - begin_ns) * 1000 / batch);
	}
	return r ? worker_fail(&lane->worker, r) : 0;
}

/* ---- handed over ---- */

/* Begin as after a hand-over to a parked waiter: all threads have been asleep. */
static int ping_once(struct lane *lane, struct histogram *latencies)
{
	int64_t begin_ns;
	int r;

	pause_for(PARKED_NS);
	begin_ns = clock_ns();
	r = dso_ping(lane->worker.session, NULL);
	histogram_add(latencies, (uint64_t)(clock_ns() - begin_ns) * 1000);
	return r ? worker_fail(&lane->worker, r) : 0;
}

/* How long to hold the mutex, so that the other session surely waits, and still spins. */
static int64_t spinning_ns(const struct figures *figures)
{
	int64_t ns = (int64_t)histogram_percentile(&figures->latencies[LOCK_PING], 50) / 2000;

	return ns < SPINNING_NS ? ns : SPINNING_NS;
}

static int hand_overs(struct hand_over *hand_over, bool spins, struct figures *figures)
{
	struct histogram *of = figures->latencies;
	int64_t spin_ns = spinning_ns(figures);
	cpu_set_t allowed;
	int r = 0;

	hand_over_pin(hand_over, &allowed);
	for (unsigned i = 0; r == 0 && i < HAND_OVERS && !stopped(); i++) {
		if (spins)
			r = hand_over_once(hand_over, spin_ns, &of[LOCK_SPINNING],
					   &of[LOCK_FAA_AWAY]);
		if (r == 0)
			r = hand_over_once(hand_over, PARKED_NS, &of[LOCK_PARKED],
					   &of[LOCK_FAA_AWAY]);
		if (r == 0)
			r = ping_once(hand_over->holder, &of[LOCK_PING_COLD]);
	}
	hand_over_unpin(&allowed);
	return r;
}

/* ---- contended ---- */

static int contend(struct contender *contender)
{
	struct contest *contest = contender->contest;
	struct dso_mutex *mutex = contender->lane->mutex;
	int64_t now_ns = clock_ns();

	while (now_ns < contest->until_ns && !stopped()) {
		int64_t begin_ns = now_ns;
		uint64_t inside;
		int r = dso_mutex_lock(mutex, HANG_TIMEOUT, NULL);

		if (r)
			return r;
		inside = atomic_load_explicit(&contest->inside, memory_order_relaxed);
		atomic_store_explicit(&contest->inside, inside + 1, memory_order_relaxed);
		r = dso_mutex_unlock(mutex);
		if (r)
			return r;
		now_ns = clock_ns();
		contender->pairs++;
		contender->in_time += now_ns < contest->until_ns;
		histogram_add(&contender->latencies, (uint64_t)(now_ns - begin_ns) * 1000);
	}
	return 0;
}

static void *contender_main(void *argument)
{
	struct contender *contender = argument;
	struct lane *lane = contender->lane;

	lane->error = contend(contender);
	if (lane->error)
		worker_fail(&lane->worker, lane->error);
	return NULL;
}

/* @count of @lanes contend for the mutex for a while. The first error is the first lane's. */
static int contest(struct lane *lanes, unsigned count, struct figures *figures, enum lock_row row)
{
	struct contest contest = {.until_ns = clock_ns() + CONTENDED_NS};
	struct contender *contenders = calloc(count, sizeof *contenders);
	struct lane *first = &lanes[0];
	uint64_t pairs = 0;
	int r = contenders ? 0 : worker_wrong(&first->worker, "out of memory");

	for (unsigned i = 0; contenders && i < count; i++) {
		contenders[i].lane = &lanes[i];
		contenders[i].contest = &contest;
		if (pthread_create(&contenders[i].thread, NULL, contender_main, &contenders[i])) {
			contest.until_ns = 0;
			count = i;
			r = worker_wrong(&first->worker, "cannot start a thread");
		}
	}
	for (unsigned i = 0; contenders && i < count; i++) {
		pthread_join(contenders[i].thread, NULL);
		if (lanes[i].error && r == 0)
			r = worker_wrong(&first->worker, "%s", lanes[i].worker.error);
		pairs += contenders[i].pairs;
		figures->done[row] += contenders[i].in_time;
		histogram_merge(&figures->latencies[row], &contenders[i].latencies);
	}
	free(contenders);
	if (r == 0 && contest.inside != pairs)
		r = worker_wrong(&first->worker, EXCLUSION_ERR);
	/* A session that still waited gets it after the end. */
	figures->took_ns[row] += CONTENDED_NS;
	return r;
}

/* ---- all of it, in rounds ---- */

static int rounds(struct run *run, struct lane *lanes, struct hand_over *hand_over,
		  struct figures *figures)
{
	const struct settings *settings = &run->settings;
	int64_t begin_ns = clock_ns();
	struct lane *lane = &lanes[0];
	int r = 0;

	do {
		r = alone(lane, faa, &figures->latencies[LOCK_FAA]);
		if (r == 0)
			r = alone(lane, pair, &figures->latencies[LOCK_PAIR]);
		if (r == 0)
			r = alone(lane, ping, &figures->latencies[LOCK_PING]);
		if (r == 0)
			r = hand_overs(hand_over, settings->poll != POLL_BLOCK, figures);
		if (r == 0)
			r = contest(lanes, 2, figures, LOCK_CONTENDED);
		if (r == 0)
			r = contest(lanes, (unsigned)settings->sessions, figures,
				    LOCK_CONTENDED_BY_ALL);
		report_progress(begin_ns, settings->duration_ns);
	} while (r == 0 && !stopped() && clock_ns() - begin_ns < settings->duration_ns);
	return r;
}

int measure_lock(struct run *run, struct worker *worker)
{
	static struct figures figures;
	struct lane *lanes = calloc(run->settings.sessions, sizeof *lanes);
	struct hand_over hand_over;
	unsigned count = (unsigned)run->settings.sessions, opened = 0;
	char name[80];
	int r = 0;

	if (!lanes)
		return worker_wrong(worker, "out of memory");
	snprintf(name, sizeof name, "%s.mutex", run->object);
	while (r == 0 && opened < count)
		r = lane_open(&lanes[opened++], run, name);
	if (r == 0)
		r = hand_over_start(&hand_over, run, &lanes[0], &lanes[1]);
	if (r == 0) {
		r = rounds(run, lanes, &hand_over, &figures);
		run->figures = &figures;
		hand_over_stop(&hand_over);
	}
	for (unsigned i = 0; i < opened; i++) {
		if (*lanes[i].worker.error)
			worker_wrong(worker, "%s", lanes[i].worker.error);
		lane_close(&lanes[i]);
	}
	free(lanes);
	dso_object_delete(worker->session, name);
	return r;
}

void report_lock(const struct run *run, uint64_t errors)
{
	report_rows(run, "lock", rows, LOCK_ROWS, "never two at once", errors);
}
