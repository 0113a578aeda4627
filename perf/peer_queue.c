/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer-queue PORT: lists of Redis as queues, through hiredis, measured as dso-perf queue measures
 * ours. For perf/compare-queue; prints a JSON object a row.
 *
 * Items are of ITEM_BYTES. One at a time each command waits for its reply; "many" are MANY commands
 * in one pipeline. A consumer that waits does so in BRPOP.
 */
#include "perf/clock.h"
#include "perf/histogram.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_BYTES    64
#define MANY          32
#define IN_A_ROW      256
#define TURNS         100
#define BLOCKED       200
#define PARKED_NS     2000000
#define CONTEST_NS    INT64_C(1000000000)
#define CONSUMERS_MAX 16
#define WAIT_S        30

atomic_bool run_stopped;

/* One who pushes or pops, with a connection. */
struct end {
	pthread_t thread;
	redisContext *redis;
	int64_t until_ns, last_ns; /* the last when an item came */
	uint64_t done;
	unsigned many;
};

static struct end ends[1 + CONSUMERS_MAX];
static char item[ITEM_BYTES];
static _Atomic unsigned producers; /* that push yet */

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "peer-queue: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void print(const char *op, unsigned sessions, const struct histogram *latencies, double rate)
{
	printf("{\"transport\":\"redis\",\"op\":\"%s\",\"sessions\":%u,\"p50_ns\":%.6g,"
	       "\"rate_per_s\":%.6g}\n",
	       op, sessions, (double)histogram_percentile(latencies, 50) / 1000, rate);
}

/* ---- commands ---- */

static void connect_to(struct end *end, int port)
{
	struct timeval timeout = {.tv_sec = WAIT_S};

	end->redis = redisConnectWithTimeout("127.0.0.1", port, timeout);
	if (!end->redis || end->redis->err || redisSetTimeout(end->redis, timeout))
		give_up("cannot connect to redis on port %d", port);
}

/* The reply to the oldest command; true: it has an item. */
static bool get_reply(struct end *end)
{
	void *got = NULL;
	redisReply *reply;
	bool has_item;

	if (redisGetReply(end->redis, &got) || !got)
		give_up("redis: %s", end->redis->errstr);
	reply = got;
	if (reply->type == REDIS_REPLY_ERROR)
		give_up("redis: %s", reply->str);
	has_item = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_ARRAY;
	if (reply->type == REDIS_REPLY_STRING && reply->len != ITEM_BYTES)
		give_up("redis: an item of %zu bytes", reply->len);
	freeReplyObject(reply);
	return has_item;
}

static void push(struct end *end, unsigned many)
{
	for (unsigned i = 0; i < many; i++)
		redisAppendCommand(end->redis, "LPUSH queue %b", item, sizeof item);
	for (unsigned i = 0; i < many; i++)
		get_reply(end);
}

/* Returns how many of @many there were. */
static unsigned pop(struct end *end, unsigned many)
{
	unsigned count = 0;

	for (unsigned i = 0; i < many; i++)
		redisAppendCommand(end->redis, "RPOP queue");
	for (unsigned i = 0; i < many; i++)
		count += get_reply(end);
	return count;
}

/* Returns whether there was an item within a second. */
static bool pop_blocking(struct end *end)
{
	redisAppendCommand(end->redis, "BRPOP queue 1");
	return get_reply(end);
}

/* ---- one end at a time ---- */

static void in_and_out(unsigned many, const char *push_op, const char *pop_op)
{
	static struct histogram pushes, pops;

	memset(&pushes, 0, sizeof pushes);
	memset(&pops, 0, sizeof pops);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		int64_t begin_ns = clock_ns(), middle_ns;
		unsigned popped = 0;

		for (unsigned i = 0; i < IN_A_ROW; i += many)
			push(&ends[0], many);
		middle_ns = clock_ns();
		while (popped < IN_A_ROW)
			popped += pop(&ends[0], many);
		histogram_add(&pushes, (uint64_t)(middle_ns - begin_ns) * 1000 / IN_A_ROW);
		histogram_add(&pops, (uint64_t)(clock_ns() - middle_ns) * 1000 / IN_A_ROW);
	}
	print(push_op, 1, &pushes, 1e12 / histogram_mean(&pushes));
	print(pop_op, 1, &pops, 1e12 / histogram_mean(&pops));
}

/* ---- to one who waits ---- */

static sem_t go, popped;
static int64_t got_ns;

static void *blocked_main(void *argument)
{
	for (unsigned i = 0; i < BLOCKED; i++) {
		sem_wait(&go);
		while (!pop_blocking(argument))
			;
		got_ns = clock_ns();
		sem_post(&popped);
	}
	return NULL;
}

static void hand_over(void)
{
	static struct histogram latencies;

	sem_init(&go, 0, 0);
	sem_init(&popped, 0, 0);
	if (pthread_create(&ends[1].thread, NULL, blocked_main, &ends[1]))
		give_up("cannot start a thread");
	for (unsigned i = 0; i < BLOCKED; i++) {
		int64_t begin_ns;

		sem_post(&go);
		nanosleep(&(struct timespec){.tv_nsec = PARKED_NS}, NULL);
		begin_ns = clock_ns();
		push(&ends[0], 1);
		sem_wait(&popped);
		histogram_add(&latencies, (uint64_t)(got_ns - begin_ns) * 1000);
	}
	pthread_join(ends[1].thread, NULL);
	print("pop-blocked", 2, &latencies, 1e12 / histogram_mean(&latencies));
}

/* ---- both at once ---- */

static void *produce(void *argument)
{
	struct end *end = argument;

	for (; clock_ns() < end->until_ns; end->done += end->many)
		push(end, end->many);
	atomic_fetch_sub(&producers, 1);
	return NULL;
}

/* One at a time it waits for each item. */
static void *consume(void *argument)
{
	struct end *end = argument;
	unsigned count;
	bool last;

	do {
		last = atomic_load(&producers) == 0;
		count = end->many > 1 ? pop(end, end->many) : pop_blocking(end);
		end->done += count;
		if (count)
			end->last_ns = clock_ns();
	} while (count || !last);
	return NULL;
}

static void contest(const char *op, unsigned consumers, unsigned many)
{
	static const struct histogram none;
	int64_t begin_ns = clock_ns(), last_ns = begin_ns;
	uint64_t count = 0;

	producers = 1;
	for (unsigned i = 0; i <= consumers; i++) {
		ends[i].until_ns = begin_ns + CONTEST_NS;
		ends[i].done = 0;
		ends[i].last_ns = begin_ns;
		ends[i].many = many;
		if (pthread_create(&ends[i].thread, NULL, i ? consume : produce, &ends[i]))
			give_up("cannot start a thread");
	}
	pthread_join(ends[0].thread, NULL);
	for (unsigned i = 1; i <= consumers; i++) {
		pthread_join(ends[i].thread, NULL);
		count += ends[i].done;
		last_ns = ends[i].last_ns > last_ns ? ends[i].last_ns : last_ns;
	}
	if (count != ends[0].done)
		give_up("%" PRIu64 " items went in and %" PRIu64 " came out", ends[0].done, count);
	print(op, 1 + consumers, &none, (double)count * 1e9 / (double)(last_ns - begin_ns));
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 0;

	if (port < 1) {
		fprintf(stderr, "usage: peer-queue PORT\n");
		return 2;
	}
	memset(item, 'x', sizeof item);
	for (unsigned i = 0; i <= CONSUMERS_MAX; i++)
		connect_to(&ends[i], port);
	in_and_out(1, "push", "pop");
	in_and_out(MANY, "push-many", "pop-many");
	hand_over();
	contest("stream", 1, MANY);
	contest("stream-128", 1, 128);
	contest("stream-512", 1, 512);
	contest("stream-1024", 1, 1024);
	for (unsigned consumers = 1; consumers <= CONSUMERS_MAX; consumers *= 2)
		contest("pop-blocking", consumers, 1);
	return 0;
}
