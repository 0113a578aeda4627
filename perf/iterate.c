/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/iterate.h"

#include "examples/kmeans.h"
#include "examples/logistic.h"
#include "perf/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSIONS 100
#define CLUSTERS   25

struct iterate_job iterate_job(int argc, char **argv)
{
	struct iterate_job job = {0};

	if (argc == 5 && (strcmp(argv[1], "kmeans") == 0 || strcmp(argv[1], "logistic") == 0))
		job = (struct iterate_job){.is_kmeans = *argv[1] == 'k',
					   .points = strtoull(argv[2], NULL, 10),
					   .iterations = strtoull(argv[3], NULL, 10),
					   .workers = strtoull(argv[4], NULL, 10)};
	if (!job.points || !job.iterations || job.iterations > ITERATE_ITERATIONS_MAX ||
	    !job.workers || job.workers > ITERATE_WORKERS_MAX) {
		fprintf(stderr, "usage: %s kmeans|logistic POINTS ITERATIONS WORKERS\n",
			argc ? argv[0] : "iterate");
		exit(2);
	}
	return job;
}

static struct kmeans kmeans_of(const struct iterate_job *job)
{
	return (struct kmeans){.points = job->points,
			       .dimensions = DIMENSIONS,
			       .clusters = CLUSTERS,
			       .iterations = job->iterations,
			       .workers = job->workers,
			       .seed = 1};
}

static struct logistic logistic_of(const struct iterate_job *job)
{
	return (struct logistic){.points = job->points,
				 .dimensions = DIMENSIONS,
				 .iterations = job->iterations,
				 .workers = job->workers,
				 .seed = 1};
}

uint64_t iterate_length(const struct iterate_job *job)
{
	struct kmeans kmeans = kmeans_of(job);
	struct logistic logistic = logistic_of(job);

	return job->is_kmeans ? kmeans_length(&kmeans) : logistic_length(&logistic);
}

static void do_kmeans(const struct iterate_job *job, uint64_t number, iterate_reduce *reduce,
		      void *context, struct iterate_times *times)
{
	struct kmeans kmeans = kmeans_of(job);
	struct kmeans_worker *worker = kmeans_begin(&kmeans, number);
	double *result;
	int64_t begin_ns;

	reduce(context, 1, worker->partial, worker->sums);
	begin_ns = clock_ns();
	for (uint64_t i = 1; i <= job->iterations; i++) {
		int64_t middle_ns;

		kmeans_assign(worker);
		middle_ns = clock_ns();
		reduce(context, i + 1, worker->partial, worker->sums);
		times->reduce_ns[i - 1] = clock_ns() - middle_ns;
		kmeans_move(worker, i);
	}
	times->loop_ns = clock_ns() - begin_ns;
	result = kmeans_end(worker);
	times->hash = hash_bytes(result, kmeans_result_bytes(&kmeans));
	free(result);
}

static void do_logistic(const struct iterate_job *job, uint64_t number, iterate_reduce *reduce,
			void *context, struct iterate_times *times)
{
	struct logistic logistic = logistic_of(job);
	struct logistic_worker *worker = logistic_begin(&logistic, number);
	double *result;
	int64_t begin_ns;

	reduce(context, 1, worker->partial, worker->sums);
	begin_ns = clock_ns();
	for (uint64_t i = 1; i <= job->iterations; i++) {
		int64_t middle_ns;

		logistic_descend(worker);
		middle_ns = clock_ns();
		reduce(context, i + 1, worker->partial, worker->sums);
		times->reduce_ns[i - 1] = clock_ns() - middle_ns;
		logistic_step(worker, i);
	}
	times->loop_ns = clock_ns() - begin_ns;
	result = logistic_end(worker);
	times->hash = hash_bytes(result, logistic_result_bytes(&logistic));
	free(result);
}

void iterate(const struct iterate_job *job, uint64_t number, iterate_reduce *reduce, void *context,
	     struct iterate_times *ret_times)
{
	if (job->is_kmeans)
		do_kmeans(job, number, reduce, context, ret_times);
	else
		do_logistic(job, number, reduce, context, ret_times);
}

void iterate_print(const char *system, const struct iterate_job *job,
		   const struct iterate_times *times)
{
	int64_t loop_ns = 0, reduce_ns = 0;

	for (uint64_t worker = 0; worker < job->workers; worker++) {
		loop_ns = times[worker].loop_ns > loop_ns ? times[worker].loop_ns : loop_ns;
		if (times[worker].hash != times[0].hash)
			give_up("%s: two workers have different results", system);
	}
	for (uint64_t i = 0; i < job->iterations; i++) {
		int64_t least_ns = times[0].reduce_ns[i];

		for (uint64_t worker = 1; worker < job->workers; worker++)
			if (times[worker].reduce_ns[i] < least_ns)
				least_ns = times[worker].reduce_ns[i];
		reduce_ns += least_ns;
	}
	printf("{\"system\":\"%s\",\"work\":\"%s\",\"iteration_ns\":%.6g,\"shared_ns\":%.6g,"
	       "\"result\":\"%016" PRIx64 "\"}\n",
	       system, job->is_kmeans ? "kmeans" : "logistic",
	       (double)loop_ns / (double)job->iterations,
	       (double)reduce_ns / (double)job->iterations, times[0].hash);
}
