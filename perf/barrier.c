/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/barrier.h"
#include "perf/clock.h"
#include "perf/parties.h"

#include <stdatomic.h>

#define HANG_TIMEOUT (300 * DSO_SECOND) /* a thousand threads share few processors */

/* Of all rounds. */
struct crossings {
	_Atomic uint64_t come, lasts;
};

static int open_barrier(struct party *party)
{
	struct dso_barrier_params params = {.parties = party->parties->count};
	struct dso_barrier *barrier;
	int r = dso_barrier_open(party->worker.session, party->parties->name, &params, &barrier);

	if (r)
		return worker_fail(&party->worker, r);
	party->own = barrier;
	return 0;
}

static int cross(struct party *party, uint64_t round)
{
	struct crossings *crossings = party->parties->context;
	unsigned count = party->parties->count;
	int64_t begin_ns = clock_ns();
	uint64_t come;
	int last, r;

	atomic_fetch_add(&crossings->come, 1);
	r = dso_barrier_wait(party->own, HANG_TIMEOUT, &last);
	if (r)
		return worker_fail(&party->worker, r);
	come = atomic_load(&crossings->come);
	party->latencies_ns[round] = (uint64_t)(clock_ns() - begin_ns);
	atomic_fetch_add(&crossings->lasts, (uint64_t)last);
	if (come < (round + 1) * count)
		return worker_wrong(&party->worker, "a party went on while %ju of %u had come",
				    (uintmax_t)(come - round * count), count);
	return 0;
}

static void close_barrier(struct party *party)
{
	dso_barrier_close(party->own);
}

int measure_barrier(struct run *run, struct worker *worker)
{
	static const struct parties_ops ops = {
		.what = "barrier", .open = open_barrier, .round = cross, .close = close_barrier};
	struct crossings crossings = {0};
	int r = parties_measure(run, worker, &ops, &crossings);

	if (r == 0 && crossings.lasts != run->completed)
		r = worker_wrong(worker, "%ju were told to be the last of %ju rounds",
				 (uintmax_t)crossings.lasts, (uintmax_t)run->completed);
	return r;
}
