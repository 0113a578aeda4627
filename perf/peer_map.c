/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer-map redis|memcached PORT WORKLOAD KEYS VALUE-BYTES THREADS SECONDS: the workloads of
 * dso-perf map on Redis, through hiredis, or memcached, through libmemcached, one command at a
 * time. For perf/compare-map; prints a JSON object.
 */
#include "perf/clock.h"
#include "perf/map_row.h"

#include <hiredis/hiredis.h>
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_S 30

atomic_bool run_stopped;
static int port;
static struct map_load load;

/* ---- Redis ---- */

static int redis_open(void *context, unsigned thread, void **ret_handle, char why[static 256])
{
	struct timeval timeout = {.tv_sec = WAIT_S};
	redisContext *redis = redisConnectWithTimeout("127.0.0.1", port, timeout);

	(void)context, (void)thread;
	*ret_handle = redis;
	if (!redis || redis->err || redisSetTimeout(redis, timeout)) {
		snprintf(why, 256, "cannot connect to redis on port %d", port);
		return -1;
	}
	return 0;
}

static void redis_close(void *handle)
{
	redisFree(handle);
}

static int redis_failed(redisContext *redis, redisReply *reply, char why[static 256])
{
	if (reply && reply->type != REDIS_REPLY_ERROR)
		return 0;
	snprintf(why, 256, "redis: %s", reply ? reply->str : redis->errstr);
	freeReplyObject(reply);
	return -1;
}

static int redis_get(void *handle, const char *key, size_t key_bytes, void *value, size_t room,
		     size_t *ret_bytes, char why[static 256])
{
	redisReply *reply = redisCommand(handle, "GET %b", key, key_bytes);
	int r = redis_failed(handle, reply, why);

	if (r)
		return r;
	if (reply->type == REDIS_REPLY_STRING && reply->len <= room) {
		memcpy(value, reply->str, reply->len);
		*ret_bytes = reply->len;
	} else {
		r = 1;
	}
	freeReplyObject(reply);
	return r;
}

static int redis_put(void *handle, const char *key, size_t key_bytes, const void *value,
		     size_t value_bytes, char why[static 256])
{
	redisReply *reply = redisCommand(handle, "SET %b %b", key, key_bytes, value, value_bytes);
	int r = redis_failed(handle, reply, why);

	if (r == 0)
		freeReplyObject(reply);
	return r;
}

/* ---- memcached ---- */

static int cache_failed(memcached_st *memcached, memcached_return_t r, char why[static 256])
{
	snprintf(why, 256, "memcached: %s", memcached_strerror(memcached, r));
	return -1;
}

static int cache_open(void *context, unsigned thread, void **ret_handle, char why[static 256])
{
	memcached_st *memcached = memcached_create(NULL);
	memcached_return_t r;

	(void)context, (void)thread;
	*ret_handle = memcached;
	memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1);
	memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
	r = memcached_server_add(memcached, "127.0.0.1", (in_port_t)port);
	return r == MEMCACHED_SUCCESS ? 0 : cache_failed(memcached, r, why);
}

static void cache_close(void *handle)
{
	memcached_free(handle);
}

static int cache_get(void *handle, const char *key, size_t key_bytes, void *value, size_t room,
		     size_t *ret_bytes, char why[static 256])
{
	memcached_return_t r;
	uint32_t flags;
	char *got = memcached_get(handle, key, key_bytes, ret_bytes, &flags, &r);

	if (r == MEMCACHED_NOTFOUND)
		return 1;
	if (r != MEMCACHED_SUCCESS || *ret_bytes > room)
		return cache_failed(handle, r, why);
	memcpy(value, got, *ret_bytes);
	free(got);
	return 0;
}

static int cache_put(void *handle, const char *key, size_t key_bytes, const void *value,
		     size_t value_bytes, char why[static 256])
{
	memcached_return_t r = memcached_set(handle, key, key_bytes, value, value_bytes, 0, 0);

	return r == MEMCACHED_SUCCESS ? 0 : cache_failed(handle, r, why);
}

static const struct {
	const char *name;
	struct map_store store;
} systems[] = {
	{"redis", {redis_open, redis_close, redis_get, redis_put}},
	{"memcached", {cache_open, cache_close, cache_get, cache_put}},
};

int main(int argc, char **argv)
{
	unsigned system = argc > 1 && !strcmp(argv[1], "memcached");

	if (argc != 8) {
		fprintf(stderr, "usage: peer-map redis|memcached PORT WORKLOAD KEYS VALUE-BYTES "
				"THREADS SECONDS\n");
		return 2;
	}
	port = atoi(argv[2]);
	load.store = &systems[system].store;
	load.value_bytes = strtoull(argv[5], NULL, 10);
	load.threads = (unsigned)atoi(argv[6]);
	load.duration_ns = (int64_t)(atof(argv[7]) * 1e9);
	if (!workload_begin(&load.workload, *argv[3], false, strtoull(argv[4], NULL, 10)))
		return 2;
	if (map_load_run(&load)) {
		fprintf(stderr, "peer-map: %s\n", load.why);
		return EXIT_FAILURE;
	}
	map_row_print_json(systems[system].name, &load, 0);
	return 0;
}
