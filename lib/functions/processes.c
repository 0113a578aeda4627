/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "process:": workers are processes of this host, started from this process's own binary. A thread,
 * the keeper, starts them, and starts another in the place of one that has ended, as each does
 * after one call with "process:?cold". A worker ends with the keeper (PR_SET_PDEATHSIG in
 * dso_function_main), so with this process.
 */
#include "lib/core/clock.h"
#include "lib/core/thread.h"
#include "lib/functions/executor.h"
#include "lib/functions/place.h"
#include "lib/functions/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* So many workers that end one after the other before any serves are not started again. */
#define VAIN_MAX 5
/* Between two starts in the place of one worker. */
#define PAUSE_NS (10 * DSO_MILLISECOND)
/* What workers have to end by themselves, and then by SIGTERM. */
#define GRACE_MS 500

struct process {
	pid_t pid;        /* 0: it is to be started */
	int64_t start_ns; /* when, at the earliest */
};

struct workers {
	struct workers_base base;
	struct workers_request request;
	pthread_t keeper;
	int stop_fd;   /* an eventfd: the keeper is to end the workers, and itself */
	int ready_fd;  /* an eventfd: workers count it up when they serve */
	int places_fd; /* of the memory of places */
	struct place *places;
	char **environment; /* of the workers */
	bool is_cold;       /* a worker runs one call */
	unsigned vain;      /* ends in a row without any worker that serves in between */
	_Atomic bool is_broken;
	char why[SENTENCE_BYTES_MAX + 1]; /* written before is_broken is */
	struct process *processes;
	pthread_mutex_t lock;  /* of the processes' numbers, which are the keeper's */
	struct pollfd *polled; /* stop_fd, then a pidfd for each process; -1: there is none */
};

/* ---- the environment of a worker ---- */

#define OWN_VARIABLES 7 /* the first ones, which are freed */

/* Whether @variable, "NAME=VALUE", has the name of one of the workers' own. */
static bool is_set_anew(char *const *own, const char *variable)
{
	for (size_t i = 0; i < OWN_VARIABLES; i++)
		if (strncmp(variable, own[i], strcspn(own[i], "=") + 1) == 0)
			return true;
	return false;
}

static void free_environment(struct workers *workers)
{
	for (unsigned i = 0; workers->environment && i < OWN_VARIABLES; i++)
		free(workers->environment[i]);
	free(workers->environment);
}

static int make_environment(struct workers *workers)
{
	const struct workers_request *request = &workers->request;
	size_t count = 0, used = OWN_VARIABLES;
	char **own;

	while (environ[count])
		count++;
	own = workers->environment = calloc(count + OWN_VARIABLES + 1, sizeof *own);
	if (!own || asprintf(&own[0], WORKER_PREFIX_VARIABLE "=%s", request->prefix) < 0 ||
	    asprintf(&own[1], WORKER_DRIVER_VARIABLE "=%d", getpid()) < 0 ||
	    asprintf(&own[2], WORKER_READY_VARIABLE "=%d", workers->ready_fd) < 0 ||
	    asprintf(&own[3], "DSO_URL=%s", request->url) < 0 ||
	    asprintf(&own[4], "DSO_TRANSPORT=%s", dso_transport(request->session)) < 0 ||
	    asprintf(&own[5], WORKER_CALLS_VARIABLE "=%" PRIu64,
		     workers->is_cold ? 1 : UINT64_MAX) < 0 ||
	    asprintf(&own[6], WORKER_PLACES_VARIABLE "=%d", workers->places_fd) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!is_set_anew(own, environ[i]))
			own[used++] = environ[i];
	return 0;
}

/* ---- the keeper ---- */

/* The first reason stays: others may be reading it. */
static void give_up(struct workers *workers, const char *why, int number)
{
	if (atomic_load(&workers->is_broken))
		return;
	snprintf(workers->why, sizeof workers->why, "%s %d", why, number);
	atomic_store(&workers->is_broken, true);
	dso_interrupt(workers->request.session);
}

/* Signals that this process blocks or ignores are not a worker's. */
static int spawn(struct workers *workers, pid_t *ret_pid)
{
	char *const arguments[] = {program_invocation_name, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawn_file_actions_init(&files);
	/* To themselves: they stay open behind exec. */
	r = -posix_spawn_file_actions_adddup2(&files, workers->ready_fd, workers->ready_fd);
	if (r == 0)
		r = -posix_spawn_file_actions_adddup2(&files, workers->places_fd,
						      workers->places_fd);
	if (r == 0)
		r = -posix_spawn(ret_pid, "/proc/self/exe", &files, &attributes, arguments,
				 workers->environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return r;
}

static void set_pid(struct workers *workers, unsigned index, pid_t pid)
{
	pthread_mutex_lock(&workers->lock);
	workers->processes[index].pid = pid;
	pthread_mutex_unlock(&workers->lock);
}

static void start_process(struct workers *workers, unsigned index)
{
	pid_t pid;
	int r = spawn(workers, &pid);

	if (r == 0) {
		workers->polled[1 + index].fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (workers->polled[1 + index].fd >= 0) {
			set_pid(workers, index, pid);
			return;
		}
		r = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	give_up(workers, "a process could not be started: errno", -r);
}

static void free_place(struct workers *workers, pid_t pid)
{
	for (unsigned i = 0; i < workers->request.count; i++) {
		if (atomic_load(&workers->places[i].pid) != pid)
			continue;
		place_end(&workers->places[i]);
		atomic_store(&workers->places[i].pid, 0);
	}
}

/* The number may be another process's as soon as this one has been waited for. */
static bool has_ended(struct workers *workers, unsigned index, int *ret_status)
{
	struct process *process = &workers->processes[index];
	bool has;

	pthread_mutex_lock(&workers->lock);
	has = waitpid(process->pid, ret_status, WNOHANG) != 0;
	if (has) {
		free_place(workers, process->pid);
		process->pid = 0;
	}
	pthread_mutex_unlock(&workers->lock);
	if (has) {
		close(workers->polled[1 + index].fd);
		workers->polled[1 + index].fd = -1;
	}
	return has;
}

/* Whether a worker has served since the last end. What one has written before its end is there. */
static bool has_served(struct workers *workers, int status)
{
	eventfd_t count;

	return eventfd_read(workers->ready_fd, &count) == 0 || (workers->is_cold && status == 0);
}

/* The process has ended: another one takes its place. */
static void note_end(struct workers *workers, unsigned index)
{
	int status;

	if (!has_ended(workers, index, &status))
		return;
	workers->processes[index].start_ns = clock_now_ns() + PAUSE_NS;
	workers->vain = has_served(workers, status) ? 0 : workers->vain + 1;
	if (workers->vain >= VAIN_MAX)
		give_up(workers,
			"one after the other ends before it serves (look at stderr), the last with "
			"status",
			WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Start those that are due. Returns for how long to wait for the next ones, in ms; -1: for ever. */
static int start_due(struct workers *workers)
{
	int64_t now_ns = clock_now_ns(), next_ns = INT64_MAX;

	for (unsigned i = 0; i < workers->request.count; i++) {
		struct process *process = &workers->processes[i];

		if (process->pid || atomic_load(&workers->is_broken))
			continue;
		if (process->start_ns <= now_ns) {
			start_process(workers, i);
		} else if (process->start_ns < next_ns) {
			next_ns = process->start_ns;
		}
	}
	return next_ns == INT64_MAX ? -1 : (int)((next_ns - now_ns) / DSO_MILLISECOND) + 1;
}

/* Wait until all have ended, for at most @wait_ms between two ends. */
static bool all_end_within(struct workers *workers, int wait_ms)
{
	unsigned left = 0;
	int status;

	workers->polled[0].fd = -1;
	for (;;) {
		left = 0;
		for (unsigned i = 0; i < workers->request.count; i++) {
			if (workers->processes[i].pid && workers->polled[1 + i].revents)
				has_ended(workers, i, &status);
			left += workers->processes[i].pid != 0;
		}
		if (left == 0)
			return true;
		if (poll(workers->polled, 1 + workers->request.count, wait_ms) == 0)
			return false;
	}
}

static void signal_all(struct workers *workers, int signal)
{
	for (unsigned i = 0; i < workers->request.count; i++)
		if (workers->processes[i].pid)
			kill(workers->processes[i].pid, signal);
}

static void *keep(void *argument)
{
	struct workers *workers = argument;

	while (!workers->polled[0].revents) {
		int wait_ms = start_due(workers);

		if (poll(workers->polled, 1 + workers->request.count, wait_ms) <= 0)
			continue;
		for (unsigned i = 0; i < workers->request.count; i++)
			if (workers->processes[i].pid && workers->polled[1 + i].revents)
				note_end(workers, i);
	}
	if (all_end_within(workers, GRACE_MS))
		return NULL;
	signal_all(workers, SIGTERM);
	if (all_end_within(workers, GRACE_MS))
		return NULL;
	signal_all(workers, SIGKILL);
	all_end_within(workers, -1);
	return NULL;
}

/* ---- the table's row ---- */

static const char *broken(struct workers *workers)
{
	return atomic_load(&workers->is_broken) ? workers->why : NULL;
}

static bool runs(struct workers *workers, unsigned index, struct running *ret_running)
{
	const struct place *place = &workers->places[index];
	uint64_t call = atomic_load(&place->call);

	*ret_running = (struct running){call - 1, atomic_load(&place->begun_ns)};
	return call != 0;
}

static bool is_one_of(const struct workers *workers, pid_t pid)
{
	for (unsigned i = 0; i < workers->request.count; i++)
		if (pid && workers->processes[i].pid == pid)
			return true;
	return false;
}

static void end(struct workers *workers, unsigned index, const struct running *running)
{
	const struct place *place = &workers->places[index];
	pid_t pid;

	pthread_mutex_lock(&workers->lock);
	pid = atomic_load(&place->pid);
	if (atomic_load(&place->call) == running->number + 1 && is_one_of(workers, pid))
		kill(pid, SIGKILL);
	pthread_mutex_unlock(&workers->lock);
}

static void free_workers(struct workers *workers)
{
	if (workers->places_fd >= 0)
		close(workers->places_fd);
	places_unmap(workers->places, workers->request.count);
	pthread_mutex_destroy(&workers->lock);
	if (workers->stop_fd >= 0)
		close(workers->stop_fd);
	if (workers->ready_fd >= 0)
		close(workers->ready_fd);
	free_environment(workers);
	free(workers->processes);
	free(workers->polled);
	free(workers);
}

static void stop(struct workers *workers)
{
	eventfd_write(workers->stop_fd, 1);
	pthread_join(workers->keeper, NULL);
	free_workers(workers);
}

static int refuse(char *why, int error, const char *sentence)
{
	snprintf(why, SENTENCE_BYTES_MAX + 1, "%s", sentence);
	return error;
}

static int start(const struct workers_request *request, struct workers **ret_workers, char *why)
{
	bool is_cold = strcmp(request->more, "?cold") == 0;
	struct workers *workers;
	int r;

	if (*request->more && !is_cold)
		return refuse(why, -EINVAL, "\"process:\" is followed by \"?cold\" or by nothing");
	if (!function_main_was_called())
		return refuse(why, -EINVAL,
			      "main() of this program does not begin with dso_function_main(), so "
			      "it cannot be started as a worker");
	if (strcmp(dso_transport(request->session), "embedded") == 0)
		return refuse(why, -EOPNOTSUPP,
			      "processes share no embedded store; use \"thread:\", or a storaged");
	workers = calloc(1, sizeof *workers);
	if (!workers)
		return refuse(why, -ENOMEM, "out of memory");
	workers->base.ops = &workers_of_processes;
	workers->request = *request;
	workers->is_cold = is_cold;
	workers->places_fd = -1;
	pthread_mutex_init(&workers->lock, NULL);
	workers->stop_fd = eventfd(0, EFD_CLOEXEC);
	workers->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	workers->processes = calloc(request->count, sizeof *workers->processes);
	workers->polled = calloc(1 + request->count, sizeof *workers->polled);
	r = workers->stop_fd < 0 || workers->ready_fd < 0 ? -errno : 0;
	if (r == 0 && (!workers->processes || !workers->polled))
		r = -ENOMEM;
	if (r == 0)
		r = places_make(request->count, &workers->places_fd, &workers->places);
	if (r == 0)
		r = make_environment(workers);
	if (r == 0) {
		workers->polled[0] = (struct pollfd){.fd = workers->stop_fd, .events = POLLIN};
		for (unsigned i = 0; i < request->count; i++)
			workers->polled[1 + i] = (struct pollfd){.fd = -1, .events = POLLIN};
		r = thread_start(&workers->keeper, keep, workers);
	}
	if (r) {
		free_workers(workers);
		return refuse(why, r, strerror(-r));
	}
	*ret_workers = workers;
	return 0;
}

const struct workers_ops workers_of_processes = {.scheme = "process:",
						 .has_more = true,
						 .start = start,
						 .broken = broken,
						 .runs = runs,
						 .end = end,
						 .stop = stop};
