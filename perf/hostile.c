/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/hostile.h"
#include "perf/clock.h"
#include "perf/error.h"

#include <dso/dso.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASKERS      1000
#define OPENERS     4 /* threads: with more, all awake, the scheduler would be measured */
#define OPEN_EACH   50
#define LISTED      2000
#define OFTEN       20000
#define MANY        8000
#define TOUCHED_MIB 2048
#define LOAD_NICE   19
#define NOTHING_NS  (12 * DSO_SECOND) /* about as long as the longest load takes */
#define LOAD_NS     (3 * DSO_SECOND)

static const char *load_url;

/* ---- the bystander, a process of its own ---- */

struct seen {
	int64_t ping_ns, operation_ns; /* the worst */
	uint64_t rounds;
	int error;
};

static sig_atomic_t is_over;

static void end(int signal_number)
{
	(void)signal_number;
	is_over = 1;
}

static void measure(struct dso_session *session, struct dso_mutex *mutex, struct seen *seen)
{
	int64_t begin_ns, ping_ns;

	seen->error = dso_ping(session, &ping_ns);
	if (seen->error)
		return;
	begin_ns = clock_ns();
	seen->error = dso_mutex_lock(mutex, DSO_FOREVER, NULL);
	if (seen->error == 0)
		seen->error = dso_mutex_unlock(mutex);
	if (clock_ns() - begin_ns > seen->operation_ns)
		seen->operation_ns = clock_ns() - begin_ns;
	if (ping_ns > seen->ping_ns)
		seen->ping_ns = ping_ns;
	seen->rounds++;
}

__attribute__((noreturn)) static void stand_by(const char *url, int output)
{
	struct dso_session *session;
	struct dso_mutex *mutex;
	struct seen seen = {0};

	signal(SIGTERM, end);
	seen.error = dso_open(url, NULL, &session);
	if (seen.error == 0)
		seen.error = dso_mutex_open(session, "bystander", NULL, &mutex);
	if (write(output, "", 1) != 1)
		_exit(1);
	while (seen.error == 0 && !is_over) {
		measure(session, mutex, &seen);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	_exit(write(output, &seen, sizeof seen) != sizeof seen);
}

/* ---- loads ---- */

static struct dso_session *open_load(void)
{
	struct dso_session *session;

	if (dso_open(load_url, NULL, &session)) {
		report_error("", dso_error(NULL));
		exit(1);
	}
	return session;
}

static int check(struct dso_session *session, int r)
{
	if (r)
		report_error("the load lost: ", dso_error(session));
	return r;
}

static int load_nothing(void)
{
	nanosleep(&(struct timespec){.tv_sec = NOTHING_NS / DSO_SECOND}, NULL);
	return 0;
}

/* A thread with its sessions, and its result. */
struct loader {
	pthread_t thread;
	struct dso_session *session, *sessions[OPEN_EACH];
	int result;
};

/* Have @count threads run @body. Returns the result of the first that failed, or 0. */
static int run_loaders(struct loader *loaders, unsigned count, void *(*body)(void *argument))
{
	unsigned started = 0;
	int r = 0;

	for (; started < count && r == 0; started++)
		r = -pthread_create(&loaders[started].thread, NULL, body, &loaders[started]);
	for (unsigned i = 0; i < started - (r != 0); i++) {
		pthread_join(loaders[i].thread, NULL);
		r = r ? r : loaders[i].result;
	}
	return r;
}

static void *open_often(void *argument)
{
	struct loader *loader = argument;
	struct dso_counter *counter;

	for (unsigned i = 0; i < OPEN_EACH && loader->result == 0; i++) {
		loader->sessions[i] = open_load();
		for (unsigned j = 0; j < OFTEN && loader->result == 0; j++)
			loader->result = check(
				loader->sessions[i],
				dso_counter_open(loader->sessions[i], "often", NULL, &counter));
	}
	return NULL;
}

static void *end_often(void *argument)
{
	struct loader *loader = argument;

	for (unsigned i = 0; i < OPEN_EACH; i++) {
		if (loader->result == 0)
			loader->result =
				check(loader->sessions[i], dso_ping(loader->sessions[i], NULL));
		dso_close(loader->sessions[i]);
	}
	return NULL;
}

/* One object, open by many sessions many times each, is deleted. */
static int load_open_often(void)
{
	static struct loader loaders[OPENERS];
	struct dso_session *deleter = open_load();
	int r = run_loaders(loaders, OPENERS, open_often);

	if (r == 0)
		r = check(deleter, dso_object_delete(deleter, "often"));
	r = r ? r : run_loaders(loaders, OPENERS, end_often);
	dso_close(deleter);
	return r;
}

/* The thousands of objects of a session are deleted, one after the other. */
static int load_delete_many(void)
{
	struct dso_session *victim = open_load(), *deleter = open_load();
	struct dso_counter *counter;
	char name[32];
	int r = 0;

	for (unsigned i = 0; i < MANY && r == 0; i++) {
		snprintf(name, sizeof name, "many %u", i);
		r = dso_counter_open(victim, name, NULL, &counter);
	}
	for (unsigned i = 0; i < MANY && r == 0; i++) {
		snprintf(name, sizeof name, "many %u", i);
		r = dso_object_delete(deleter, name);
	}
	r = r ? r : check(victim, dso_ping(victim, NULL));
	dso_close(victim);
	dso_close(deleter);
	return r;
}

static int pass_stat(const struct dso_stat *stat, void *context)
{
	(void)stat;
	(void)context;
	return 0;
}

static int pass_hold(const struct dso_hold *hold, void *context)
{
	(void)hold;
	(void)context;
	return 0;
}

static void *ask(void *argument)
{
	struct loader *loader = argument;
	int64_t end_ns = clock_ns() + LOAD_NS;

	loader->session = open_load();
	while (loader->result == 0 && clock_ns() < end_ns) {
		loader->result = dso_list(loader->session, pass_stat, NULL);
		if (loader->result == 0)
			loader->result = dso_holds(loader->session, pass_hold, NULL);
	}
	check(loader->session, loader->result);
	dso_close(loader->session);
	return NULL;
}

static int load_listings(void)
{
	static struct loader loaders[ASKERS];
	struct dso_session *session = open_load();
	struct dso_mutex *mutex;
	char name[32];
	int r = 0;

	for (unsigned i = 0; i < LISTED && r == 0; i++) {
		snprintf(name, sizeof name, "listed %u", i);
		r = dso_mutex_open(session, name, NULL, &mutex);
	}
	r = r ? r : run_loaders(loaders, ASKERS, ask);
	dso_close(session);
	return r;
}

/* Memory that was written everywhere is deleted and created anew: the open waits until enough of it
 * is zeroed. */
static int load_zeroing(void)
{
	struct dso_memory_params params = {.size_bytes = (uint64_t)TOUCHED_MIB << 20};
	struct dso_session *session = open_load();
	static char bytes[1 << 20];
	struct dso_memory *memory;
	int r = dso_memory_open(session, "touched", &params, &memory);

	memset(bytes, 1, sizeof bytes);
	for (uint64_t at = 0; r == 0 && at < params.size_bytes; at += sizeof bytes)
		r = dso_memory_write(memory, at, bytes, sizeof bytes);
	if (r == 0) {
		dso_memory_close(memory);
		r = dso_object_delete(session, "touched");
	}
	r = r ? r : dso_memory_open(session, "touched", &params, &memory);
	check(session, r);
	dso_object_delete(session, "touched");
	dso_close(session);
	return r;
}

static const struct {
	const char *name;
	int (*run)(void);
} loads[] = {
	{"nothing", load_nothing},         {"open-often", load_open_often},
	{"delete-many", load_delete_many}, {"listings", load_listings},
	{"zeroing", load_zeroing},
};

/* ---- a row ---- */

static void print(const char *name, const struct seen *seen, int r, bool json)
{
	double ping_ms = (double)seen->ping_ns / 1e6,
	       operation_ms = (double)seen->operation_ns / 1e6;
	bool lost = seen->error || r;

	if (json)
		printf("{\"load\": \"%s\", \"ping_worst_ms\": %.1f, \"operation_worst_ms\": %.1f, "
		       "\"rounds\": %ju, \"lost\": %s}\n",
		       name, ping_ms, operation_ms, (uintmax_t)seen->rounds,
		       lost ? "true" : "false");
	else
		printf("%-12s %10.1f %15.1f %8ju  %s\n", name, ping_ms, operation_ms,
		       (uintmax_t)seen->rounds, lost ? "a session" : "-");
}

static int run(unsigned load, const char *bystander_url, bool json)
{
	struct seen seen = {.error = -1};
	int fds[2], r;
	char byte;
	pid_t pid;

	if (pipe(fds) || (pid = fork()) < 0) {
		perror("dso-perf");
		return 1;
	}
	if (pid == 0)
		stand_by(bystander_url, fds[1]);
	close(fds[1]);
	/* A load stands for other hosts: it may take storaged's time, but not its processors. The
	 * threads of the load are begun after this. */
	setpriority(PRIO_PROCESS, 0, LOAD_NICE);
	r = read(fds[0], &byte, 1) == 1 ? loads[load].run() : -1;
	kill(pid, SIGTERM);
	if (read(fds[0], &seen, sizeof seen) != sizeof seen)
		fprintf(stderr, "dso-perf: the bystander ended\n");
	waitpid(pid, NULL, 0);
	close(fds[0]);
	print(loads[load].name, &seen, r, json);
	return r || seen.error;
}

int hostile_main(int argc, char **argv)
{
	bool json = argc == 6 && !strcmp(argv[5], "--json");

	for (unsigned i = 0; i < sizeof loads / sizeof *loads && (argc == 5 || json); i++) {
		if (strcmp(argv[2], loads[i].name))
			continue;
		load_url = argv[4];
		return run(i, argv[3], json);
	}
	fprintf(stderr, "usage: dso-perf hostile LOAD BYSTANDER-URL LOAD-URL [--json]\nloads:");
	for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++)
		fprintf(stderr, " %s", loads[i].name);
	fprintf(stderr, "\n");
	return 2;
}
