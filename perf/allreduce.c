/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/allreduce.h"
#include "perf/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANG_TIMEOUT (60 * DSO_SECOND)
#define STACK_BYTES  (256 * 1024)

struct contest;

struct party {
	pthread_t thread;
	struct contest *contest;
	struct worker worker;
	struct dso_aggregator *aggregator;
	uint32_t id;
	double *values, *result;
	uint64_t *latencies_ns; /* a round each */
	int error;
};

struct contest {
	const struct run *run;
	struct party *parties;
	unsigned count;
	char name[80];
	pthread_barrier_t begin;
};

static int party_open(struct party *party)
{
	const struct run *run = party->contest->run;
	struct dso_aggregator_params params = {.length = run->settings.elements,
					       .element = DSO_DOUBLE,
					       .operation = DSO_SUM,
					       .contributors = party->contest->count};
	int r = worker_open(&party->worker, &run->settings, run->url, run->object, run->patterns,
			    0);

	if (r)
		return r;
	party->latencies_ns = calloc(run->settings.rounds, sizeof *party->latencies_ns);
	party->values = calloc(run->settings.elements, sizeof *party->values);
	party->result = calloc(run->settings.elements, sizeof *party->result);
	if (!party->latencies_ns || !party->values || !party->result)
		return worker_wrong(&party->worker, "out of memory");
	r = dso_aggregator_open(party->worker.session, party->contest->name, &params,
				&party->aggregator);
	return r ? worker_fail(&party->worker, r) : 0;
}

/* In round r the values of participant i are r + i + 1/4 at each end, and others between. */
static void fill(struct party *party)
{
	for (uint64_t i = 0; i < party->contest->run->settings.elements; i++)
		party->values[i] = 1.0 / (double)(1 + i + party->id);
}

static int check(struct party *party, uint64_t round)
{
	double n = party->contest->count, expected = n * ((double)round + 0.25) + n * (n - 1) / 2;
	uint64_t last = party->contest->run->settings.elements - 1;

	if (party->result[0] != expected || party->result[last] != expected)
		return worker_wrong(&party->worker, "the sums of round %ju are wrong",
				    (uintmax_t)round);
	return 0;
}

static int reduce(struct party *party, uint64_t round)
{
	uint64_t last = party->contest->run->settings.elements - 1;
	int64_t begin_ns;
	int r;

	party->values[0] = party->values[last] = (double)round + party->id + 0.25;
	begin_ns = clock_ns();
	r = dso_aggregator_all_reduce(party->aggregator, party->id, party->values,
				      (last + 1) * sizeof *party->values, round + 1, party->result,
				      HANG_TIMEOUT, NULL);
	party->latencies_ns[round] = (uint64_t)(clock_ns() - begin_ns);
	return r ? worker_fail(&party->worker, r) : check(party, round);
}

static void *party_main(void *argument)
{
	struct party *party = argument;
	uint64_t rounds = party->contest->run->settings.rounds;

	party->error = party_open(party);
	if (party->error == 0)
		fill(party);
	pthread_barrier_wait(&party->contest->begin); /* all are open */
	pthread_barrier_wait(&party->contest->begin); /* and the clock runs */
	for (uint64_t round = 0; party->error == 0 && round < rounds && !stopped(); round++)
		party->error = reduce(party, round);
	/* No party closes before the others are through: its end would break the round. */
	if (party->error)
		atomic_store(&run_stopped, true);
	return NULL;
}

static int start(struct contest *contest)
{
	pthread_attr_t attributes;
	int error = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (unsigned i = 0; error == 0 && i < contest->count; i++) {
		contest->parties[i].contest = contest;
		contest->parties[i].id = i;
		error = pthread_create(&contest->parties[i].thread, &attributes, party_main,
				       &contest->parties[i]);
	}
	pthread_attr_destroy(&attributes);
	return -error;
}

/* The first error is @worker's. */
static int collect(struct run *run, struct worker *worker, struct contest *contest)
{
	int r = 0;

	for (unsigned i = 0; i < contest->count; i++) {
		struct party *party = &contest->parties[i];

		if (party->error && r == 0)
			r = worker_wrong(worker, "%s", party->worker.error);
		for (uint64_t round = 0; r == 0 && round < run->completed; round++)
			histogram_add(&run->latencies, party->latencies_ns[round] * 1000);
	}
	return r;
}

int measure_allreduce(struct run *run, struct worker *worker)
{
	struct contest contest = {.run = run, .count = (unsigned)run->settings.sessions};
	int64_t begin_ns;
	int r;

	snprintf(contest.name, sizeof contest.name, "%s.aggregator", run->object);
	contest.parties = calloc(contest.count, sizeof *contest.parties);
	if (!contest.parties)
		return worker_wrong(worker, "out of memory");
	pthread_barrier_init(&contest.begin, NULL, contest.count + 1);
	r = start(&contest);
	if (r) {
		/* The parties that were started wait for the others for ever. */
		fprintf(stderr, "dso-perf: cannot start %u threads: %s\n", contest.count,
			strerror(-r));
		exit(EXIT_FAILURE);
	}
	pthread_barrier_wait(&contest.begin);
	begin_ns = clock_ns();
	pthread_barrier_wait(&contest.begin);
	for (unsigned i = 0; i < contest.count; i++)
		pthread_join(contest.parties[i].thread, NULL);
	run->completed = stopped() ? 0 : run->settings.rounds;
	run->rate = (double)run->completed * 1e9 / (double)(clock_ns() - begin_ns);
	r = collect(run, worker, &contest);
	for (unsigned i = 0; i < contest.count; i++) {
		dso_aggregator_close(contest.parties[i].aggregator);
		worker_close(&contest.parties[i].worker);
		free(contest.parties[i].latencies_ns);
		free(contest.parties[i].values);
		free(contest.parties[i].result);
	}
	pthread_barrier_destroy(&contest.begin);
	free(contest.parties);
	dso_object_delete(worker->session, contest.name);
	return r;
}
