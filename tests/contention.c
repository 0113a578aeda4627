/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen processes (threads for an embedded store) add 1 to one word 100,000 times each: the sum
 * must be exact and every value before an addition must have been seen once. contention
 * TRANSPORT[,TRANSPORT...] [ADDITIONS]: process i uses the i-th transport, in turn, so that several
 * meet on the word. CONTENTION_ADDITIONS in the environment gives another number too (a sanitizer's
 * run).
 */
#include <dso/dso.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/child.h"
#include "tests/daemon.h"
#include "tests/fsck.h"

#define WORKERS 16
#define DEPTH   32

static struct daemon_process storage;
static const char *transports[WORKERS];
static long additions = 40000;
static uint8_t *seen; /* shared by all: how often each value before was returned */

static const char *url_of(const char *transport)
{
	const char *given = getenv("DSO_URL");

	if (!strcmp(transport, "embedded"))
		return "embedded:contention";
	return given ? given : daemon_url(&storage, transport);
}

static int open_word(const char *transport, struct dso_session **session,
		     struct dso_counter **counter)
{
	struct dso_options options = {.transport =
					      strcmp(transport, "embedded") ? transport : NULL};

	if (dso_open(url_of(transport), &options, session)) {
		fprintf(stderr, "contention: %s\n", dso_error(NULL));
		return -1;
	}
	if (dso_counter_open(*session, "contended", NULL, counter)) {
		fprintf(stderr, "contention: %s\n", dso_error(*session));
		return -1;
	}
	return 0;
}

static bool take(uint64_t before)
{
	if (before >= (uint64_t)(WORKERS * additions))
		return false;
	return __atomic_fetch_add(&seen[before], 1, __ATOMIC_RELAXED) == 0;
}

/* Half of the additions one at a time, half of them DEPTH at once. Returns 0 when all went well. */
static int add(const char *transport)
{
	struct dso_completion completions[DEPTH];
	struct dso_session *session;
	struct dso_counter *counter;
	long left = additions / 2, submitted, reaped;
	int64_t before;
	size_t got;

	if (open_word(transport, &session, &counter))
		return 1;
	for (long i = 0; i < additions - left; i++)
		if (dso_counter_add(counter, 1, &before) || !take((uint64_t)before))
			goto failed;
	for (submitted = reaped = 0; reaped < left; reaped += (long)got) {
		for (; submitted < left && submitted - reaped < DEPTH; submitted++)
			if (dso_counter_add_submit(counter, 1, (uint64_t)submitted))
				goto failed;
		if (dso_reap(session, completions, DEPTH, 20 * DSO_SECOND, &got))
			goto failed;
		for (size_t i = 0; i < got; i++)
			if (completions[i].status || !take(completions[i].value))
				goto failed;
	}
	dso_close(session);
	return 0;
failed:
	fprintf(stderr, "contention over %s: %s\n", transport, dso_error(session));
	dso_close(session);
	return 1;
}

static void *add_in_thread(void *transport)
{
	return (void *)(intptr_t)add(transport);
}

static int run_threads(void)
{
	pthread_t threads[WORKERS];
	void *result;
	int failed = 0;

	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&threads[i], NULL, add_in_thread,
				   (void *)(uintptr_t)transports[i]))
			abort();
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], &result);
		failed += result != NULL;
	}
	return failed;
}

static int run_processes(void)
{
	pid_t workers[WORKERS];
	int failed = 0;

	for (int i = 0; i < WORKERS; i++) {
		workers[i] = child_fork();
		if (workers[i] == 0)
			_exit(add(transports[i]));
	}
	for (int i = 0; i < WORKERS; i++)
		failed += child_status(workers[i]) != 0;
	return failed;
}

static void choose_transports(char *list)
{
	const char *names[WORKERS];
	int count = 0;

	for (char *name = strtok(list, ","); name && count < WORKERS; name = strtok(NULL, ","))
		names[count++] = name;
	for (int i = 0; i < WORKERS; i++)
		transports[i] = names[i % count];
}

int main(int argc, char **argv)
{
	struct dso_session *session;
	struct dso_counter *counter;
	bool embedded, own;
	int64_t sum = 0;
	int failed;

	if (argc < 2)
		return 2;
	embedded = !strcmp(argv[1], "embedded");
	own = !embedded && !getenv("DSO_URL");
	choose_transports(strdup(argv[1]));
	if (argc > 2 || getenv("CONTENTION_ADDITIONS"))
		additions = atol(argc > 2 ? argv[2] : getenv("CONTENTION_ADDITIONS"));
	seen = mmap(NULL, (size_t)(WORKERS * additions), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (own)
		daemon_start(&storage, NULL);
	printf("1..1\n");
	fflush(stdout);
	failed = embedded ? 0 : run_processes();
	if (open_word(transports[0], &session, &counter))
		return 1;
	if (embedded)
		failed = run_threads();
	if (dso_counter_get(counter, &sum))
		failed++;
	dso_counter_close(counter);
	fsck_until_clean(session);
	dso_close(session);
	if (own)
		failed += daemon_stop(&storage) != 0;
	if (sum != WORKERS * additions)
		failed++;
	printf("%sok 1 - %d workers x %ld additions over %s end at %lld\n", failed ? "not " : "",
	       WORKERS, additions, argv[1], (long long)sum);
	return failed != 0;
}
