/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/allreduce.h"
#include "perf/clock.h"
#include "perf/parties.h"

#include <stdlib.h>

#define HANG_TIMEOUT (60 * DSO_SECOND)
#define WARM_UP      20 /* as perf/peer_allreduce.c has it */

/* What a participant has of its own. */
struct share {
	struct dso_aggregator *aggregator;
	double *values, *result;
};

static uint64_t elements_of(const struct party *party)
{
	return party->parties->run->settings.elements;
}

/* In round r the values of participant i are r + i + 1/4 at each end, and others between. */
static void fill(const struct party *party, double *values)
{
	for (uint64_t i = 0; i < elements_of(party); i++)
		values[i] = 1.0 / (double)(1 + i + party->id);
}

static int open_share(struct party *party)
{
	struct dso_aggregator_params params = {.length = elements_of(party),
					       .element = DSO_DOUBLE,
					       .operation = DSO_SUM,
					       .contributors = party->parties->count};
	struct share *share = party->own = calloc(1, sizeof *share);
	int r;

	if (share) {
		share->values = calloc(elements_of(party), sizeof *share->values);
		share->result = calloc(elements_of(party), sizeof *share->result);
	}
	if (!share || !share->values || !share->result)
		return worker_wrong(&party->worker, "out of memory");
	r = dso_aggregator_open(party->worker.session, party->parties->name, &params,
				&share->aggregator);
	if (r)
		return worker_fail(&party->worker, r);
	fill(party, share->values);
	return 0;
}

static int check(struct party *party, uint64_t round)
{
	const struct share *share = party->own;
	double n = party->parties->count, expected = n * ((double)round + 0.25) + n * (n - 1) / 2;

	if (share->result[0] != expected || share->result[elements_of(party) - 1] != expected)
		return worker_wrong(&party->worker, "the sums of round %ju are wrong",
				    (uintmax_t)round);
	return 0;
}

static int reduce(struct party *party, uint64_t round)
{
	struct share *share = party->own;
	uint64_t last = elements_of(party) - 1;
	int64_t begin_ns;
	int r;

	share->values[0] = share->values[last] = (double)round + party->id + 0.25;
	begin_ns = clock_ns();
	r = dso_aggregator_all_reduce(share->aggregator, party->id, share->values,
				      (last + 1) * sizeof *share->values, round + 1, share->result,
				      HANG_TIMEOUT, NULL);
	party->latencies_ns[round] = (uint64_t)(clock_ns() - begin_ns);
	return r ? worker_fail(&party->worker, r) : check(party, round);
}

static void close_share(struct party *party)
{
	struct share *share = party->own;

	if (!share)
		return;
	dso_aggregator_close(share->aggregator);
	free(share->values);
	free(share->result);
	free(share);
}

int measure_allreduce(struct run *run, struct worker *worker)
{
	static const struct parties_ops ops = {.what = "aggregator",
					       .warm_up = WARM_UP,
					       .open = open_share,
					       .round = reduce,
					       .close = close_share};

	return parties_measure(run, worker, &ops, NULL);
}
