/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer-lock redis|zookeeper PORT [SESSIONS]: the locks of other systems, through their own C
 * clients, measured as dso-perf lock measures ours. For perf/compare-locks; prints a JSON object a
 * row.
 *
 * redis: SET NX PX with a token; unlocked by a script (EVALSHA) that compares the token, deletes
 * and publishes. A waiter has subscribed to that, as in redisson, instead of asking again and
 * again. zookeeper: the recipe for locks of its documentation: an ephemeral node with a sequence
 * number; a client that does not have the lowest number watches the node before its own.
 */
#include "perf/clock.h"
#include "perf/histogram.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#define SESSIONS_MAX 256
#define ROUND_NS     INT64_C(1000000000)
#define HAND_OVERS   200
#define HOLD_NS      2000000
#define WAIT_S       30

atomic_bool run_stopped;

struct lane {
	pthread_t thread;
	const struct peer *peer;
	redisContext *redis, *subscribed;
	zhandle_t *zookeeper;
	char token[64]; /* redis: the value; zookeeper: the node */
	sem_t gone;     /* zookeeper: the node before was deleted */
	int64_t until_ns;
	uint64_t pairs;
	struct histogram latencies;
};

struct peer {
	const char *name;
	void (*open)(struct lane *lane, int port);
	void (*lock)(struct lane *lane);
	void (*unlock)(struct lane *lane);
};

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "peer-lock: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* ---- redis ---- */

static char unlock_sha[64];

static redisContext *redis_connect(int port)
{
	struct timeval timeout = {.tv_sec = WAIT_S};
	redisContext *redis = redisConnectWithTimeout("127.0.0.1", port, timeout);

	if (!redis || redis->err || redisSetTimeout(redis, timeout))
		give_up("cannot connect to redis on port %d", port);
	return redis;
}

/* Of a command on the lane's connection; not NULL. */
static redisReply *checked(const struct lane *lane, void *reply)
{
	if (!reply || ((redisReply *)reply)->type == REDIS_REPLY_ERROR)
		give_up("redis: %s", reply ? ((redisReply *)reply)->str : lane->redis->errstr);
	return reply;
}

static void redis_open(struct lane *lane, int port)
{
	redisReply *reply;

	lane->redis = redis_connect(port);
	snprintf(lane->token, sizeof lane->token, "%p", (void *)lane);
	reply = checked(lane, redisCommand(lane->redis, "SCRIPT LOAD %s",
					   "if redis.call('get', KEYS[1]) == ARGV[1] then "
					   "redis.call('del', KEYS[1]) "
					   "redis.call('publish', KEYS[1], 'free') "
					   "return 1 else return 0 end"));
	snprintf(unlock_sha, sizeof unlock_sha, "%s", reply->str);
	freeReplyObject(reply);
	lane->subscribed = redis_connect(port);
	freeReplyObject(redisCommand(lane->subscribed, "SUBSCRIBE lock"));
}

static bool redis_try(struct lane *lane)
{
	redisReply *reply =
		checked(lane, redisCommand(lane->redis, "SET lock %s NX PX 30000", lane->token));
	bool taken = reply->type == REDIS_REPLY_STATUS;

	freeReplyObject(reply);
	return taken;
}

/* Wait until the lock is published as free; what was published before is of no use any more. */
static void redis_wait(struct lane *lane)
{
	void *reply;

	if (redisGetReply(lane->subscribed, &reply))
		give_up("redis: nobody unlocked: %s", lane->subscribed->errstr);
	do
		freeReplyObject(reply);
	while (redisReaderGetReply(lane->subscribed->reader, &reply) == REDIS_OK && reply);
}

static void redis_lock(struct lane *lane)
{
	while (!redis_try(lane))
		redis_wait(lane);
}

static void redis_unlock(struct lane *lane)
{
	redisReply *reply = checked(
		lane, redisCommand(lane->redis, "EVALSHA %s 1 lock %s", unlock_sha, lane->token));

	if (reply->integer != 1)
		give_up("redis: unlocked what was not locked");
	freeReplyObject(reply);
}

/* ---- zookeeper ---- */

static void zookeeper_check(int result, const char *what)
{
	if (result != ZOK)
		give_up("zookeeper: %s: %s", what, zerror(result));
}

static void on_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	struct lane *lane = context;

	(void)handle, (void)state, (void)path;
	if (type == ZOO_DELETED_EVENT || type == ZOO_SESSION_EVENT)
		sem_post(&lane->gone);
}

static void zookeeper_open(struct lane *lane, int port)
{
	char host[32];
	int result;

	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	sem_init(&lane->gone, 0, 0);
	snprintf(host, sizeof host, "127.0.0.1:%d", port);
	lane->zookeeper = zookeeper_init(host, on_event, WAIT_S * 1000, NULL, lane, 0);
	if (!lane->zookeeper)
		give_up("zookeeper: cannot connect to port %d", port);
	sem_wait(&lane->gone); /* connected */
	result = zoo_create(lane->zookeeper, "/lock", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
	if (result != ZNODEEXISTS)
		zookeeper_check(result, "create");
}

/* The name before the lane's own among @names, or NULL when it is the lowest. */
static const char *before(const struct lane *lane, const struct String_vector *names)
{
	const char *own = lane->token + strlen("/lock/"), *found = NULL;

	for (int32_t i = 0; i < names->count; i++)
		if (strcmp(names->data[i], own) < 0 &&
		    (!found || strcmp(names->data[i], found) > 0))
			found = names->data[i];
	return found;
}

static void zookeeper_lock(struct lane *lane)
{
	char path[128];

	zookeeper_check(zoo_create(lane->zookeeper, "/lock/n-", NULL, -1, &ZOO_OPEN_ACL_UNSAFE,
				   ZOO_EPHEMERAL | ZOO_SEQUENCE, lane->token, sizeof lane->token),
			"create");
	for (;;) {
		struct String_vector names;
		const char *other;
		int result;

		zookeeper_check(zoo_get_children(lane->zookeeper, "/lock", 0, &names),
				"get_children");
		other = before(lane, &names);
		if (other)
			snprintf(path, sizeof path, "/lock/%s", other);
		deallocate_String_vector(&names);
		if (!other)
			return;
		result = zoo_wexists(lane->zookeeper, path, on_event, lane, NULL);
		if (result == ZOK)
			sem_wait(&lane->gone);
		else if (result != ZNONODE)
			zookeeper_check(result, "exists");
	}
}

static void zookeeper_unlock(struct lane *lane)
{
	zookeeper_check(zoo_delete(lane->zookeeper, lane->token, -1), "delete");
}

static const struct peer peers[] = {
	{"redis", redis_open, redis_lock, redis_unlock},
	{"zookeeper", zookeeper_open, zookeeper_lock, zookeeper_unlock},
};

/* ---- what is measured ---- */

static struct lane lanes[SESSIONS_MAX];
static _Atomic uint64_t inside; /* counted by load and store, under the lock */

static void print(const char *op, unsigned sessions, const struct histogram *latencies, double rate)
{
	printf("{\"transport\":\"%s\",\"op\":\"%s\",\"sessions\":%u,\"p50_ns\":%" PRIu64
	       ",\"p99_ns\":%" PRIu64 ",\"rate_per_s\":%.6g}\n",
	       lanes[0].peer->name, op, sessions, histogram_percentile(latencies, 50),
	       histogram_percentile(latencies, 99), rate);
}

static void alone(struct lane *lane)
{
	static struct histogram latencies;
	int64_t begin_ns = clock_ns(), now_ns = begin_ns;

	while (now_ns - begin_ns < ROUND_NS) {
		int64_t at_ns = now_ns;

		lane->peer->lock(lane);
		lane->peer->unlock(lane);
		now_ns = clock_ns();
		histogram_add(&latencies, (uint64_t)(now_ns - at_ns));
	}
	print("lock", 1, &latencies, 1e9 / histogram_mean(&latencies));
}

struct hand_over {
	sem_t go, done;
	int64_t got_ns;
};

static struct hand_over hand_over;

static void *wait_main(void *argument)
{
	struct lane *lane = argument;

	for (unsigned i = 0; i < HAND_OVERS; i++) {
		sem_wait(&hand_over.go);
		lane->peer->lock(lane);
		hand_over.got_ns = clock_ns();
		lane->peer->unlock(lane);
		sem_post(&hand_over.done);
	}
	return NULL;
}

/* From the unlock to the return of a waiter's lock. */
static void handed_over(void)
{
	static struct histogram latencies;
	struct lane *lane = &lanes[0];

	sem_init(&hand_over.go, 0, 0);
	sem_init(&hand_over.done, 0, 0);
	if (pthread_create(&lanes[1].thread, NULL, wait_main, &lanes[1]))
		give_up("cannot start a thread");
	for (unsigned i = 0; i < HAND_OVERS; i++) {
		int64_t begin_ns;

		lane->peer->lock(lane);
		sem_post(&hand_over.go);
		nanosleep(&(struct timespec){.tv_nsec = HOLD_NS}, NULL);
		begin_ns = clock_ns();
		lane->peer->unlock(lane);
		sem_wait(&hand_over.done);
		histogram_add(&latencies, (uint64_t)(hand_over.got_ns - begin_ns));
	}
	pthread_join(lanes[1].thread, NULL);
	print("hand-over-parked", 2, &latencies, 1e9 / histogram_mean(&latencies));
}

static void *contend_main(void *argument)
{
	struct lane *lane = argument;

	while (clock_ns() < lane->until_ns) {
		int64_t begin_ns = clock_ns();
		uint64_t count;

		lane->peer->lock(lane);
		count = atomic_load_explicit(&inside, memory_order_relaxed);
		atomic_store_explicit(&inside, count + 1, memory_order_relaxed);
		lane->pairs++;
		lane->peer->unlock(lane);
		histogram_add(&lane->latencies, (uint64_t)(clock_ns() - begin_ns));
	}
	return NULL;
}

static void contended(unsigned count)
{
	struct histogram latencies = {0};
	int64_t begin_ns = clock_ns();
	uint64_t pairs = 0;

	inside = 0;
	for (unsigned i = 0; i < count; i++) {
		lanes[i].until_ns = begin_ns + ROUND_NS;
		lanes[i].pairs = 0;
		lanes[i].latencies = (struct histogram){0};
		if (pthread_create(&lanes[i].thread, NULL, contend_main, &lanes[i]))
			give_up("cannot start a thread");
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(lanes[i].thread, NULL);
		pairs += lanes[i].pairs;
		histogram_merge(&latencies, &lanes[i].latencies);
	}
	if (inside != pairs)
		give_up("%s: two had the lock at once", lanes[0].peer->name);
	print("lock-contended", count, &latencies,
	      (double)pairs * 1e9 / (double)(clock_ns() - begin_ns));
}

int main(int argc, char **argv)
{
	int sessions = argc > 3 ? atoi(argv[3]) : 32, port = argc > 2 ? atoi(argv[2]) : 0;
	const struct peer *peer = NULL;

	for (size_t i = 0; argc > 2 && i < sizeof peers / sizeof *peers; i++)
		if (!strcmp(argv[1], peers[i].name))
			peer = &peers[i];
	if (!peer || port < 1 || sessions < 2 || sessions > SESSIONS_MAX) {
		fprintf(stderr, "usage: peer-lock redis|zookeeper PORT [SESSIONS, 2 to %d]\n",
			SESSIONS_MAX);
		return 2;
	}
	for (int i = 0; i < sessions; i++) {
		lanes[i].peer = peer;
		peer->open(&lanes[i], port);
	}
	alone(&lanes[0]);
	handed_over();
	contended(2);
	contended((unsigned)sessions);
	return 0;
}
