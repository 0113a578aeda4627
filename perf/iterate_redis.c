/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iterate-redis WORK POINTS ITERATIONS WORKERS: perf/iterate.h in processes that share a Redis, at
 * the port in REDIS_PORT. A worker sets its vector and counts up in one pipeline; the last one to
 * come pushes an item for each of the others, who wait in BLPOP; all get the vectors and add up.
 */
#include "perf/iterate.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
	redisContext *redis;
	uint64_t number, workers, length;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "iterate-redis: %s\n", what);
	_exit(EXIT_FAILURE);
}

static redisReply *get_reply(struct worker *worker)
{
	void *reply = NULL;

	if (redisGetReply(worker->redis, &reply) || !reply)
		die(worker->redis->errstr);
	if (((redisReply *)reply)->type == REDIS_REPLY_ERROR)
		die(((redisReply *)reply)->str);
	return reply;
}

static void release_others(struct worker *worker, unsigned long long round)
{
	for (uint64_t i = 0; i < worker->workers; i++)
		if (i != worker->number)
			redisAppendCommand(worker->redis, "RPUSH go:%llu:%llu x", round,
					   (unsigned long long)i);
	for (uint64_t i = 1; i < worker->workers; i++)
		freeReplyObject(get_reply(worker));
}

static void wait_for_others(struct worker *worker, unsigned long long round)
{
	redisAppendCommand(worker->redis, "BLPOP go:%llu:%llu 0", round,
			   (unsigned long long)worker->number);
	freeReplyObject(get_reply(worker));
}

static void add_vectors(struct worker *worker, unsigned long long round, double *sums)
{
	memset(sums, 0, worker->length * sizeof *sums);
	for (uint64_t i = 0; i < worker->workers; i++)
		redisAppendCommand(worker->redis, "GET vector:%llu:%llu", round,
				   (unsigned long long)i);
	for (uint64_t i = 0; i < worker->workers; i++) {
		redisReply *reply = get_reply(worker);

		if (reply->type != REDIS_REPLY_STRING ||
		    (size_t)reply->len != worker->length * sizeof *sums)
			die("a vector is missing");
		for (uint64_t j = 0; j < worker->length; j++) {
			double value;

			memcpy(&value, reply->str + j * sizeof value, sizeof value);
			sums[j] += value;
		}
		freeReplyObject(reply);
	}
}

static void reduce(void *context, uint64_t round, const double *partial, double *sums)
{
	struct worker *worker = context;
	unsigned long long number = worker->number;
	redisReply *reply;
	bool is_last;

	/* The vector of the round before the last is not read any more. */
	redisAppendCommand(worker->redis, "DEL vector:%llu:%llu", (unsigned long long)round - 2,
			   number);
	redisAppendCommand(worker->redis, "SET vector:%llu:%llu %b", (unsigned long long)round,
			   number, partial, worker->length * sizeof *partial);
	redisAppendCommand(worker->redis, "INCR come:%llu", (unsigned long long)round);
	freeReplyObject(get_reply(worker));
	freeReplyObject(get_reply(worker));
	reply = get_reply(worker);
	is_last = (uint64_t)reply->integer == worker->workers;
	freeReplyObject(reply);
	if (is_last)
		release_others(worker, round);
	else
		wait_for_others(worker, round);
	add_vectors(worker, round, sums);
}

static void be_worker(const struct iterate_job *job, uint64_t number, int port,
		      struct iterate_times *times)
{
	struct worker worker = {.redis = redisConnect("127.0.0.1", port),
				.number = number,
				.workers = job->workers,
				.length = iterate_length(job)};

	if (!worker.redis || worker.redis->err)
		die("cannot connect");
	iterate(job, number, reduce, &worker, times);
	redisFree(worker.redis);
}

/* What an earlier run has left would be taken for this one's. */
static void forget_all(int port)
{
	struct worker worker = {.redis = redisConnect("127.0.0.1", port)};

	if (!worker.redis || worker.redis->err)
		die("cannot connect");
	redisAppendCommand(worker.redis, "FLUSHALL");
	freeReplyObject(get_reply(&worker));
	redisFree(worker.redis);
}

int main(int argc, char **argv)
{
	struct iterate_job job = iterate_job(argc, argv);
	const char *port = getenv("REDIS_PORT");
	struct iterate_times *times =
		mmap(NULL, job.workers * sizeof *times, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool failed = false;

	if (times == MAP_FAILED || !port)
		die("no memory, or no REDIS_PORT");
	forget_all(atoi(port));
	for (uint64_t i = 0; i < job.workers; i++)
		if (fork() == 0) {
			be_worker(&job, i, atoi(port), &times[i]);
			fflush(stdout);
			_exit(EXIT_SUCCESS);
		}
	for (uint64_t i = 0; i < job.workers; i++) {
		int status = 1;

		wait(&status);
		failed |= status != 0;
	}
	if (failed)
		die("a worker failed");
	iterate_print("redis", &job, times);
	return EXIT_SUCCESS;
}
