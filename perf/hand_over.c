/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/hand_over.h"
#include "perf/clock.h"

#include <sched.h>
#include <string.h>

int lane_open(struct lane *lane, const struct run *run, const char *name)
{
	int r = worker_open(&lane->worker, &run->settings, run->url, run->object, run->patterns, 0);

	if (r)
		return r;
	r = dso_mutex_open(lane->worker.session, name, NULL, &lane->mutex);
	return r ? worker_fail(&lane->worker, r) : 0;
}

void lane_close(struct lane *lane)
{
	dso_mutex_close(lane->mutex);
	worker_close(&lane->worker);
}

void pause_for(int64_t ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* ---- the waiter ---- */

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

int hand_over_start(struct hand_over *hand_over, const struct run *run, struct lane *holder,
		    struct lane *waiter)
{
	*hand_over = (struct hand_over){
		.holder = holder,
		.waiter = waiter,
		.near = !strcmp(run->transport, "shm") || !strcmp(run->transport, "embedded"),
	};
	sem_init(&hand_over->go, 0, 0);
	sem_init(&hand_over->done, 0, 0);
	return pthread_create(&hand_over->thread, NULL, waiter_main, hand_over)
		       ? worker_wrong(&waiter->worker, "cannot start a thread")
		       : 0;
}

void hand_over_stop(struct hand_over *hand_over)
{
	hand_over->over = true;
	sem_post(&hand_over->go);
	pthread_join(hand_over->thread, NULL);
}

/* ---- the holder ---- */

int hand_over_once(struct hand_over *hand_over, int64_t hold_ns, struct histogram *latencies,
		   struct histogram *faa)
{
	struct lane *lane = hand_over->holder;
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
	histogram_add(latencies, (uint64_t)(hand_over->got_ns - begin_ns) * 1000);
	if (faa)
		histogram_add(faa, (uint64_t)hand_over->faa_ns * 1000);
	return 0;
}

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

void hand_over_pin(struct hand_over *hand_over, cpu_set_t *ret_allowed)
{
	pthread_getaffinity_np(pthread_self(), sizeof *ret_allowed, ret_allowed);
	if (!hand_over->near)
		return;
	pin(pthread_self(), ret_allowed, false);
	pin(hand_over->thread, ret_allowed, true);
}

void hand_over_unpin(const cpu_set_t *allowed)
{
	pthread_setaffinity_np(pthread_self(), sizeof *allowed, allowed);
}
