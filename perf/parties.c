/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/parties.h"
#include "perf/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_BYTES (256 * 1024)

static int open_party(struct party *party)
{
	const struct run *run = party->parties->run;
	int r = worker_open(&party->worker, &run->settings, run->url, run->object, run->patterns,
			    0);

	if (r)
		return r;
	party->latencies_ns = calloc(party->parties->ops->warm_up + run->settings.rounds,
				     sizeof *party->latencies_ns);
	if (!party->latencies_ns)
		return worker_wrong(&party->worker, "out of memory");
	return party->parties->ops->open(party);
}

static void go_through(struct party *party, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; party->error == 0 && i < count && !stopped(); i++)
		party->error = party->parties->ops->round(party, first + i);
}

static void *party_main(void *argument)
{
	struct party *party = argument;
	struct parties *parties = party->parties;
	uint64_t warm_up = parties->ops->warm_up;

	party->error = open_party(party);
	if (party->error)
		atomic_store(&run_stopped, true);
	pthread_barrier_wait(&parties->begin); /* all are open */
	go_through(party, 0, warm_up);
	pthread_barrier_wait(&parties->begin); /* all are warm */
	pthread_barrier_wait(&parties->begin); /* and the clock runs */
	go_through(party, warm_up, parties->run->settings.rounds);
	/* No party closes before the others are through: its end would break the round. */
	if (party->error)
		atomic_store(&run_stopped, true);
	return NULL;
}

static int start(struct parties *parties)
{
	pthread_attr_t attributes;
	int error = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (unsigned i = 0; error == 0 && i < parties->count; i++) {
		parties->party[i].parties = parties;
		parties->party[i].id = i;
		error = pthread_create(&parties->party[i].thread, &attributes, party_main,
				       &parties->party[i]);
	}
	pthread_attr_destroy(&attributes);
	return -error;
}

/* The first error is @worker's. */
static int collect(struct run *run, struct worker *worker, const struct parties *parties)
{
	int r = 0;

	for (unsigned i = 0; i < parties->count; i++) {
		const struct party *party = &parties->party[i];

		if (party->error && r == 0)
			r = worker_wrong(worker, "%s", party->worker.error);
		for (uint64_t round = 0; r == 0 && round < run->completed; round++)
			histogram_add(&run->latencies,
				      party->latencies_ns[parties->ops->warm_up + round] * 1000);
	}
	return r;
}

int parties_measure(struct run *run, struct worker *worker, const struct parties_ops *ops,
		    void *context)
{
	struct parties parties = {.ops = ops,
				  .run = run,
				  .context = context,
				  .count = (unsigned)run->settings.sessions};
	int64_t begin_ns;
	int r;

	snprintf(parties.name, sizeof parties.name, "%s.%s", run->object, ops->what);
	parties.party = calloc(parties.count, sizeof *parties.party);
	if (!parties.party)
		return worker_wrong(worker, "out of memory");
	pthread_barrier_init(&parties.begin, NULL, parties.count + 1);
	r = start(&parties);
	if (r) {
		/* The parties that were started wait for the others for ever. */
		fprintf(stderr, "dso-perf: cannot start %u threads: %s\n", parties.count,
			strerror(-r));
		exit(EXIT_FAILURE);
	}
	pthread_barrier_wait(&parties.begin);
	pthread_barrier_wait(&parties.begin);
	begin_ns = clock_ns();
	pthread_barrier_wait(&parties.begin);
	for (unsigned i = 0; i < parties.count; i++)
		pthread_join(parties.party[i].thread, NULL);
	run->completed = stopped() ? 0 : run->settings.rounds;
	run->rate = (double)run->completed * 1e9 / (double)(clock_ns() - begin_ns);
	r = collect(run, worker, &parties);
	for (unsigned i = 0; i < parties.count; i++) {
		ops->close(&parties.party[i]);
		worker_close(&parties.party[i].worker);
		free(parties.party[i].latencies_ns);
	}
	pthread_barrier_destroy(&parties.begin);
	free(parties.party);
	dso_object_delete(worker->session, parties.name);
	return r;
}
