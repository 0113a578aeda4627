/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/run.h"
#include "perf/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_EVERY 16 /* a power of two */
#define REAP_MAX     256
#define REAP_NS      (5 * DSO_SECOND)
/* Less than a session's timeout: storaged is stopped meanwhile. */
#define BASELINE_NS_MAX (200 * DSO_MILLISECOND)

/* A thread with a session. */
struct lane {
	pthread_t thread;
	bool started;
	struct run *run;
	struct worker worker;
	int64_t begin_ns, end_ns;
	int64_t *submitted_ns; /* of the operations outstanding, by slot */
	struct histogram latencies;
	int error;
};

/* Submit until the depth is reached. @now_ns counts as the time of each submission. */
static int refill(struct lane *lane, int64_t now_ns)
{
	struct worker *worker = &lane->worker;
	const struct settings *settings = worker->settings;

	while (worker->submitted - worker->completed < settings->depth) {
		int r = worker->operation->submit(worker);

		if (r)
			return worker_fail(worker, r);
		lane->submitted_ns[worker->submitted % settings->depth] = now_ns;
		worker->submitted++;
		worker->submit_place++;
		if (worker->submit_place == settings->words)
			worker->submit_place = 0;
	}
	return dso_flush(worker->session) ? worker_fail(worker, -EIO) : 0;
}

static int take(struct lane *lane, const struct dso_completion *completion, int64_t now_ns)
{
	struct worker *worker = &lane->worker;
	int r;

	if (completion->tag != worker->completed)
		return worker_wrong(worker, "operation %ju completed where %ju was due",
				    (uintmax_t)completion->tag, (uintmax_t)worker->completed);
	if (completion->status)
		return worker_wrong(worker, "an operation ended with \"%s\"",
				    strerror(-completion->status));
	r = worker->operation->complete(worker, completion);
	if (worker->completed % SAMPLE_EVERY == 0)
		histogram_add(&lane->latencies,
			      (uint64_t)(now_ns - lane->submitted_ns[worker->completed %
								     worker->settings->depth]) *
				      1000);
	worker->completed++;
	worker->complete_place++;
	if (worker->complete_place == worker->settings->words)
		worker->complete_place = 0;
	return r;
}

/* Reap what there is. */
static int harvest(struct lane *lane, int64_t *ret_now_ns)
{
	struct dso_completion completions[REAP_MAX];
	struct worker *worker = &lane->worker;
	size_t count;
	int r = dso_reap(worker->session, completions, REAP_MAX, REAP_NS, &count);

	if (r)
		return r == -ETIMEDOUT ? worker_wrong(worker, "nothing completed for 5 s")
				       : worker_fail(worker, r);
	*ret_now_ns = clock_ns();
	for (size_t i = 0; i < count && r == 0; i++)
		r = take(lane, &completions[i], *ret_now_ns);
	return r;
}

static int keep_busy(struct lane *lane)
{
	struct worker *worker = &lane->worker;
	int64_t now_ns = lane->begin_ns;
	int r = 0;

	while (r == 0 && now_ns < lane->end_ns && !stopped()) {
		r = refill(lane, now_ns);
		if (r == 0)
			r = harvest(lane, &now_ns);
	}
	while (r == 0 && worker->completed < worker->submitted)
		r = harvest(lane, &now_ns);
	lane->end_ns = clock_ns();
	return r;
}

static void *lane_main(void *argument)
{
	struct lane *lane = argument;

	lane->begin_ns = clock_ns();
	lane->end_ns = lane->begin_ns + lane->run->settings.duration_ns;
	lane->error = keep_busy(lane);
	if (lane->error)
		atomic_store(&run_stopped, true);
	return NULL;
}

static int lane_open(struct lane *lane, struct run *run, unsigned index)
{
	lane->run = run;
	lane->submitted_ns = calloc(run->settings.depth, sizeof *lane->submitted_ns);
	if (!lane->submitted_ns)
		return worker_wrong(&lane->worker, "out of memory");
	return worker_open(&lane->worker, &run->settings, run->url, run->object, run->patterns,
			   index);
}

static int lane_start(struct lane *lane)
{
	int error = pthread_create(&lane->thread, NULL, lane_main, lane);

	if (error)
		return worker_wrong(&lane->worker, "cannot start a thread: %s", strerror(error));
	lane->started = true;
	return 0;
}

/* Show the progress until the threads end. */
static void wait_for(struct lane *lanes, unsigned count, const struct run *run)
{
	int64_t begin_ns = clock_ns(), end_ns = begin_ns + run->settings.duration_ns;

	while (!stopped() && clock_ns() < end_ns) {
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		report_progress(begin_ns, run->settings.duration_ns);
	}
	for (unsigned i = 0; i < count; i++)
		if (lanes[i].started)
			pthread_join(lanes[i].thread, NULL);
}

/* Add up the results of the lanes. The first error is @worker's. */
static int collect(struct run *run, struct worker *worker, struct lane *lanes, unsigned count)
{
	int64_t begin_ns = INT64_MAX, end_ns = 0;
	int r = 0;

	for (unsigned i = 0; i < count; i++) {
		struct lane *lane = &lanes[i];

		run->completed += lane->worker.completed;
		run->additions += lane->worker.additions;
		histogram_merge(&run->latencies, &lane->latencies);
		begin_ns = lane->begin_ns < begin_ns ? lane->begin_ns : begin_ns;
		end_ns = lane->end_ns > end_ns ? lane->end_ns : end_ns;
		if (*lane->worker.error && r == 0)
			r = worker_wrong(worker, "%s", lane->worker.error);
	}
	if (end_ns > begin_ns)
		run->rate = (double)run->completed * 1e9 / (double)(end_ns - begin_ns);
	return r;
}

static int run_lanes(struct run *run, struct worker *worker)
{
	unsigned count = (unsigned)run->settings.sessions;
	struct lane *lanes = calloc(count, sizeof *lanes);
	int r = 0;

	if (!lanes)
		return worker_wrong(worker, "out of memory");
	for (unsigned i = 0; i < count && r == 0; i++)
		r = lane_open(&lanes[i], run, i);
	for (unsigned i = 0; i < count && r == 0; i++)
		r = lane_start(&lanes[i]);
	if (r)
		atomic_store(&run_stopped, true);
	wait_for(lanes, count, run);
	r = collect(run, worker, lanes, count);
	for (unsigned i = 0; i < count; i++) {
		worker_close(&lanes[i].worker);
		free(lanes[i].submitted_ns);
	}
	free(lanes);
	return r;
}

static int run_baseline(struct run *run, int64_t duration_ns)
{
	int r;

	if (run->baseline.socket < 0)
		return 0;
	daemon_pause(&run->daemon);
	r = baseline_round(&run->baseline, clock_ns() + duration_ns);
	daemon_resume(&run->daemon);
	return r;
}

int measure_rate(struct run *run, struct worker *worker)
{
	int64_t baseline_ns = run->settings.duration_ns / 8;
	int r;

	run->batch = 1;
	baseline_ns = baseline_ns < BASELINE_NS_MAX ? baseline_ns : BASELINE_NS_MAX;
	r = run_baseline(run, baseline_ns);
	if (r == 0)
		r = run_lanes(run, worker);
	if (r == 0)
		r = run_baseline(run, baseline_ns);
	return r;
}
