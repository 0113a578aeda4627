/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/lock.h"
#include "perf/clock.h"
#include "perf/rows.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALONE_NS     (50 * DSO_MILLISECOND)
#define CONTENDED_NS (200 * DSO_MILLISECOND)
#define BATCH_NS     5000 /* how long a timed batch lasts: reading the clock costs about 25 ns */
#define HAND_OVERS   25   /* of each way, in a round */
#define PARKED_NS    (2 * DSO_MILLISECOND) /* long after a waiter stops spinning (SPIN_NS_MAX) */
/* at most this long, and at most half of the time for which the waiter spins */
#define SPINNING_NS   50000
#define OWN_WORD      0
#define SHARED_WORD   64
#define HANG_TIMEOUT  (60 * DSO_SECOND)
#define EXCLUSION_ERR "two sessions were in the mutex at once"

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

/* A session with the mutex of the run, in a thread of its own where there are several. */
struct lane {
	pthread_t thread;
	struct worker worker;
	struct dso_mutex *mutex;
	struct contest *contest;
	struct histogram latencies;
	uint64_t pairs, in_time;
	int error;
};

/* Several sessions that contend for the mutex for a while. */
struct contest {
	int64_t until_ns;
	_Atomic uint64_t inside; /* counted by load and store, under the mutex */
};

/* Two sessions, one of which hands the mutex over to the other. */
struct hand_over {
	pthread_t thread; /* the waiter's */
	struct lane *waiter;
	sem_t go, done;
	atomic_bool waits; /* it is about to call lock */
	bool near;         /* both reach the memory themselves */
	bool over;
	int64_t got_ns, faa_ns; /* when the lock returned; how long its fetch-and-add took */
};

static int lane_open(struct lane *lane, const struct run *run, const char *name)
{
	int r = worker_open(&lane->worker, &run->settings, run->url, run->object, run->patterns, 0);

	if (r)
		return r;
	r = dso_mutex_open(lane->worker.session, name, NULL, &lane->mutex);
	return r ? worker_fail(&lane->worker, r) : 0;
}

static void lane_close(struct lane *lane)
{
	dso_mutex_close(lane->mutex);
	worker_close(&lane->worker);
}

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

/* Let @thread run on one of the @allowed processors, the first or the last. */
static void pin(pthread_t thread, const cpu_set_t *allowed, bool last)
{
	cpu_set_t one;
	int found = -1;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, allowed) && (found < 0 || last))
			found = cpu;
	CPU_ZERO(&one);
	CPU_SET(found, &one);
	pthread_setaffinity_np(thread, sizeof one, &one);
}

static int wait_once(struct hand_over *hand_over)
{
	struct lane *lane = hand_over->waiter;
	int64_t begin_ns = clock_ns();
	int r = dso_memory_fetch_add(lane->worker.memory, SHARED_WORD, 1, NULL);

	hand_over->faa_ns = clock_ns() - begin_ns;
	atomic_store(&hand_over->waits, true);
	if (r == 0)
		r = dso_mutex_lock(lane->mutex, HANG_TIMEOUT, NULL);
	hand_over->got_ns = clock_ns();
	return r ? r : dso_mutex_unlock(lane->mutex);
}

static void *waiter_main(void *argument)
{
	struct hand_over *hand_over = argument;
	struct lane *lane = hand_over->waiter;

	for (;;) {
		sem_wait(&hand_over->go);
		if (hand_over->over)
			return NULL;
		if (lane->error == 0)
			lane->error = wait_once(hand_over);
		if (lane->error)
			worker_fail(&lane->worker, lane->error);
		atomic_store(&hand_over->waits, true);
		sem_post(&hand_over->done);
	}
}

static void pause_for(int64_t ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* Hold the mutex until the other has waited for @hold_ns, and hand it over. */
static int hand_over_once(struct hand_over *hand_over, struct lane *lane, int64_t hold_ns,
			  struct figures *figures, enum lock_row row)
{
	int64_t begin_ns;
	int r = dso_mutex_lock(lane->mutex, HANG_TIMEOUT, NULL);

	if (r == 0)
		r = dso_memory_fetch_add(lane->worker.memory, SHARED_WORD, 1, NULL);
	if (r)
		return worker_fail(&lane->worker, r);
	atomic_store(&hand_over->waits, false);
	sem_post(&hand_over->go);
	while (!atomic_load(&hand_over->waits))
		sched_yield();
	if (hold_ns >= DSO_MILLISECOND)
		pause_for(hold_ns);
	else
		for (begin_ns = clock_ns(); clock_ns() - begin_ns < hold_ns;)
			if (!hand_over->near)
				sched_yield(); /* storaged may need this processor */
	begin_ns = clock_ns();
	r = dso_mutex_unlock(lane->mutex);
	sem_wait(&hand_over->done);
	if (r)
		return worker_fail(&lane->worker, r);
	if (hand_over->waiter->error)
		return worker_wrong(&lane->worker, "%s", hand_over->waiter->worker.error);
	if (hand_over->got_ns < begin_ns)
		return worker_wrong(&lane->worker, EXCLUSION_ERR);
	histogram_add(&figures->latencies[row], (uint64_t)(hand_over->got_ns - begin_ns) * 1000);
	histogram_add(&figures->latencies[LOCK_FAA_AWAY], (uint64_t)hand_over->faa_ns * 1000);
	return 0;
}

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

static int hand_overs(struct hand_over *hand_over, struct lane *lane, bool spins,
		      struct figures *figures)
{
	int64_t spin_ns = spinning_ns(figures);
	cpu_set_t allowed;
	int r = 0;

	pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed);
	/* If no others take part, each thread has a processor of its own. */
	if (hand_over->near) {
		pin(pthread_self(), &allowed, false);
		pin(hand_over->thread, &allowed, true);
	}
	for (unsigned i = 0; r == 0 && i < HAND_OVERS && !stopped(); i++) {
		if (spins)
			r = hand_over_once(hand_over, lane, spin_ns, figures, LOCK_SPINNING);
		if (r == 0)
			r = hand_over_once(hand_over, lane, PARKED_NS, figures, LOCK_PARKED);
		if (r == 0)
			r = ping_once(lane, &figures->latencies[LOCK_PING_COLD]);
	}
	pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
	return r;
}

/* ---- contended ---- */

static int contend(struct lane *lane)
{
	struct contest *contest = lane->contest;
	int64_t now_ns = clock_ns();

	while (now_ns < contest->until_ns && !stopped()) {
		int64_t begin_ns = now_ns;
		uint64_t inside;
		int r = dso_mutex_lock(lane->mutex, HANG_TIMEOUT, NULL);

		if (r)
			return r;
		inside = atomic_load_explicit(&contest->inside, memory_order_relaxed);
		atomic_store_explicit(&contest->inside, inside + 1, memory_order_relaxed);
		r = dso_mutex_unlock(lane->mutex);
		if (r)
			return r;
		now_ns = clock_ns();
		lane->pairs++;
		lane->in_time += now_ns < contest->until_ns;
		histogram_add(&lane->latencies, (uint64_t)(now_ns - begin_ns) * 1000);
	}
	return 0;
}

static void *contender_main(void *argument)
{
	struct lane *lane = argument;

	lane->error = contend(lane);
	if (lane->error)
		worker_fail(&lane->worker, lane->error);
	return NULL;
}

/* @count of @lanes contend for the mutex for a while. The first error is @lane's. */
static int contest(struct lane *lanes, unsigned count, struct figures *figures, enum lock_row row)
{
	struct contest contest = {.until_ns = clock_ns() + CONTENDED_NS};
	struct lane *first = &lanes[0];
	uint64_t pairs = 0;
	int r = 0;

	for (unsigned i = 0; i < count; i++) {
		lanes[i].contest = &contest;
		lanes[i].pairs = lanes[i].in_time = 0;
		lanes[i].latencies = (struct histogram){0};
		if (pthread_create(&lanes[i].thread, NULL, contender_main, &lanes[i])) {
			contest.until_ns = 0;
			count = i;
			r = worker_wrong(&first->worker, "cannot start a thread");
		}
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(lanes[i].thread, NULL);
		if (lanes[i].error && r == 0)
			r = worker_wrong(&first->worker, "%s", lanes[i].worker.error);
		pairs += lanes[i].pairs;
		figures->done[row] += lanes[i].in_time;
		histogram_merge(&figures->latencies[row], &lanes[i].latencies);
	}
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
			r = hand_overs(hand_over, lane, settings->poll != POLL_BLOCK, figures);
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
	struct hand_over hand_over = {
		.waiter = lanes + 1,
		.near = !strcmp(run->transport, "shm") || !strcmp(run->transport, "embedded"),
	};
	unsigned count = (unsigned)run->settings.sessions, opened = 0;
	char name[80];
	int r = 0;

	if (!lanes)
		return worker_wrong(worker, "out of memory");
	snprintf(name, sizeof name, "%s.mutex", run->object);
	sem_init(&hand_over.go, 0, 0);
	sem_init(&hand_over.done, 0, 0);
	while (r == 0 && opened < count)
		r = lane_open(&lanes[opened++], run, name);
	if (r == 0 && pthread_create(&hand_over.thread, NULL, waiter_main, &hand_over))
		r = worker_wrong(&lanes[opened - 1].worker, "cannot start a thread");
	if (r == 0) {
		r = rounds(run, lanes, &hand_over, &figures);
		run->figures = &figures;
		hand_over.over = true;
		sem_post(&hand_over.go);
		pthread_join(hand_over.thread, NULL);
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
