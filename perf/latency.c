/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/run.h"
#include "perf/clock.h"

#define ROUND_NS            (50 * DSO_MILLISECOND)
#define CALIBRATION_NS      (20 * DSO_MILLISECOND)
#define CALIBRATION_OPS_MAX 100000
/* Reading the clock costs about 25 ns: at most 1 % of an operation, or of a batch. */
#define FAST_NS  1000
#define BATCH_NS 5000

/* Warm up, and find how many operations make a sample. */
static int calibrate(struct run *run, struct worker *worker)
{
	int64_t begin_ns = clock_ns(), took_ns = 0;
	unsigned count = 1, done = 0;
	int r = 0;

	while (r == 0 && took_ns < CALIBRATION_NS && done < CALIBRATION_OPS_MAX) {
		r = worker->operation->run(worker, count);
		done += count;
		count = count < 1024 ? 2 * count : count;
		took_ns = clock_ns() - begin_ns;
	}
	worker->completed += done;
	took_ns /= done;
	run->batch = took_ns >= FAST_NS ? 1 : (uint64_t)(BATCH_NS / (took_ns + 1)) + 1;
	return r;
}

static int operation_round(struct run *run, struct worker *worker, int64_t until_ns)
{
	int (*const operate)(struct worker *, unsigned) = worker->operation->run;
	unsigned batch = (unsigned)run->batch;
	int r = 0;

	while (r == 0 && !stopped()) {
		int64_t begin_ns = clock_ns(), end_ns;

		if (begin_ns >= until_ns)
			break;
		r = operate(worker, batch);
		end_ns = clock_ns();
		if (r)
			break;
		worker->completed += batch;
		histogram_add(&run->latencies, (uint64_t)(end_ns - begin_ns) * 1000 / batch);
	}
	return r;
}

/* The first operations after a pause find cold caches, and storaged asleep. */
static int warm_up(struct run *run, struct worker *worker)
{
	unsigned count = 50 * (unsigned)run->batch;

	worker->completed += count;
	return worker->operation->run(worker, count);
}

int measure_latency(struct run *run, struct worker *worker)
{
	int64_t begin_ns, end_ns;
	int r = calibrate(run, worker);

	begin_ns = clock_ns();
	end_ns = begin_ns + run->settings.duration_ns;
	while (r == 0 && !stopped() && clock_ns() < end_ns) {
		r = warm_up(run, worker);
		if (r == 0)
			r = operation_round(run, worker, clock_ns() + ROUND_NS);
		if (r == 0 && run->baseline.socket >= 0) {
			daemon_pause(&run->daemon);
			r = baseline_round(&run->baseline, clock_ns() + ROUND_NS);
			daemon_resume(&run->daemon);
		}
		report_progress(begin_ns, run->settings.duration_ns);
	}
	run->completed = worker->completed;
	run->additions = worker->additions;
	/* One at a time: the rate follows from the latency. */
	if (run->latencies.count)
		run->rate = 1e12 / histogram_mean(&run->latencies);
	return r;
}
