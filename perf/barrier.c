/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/barrier.h"
#include "perf/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANG_TIMEOUT (300 * DSO_SECOND) /* a thousand threads share few processors */
#define STACK_BYTES  (256 * 1024)

struct contest;

struct party {
	pthread_t thread;
	struct contest *contest;
	struct worker worker;
	struct dso_barrier *barrier;
	uint64_t *latencies_ns; /* a round each */
	int error;
};

struct contest {
	const struct run *run;
	struct party *parties;
	unsigned count;
	char name[80];
	pthread_barrier_t begin;
	_Atomic uint64_t come, lasts; /* of all rounds */
};

static int party_open(struct party *party)
{
	const struct run *run = party->contest->run;
	struct dso_barrier_params params = {.parties = party->contest->count};
	int r = worker_open(&party->worker, &run->settings, run->url, run->object, run->patterns,
			    0);

	if (r)
		return r;
	party->latencies_ns = calloc(run->settings.rounds, sizeof *party->latencies_ns);
	if (!party->latencies_ns)
		return worker_wrong(&party->worker, "out of memory");
	r = dso_barrier_open(party->worker.session, party->contest->name, &params, &party->barrier);
	return r ? worker_fail(&party->worker, r) : 0;
}

static int cross(struct party *party, uint64_t round)
{
	struct contest *contest = party->contest;
	int64_t begin_ns = clock_ns();
	uint64_t come;
	int last, r;

	atomic_fetch_add(&contest->come, 1);
	r = dso_barrier_wait(party->barrier, HANG_TIMEOUT, &last);
	if (r)
		return worker_fail(&party->worker, r);
	come = atomic_load(&contest->come);
	party->latencies_ns[round] = (uint64_t)(clock_ns() - begin_ns);
	atomic_fetch_add(&contest->lasts, (uint64_t)last);
	if (come < (round + 1) * contest->count)
		return worker_wrong(&party->worker, "a party went on while %ju of %u had come",
				    (uintmax_t)(come - round * contest->count), contest->count);
	return 0;
}

static void *party_main(void *argument)
{
	struct party *party = argument;
	uint64_t rounds = party->contest->run->settings.rounds;

	party->error = party_open(party);
	pthread_barrier_wait(&party->contest->begin); /* all are open */
	pthread_barrier_wait(&party->contest->begin); /* and the clock runs */
	for (uint64_t round = 0; party->error == 0 && round < rounds && !stopped(); round++)
		party->error = cross(party, round);
	/* No party closes before the others are through: its end would break the barrier. */
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
	if (r == 0 && contest->lasts != run->completed)
		r = worker_wrong(worker, "%ju were told to be the last of %ju rounds",
				 (uintmax_t)contest->lasts, (uintmax_t)run->completed);
	return r;
}

int measure_barrier(struct run *run, struct worker *worker)
{
	struct contest contest = {.run = run, .count = (unsigned)run->settings.sessions};
	int64_t begin_ns;
	int r;

	snprintf(contest.name, sizeof contest.name, "%s.barrier", run->object);
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
		dso_barrier_close(contest.parties[i].barrier);
		worker_close(&contest.parties[i].worker);
		free(contest.parties[i].latencies_ns);
	}
	pthread_barrier_destroy(&contest.begin);
	free(contest.parties);
	dso_object_delete(worker->session, contest.name);
	return r;
}
