/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "process:": workers are processes of this host, started from this process's own binary. A thread,
 * the keeper, starts them, and starts another in the place of one that has ended, as each does
 * after one call with "process:?cold", where a fork server starts them if it can. A worker ends
 * with the keeper (PR_SET_PDEATHSIG in dso_function_main), so with this process.
 *
 * A worker that has run its calls says so before it ends. Then the next one starts: it need not
 * wait until the session of the former is over and its memory is unmapped.
 */
#include "lib/client/session.h"
#include "lib/core/clock.h"
#include "lib/core/thread.h"
#include "lib/functions/executor.h"
#include "lib/functions/fork_server.h"
#include "lib/functions/place.h"
#include "lib/functions/process_environment.h"
#include "lib/functions/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* So many workers that end one after the other before any serves are not started again. */
#define VAIN_MAX 5
/* Between two starts in the place of one worker. */
#define PAUSE_NS (10 * DSO_MILLISECOND)
/* What workers have to end by themselves, and then by SIGTERM; and what the fork server has. */
#define GRACE_MS 500
/* P_PIDFD, which not every C library has. */
#define OF_PIDFD ((idtype_t)3)

struct process {
	pid_t pid;        /* 0: there is none */
	bool is_asked;    /* of the fork server, and there is none yet */
	pid_t server;     /* the fork server whose child it is; 0: this process's */
	bool serves;      /* it has, at least */
	bool is_done;     /* it runs no call any more */
	int64_t start_ns; /* of the next one, at the earliest */
};

struct workers {
	struct workers_base base;
	struct workers_request request;
	pthread_t keeper;
	int stop_fd;     /* an eventfd: the keeper is to end the workers, and itself */
	int told_fds[2]; /* a pipe: what workers tell */
	int places_fd;   /* of the memory of places */
	struct place *places;
	char **environment; /* of the workers */
	bool is_cold;       /* a worker runs one call */
	bool may_fork;      /* workers: a fork server does */
	pid_t server;       /* the fork server; 0: there is none */
	pid_t *ended;       /* workers of its that it has to reap */
	unsigned ended_count;
	struct worker_word *early; /* told by forked workers before the server has named them */
	unsigned early_count;
	unsigned vain;          /* ends in a row without any worker that serves in between */
	unsigned processes_max; /* at once: those that run calls, and those that are done */
	bool is_stopping;       /* the keeper ends all; nobody waits for calls any more */
	_Atomic bool is_broken;
	char why[SENTENCE_BYTES_MAX + 1]; /* written before is_broken is */
	struct process *processes;
	pthread_mutex_t lock; /* of the processes' numbers, which are the keeper's */
	/* stop_fd, the end of the pipe, the fork server's channel, then a pidfd for each process;
	 * -1: there is none */
	struct pollfd *polled;
};
#define EARLY_MAX(workers) (2 * (workers)->processes_max) /* a worker tells two words */
#define POLLED_STOP        0
#define POLLED_TOLD        1
#define POLLED_SERVER      2
#define POLLED_PROCESSES   3

/* ---- the keeper ---- */

/* The first reason stays: others may be reading it. */
static void give_up(struct workers *workers, const char *why, int number)
{
	if (workers->is_stopping || atomic_load(&workers->is_broken))
		return;
	snprintf(workers->why, sizeof workers->why, "%s %d", why, number);
	atomic_store(&workers->is_broken, true);
	dso_interrupt(workers->request.session);
}

/* Signals that this process blocks or ignores are not a worker's. @more_fd stays open behind exec,
 * as what all workers have does; -1: there is none. */
static int spawn(struct workers *workers, int more_fd, pid_t *ret_pid)
{
	char *const arguments[] = {program_invocation_name, NULL};
	const int fds[] = {workers->told_fds[1], workers->places_fd, more_fd};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r = 0;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawn_file_actions_init(&files);
	/* To itself: so it stays open. */
	for (unsigned i = 0; r == 0 && i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			r = -posix_spawn_file_actions_adddup2(&files, fds[i], fds[i]);
	if (r == 0)
		r = -posix_spawn(ret_pid, "/proc/self/exe", &files, &attributes, arguments,
				 workers->environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return r;
}

static void cannot_start(struct workers *workers, int error)
{
	give_up(workers, "a process could not be started: errno", -error);
}

/* Workers see the end of their server no sooner than this does. The channel may say so later: a
 * worker that was just forked has not closed the server's end yet. */
static bool server_has_ended(const struct workers *workers)
{
	siginfo_t ended = {.si_pid = 0};

	return waitid(P_PID, (id_t)workers->server, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       ended.si_pid;
}

/* A pidfd, or a negative errno. The number of a worker that was forked is its own as long as its
 * server is there: -ESRCH says that the server has ended, and so will the worker. */
static int open_process(const struct workers *workers, const struct process *process)
{
	int fd = (int)syscall(SYS_pidfd_open, process->pid, 0), r = fd < 0 ? -errno : fd;

	if (!process->server || !server_has_ended(workers))
		return r;
	if (fd >= 0)
		close(fd);
	return -ESRCH;
}

/* The process at @index is there. One that ends with its server stays asked for until that is
 * noted. */
static void adopt(struct workers *workers, unsigned index, struct process process)
{
	int fd = open_process(workers, &process);

	if (process.server && fd == -ESRCH)
		return;
	if (fd < 0) {
		cannot_start(workers, fd);
		kill(process.pid, SIGKILL);
		if (!process.server)
			waitpid(process.pid, NULL, 0);
		process = (struct process){0};
	}
	workers->polled[POLLED_PROCESSES + index].fd = fd < 0 ? -1 : fd;
	pthread_mutex_lock(&workers->lock);
	workers->processes[index] = process;
	pthread_mutex_unlock(&workers->lock);
}

/* By its pidfd: the number of a process whose fork server has ended may be another's by now. */
static void signal_process(const struct workers *workers, unsigned index, int signal)
{
	syscall(SYS_pidfd_send_signal, workers->polled[POLLED_PROCESSES + index].fd, signal, NULL,
		0);
}

/* ---- what workers tell ---- */

/* Which process @pid is; processes_max: none. */
static unsigned index_of(const struct workers *workers, pid_t pid)
{
	unsigned index = 0;

	while (index < workers->processes_max && workers->processes[index].pid != pid)
		index++;
	return index;
}

static bool take_word(struct workers *workers, const struct worker_word *word)
{
	unsigned index = index_of(workers, word->pid);

	if (index == workers->processes_max)
		return false;
	workers->processes[index].serves = true;
	workers->processes[index].is_done = word->what == WORKER_IS_DONE;
	return true;
}

static void listen_to_all(struct workers *workers)
{
	struct worker_word word;

	while (read(workers->told_fds[0], &word, sizeof word) == sizeof word) {
		workers->vain = 0;
		if (!take_word(workers, &word) && workers->early_count < EARLY_MAX(workers))
			workers->early[workers->early_count++] = word;
	}
}

/* Of those that were early, take the words whose workers are known by now. */
static void take_early(struct workers *workers)
{
	unsigned left = 0;

	for (unsigned i = 0; i < workers->early_count; i++)
		if (!take_word(workers, &workers->early[i]))
			workers->early[left++] = workers->early[i];
	workers->early_count = left;
}

/* ---- what workers leave ---- */

/* The fork server has ended, and with it workers that it has not named: their words, and places. */
static void forget_unnamed(struct workers *workers)
{
	workers->early_count = 0;
	for (unsigned i = 0; i < workers->processes_max; i++) {
		pid_t pid = atomic_load(&workers->places[i].pid);

		if (pid && index_of(workers, pid) == workers->processes_max)
			places_free(workers->places, workers->processes_max, pid);
	}
}

/* ---- the fork server ---- */

static int start_server(struct workers *workers)
{
	int fds[2], r = fork_server_channel(fds);

	if (r)
		return r;
	r = process_environment_serve(workers->environment, fds[1]);
	if (r == 0)
		r = spawn(workers, fds[1], &workers->server);
	close(fds[1]);
	if (r)
		close(fds[0]);
	else
		workers->polled[POLLED_SERVER].fd = fds[0];
	return r;
}

/* Its workers have ended, or end with it. It reaps those that have before it ends, for otherwise
 * they become children of process 1, which may be this one. Returns its status. */
static int end_server(struct workers *workers)
{
	struct pollfd *channel = &workers->polled[POLLED_SERVER];
	int r = -EAGAIN, status = 0;
	pid_t pid;

	if (!workers->server)
		return 0;
	shutdown(channel->fd, SHUT_WR);
	while (r != -EPIPE && poll(channel, 1, GRACE_MS) > 0)
		r = fork_server_take(channel->fd, &pid);
	if (r != -EPIPE)
		kill(workers->server, SIGKILL);
	waitpid(workers->server, &status, 0);
	close(channel->fd);
	*channel = (struct pollfd){.fd = -1, .events = POLLIN};
	workers->server = 0;
	workers->ended_count = 0;
	return status;
}

static void tell_ended(struct workers *workers)
{
	unsigned told = fork_server_reap(workers->polled[POLLED_SERVER].fd, workers->ended,
					 workers->ended_count);

	workers->ended_count -= told;
	memmove(workers->ended, workers->ended + told,
		workers->ended_count * sizeof *workers->ended);
}

/* Those that were asked for do not come: others are started after a pause. */
static void ask_again(struct workers *workers)
{
	for (unsigned i = 0; i < workers->processes_max; i++) {
		struct process *process = &workers->processes[i];

		if (!process->is_asked)
			continue;
		process->is_asked = false;
		process->start_ns = clock_now_ns() + PAUSE_NS;
	}
}

/* A process has ended, or the fork server. */
static void note_vain(struct workers *workers, bool serves, const char *which, int number)
{
	char why[128];

	workers->vain = serves ? 0 : workers->vain + 1;
	if (workers->vain < VAIN_MAX)
		return;
	snprintf(why, sizeof why,
		 "one after the other ends before it serves (look at stderr), the last %s", which);
	give_up(workers, why, number);
}

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The first one that is asked of the fork server; processes_max: none is. */
static unsigned first_asked(const struct workers *workers)
{
	unsigned index = 0;

	while (index < workers->processes_max && !workers->processes[index].is_asked)
		index++;
	return index;
}

/* Each answers one request, as there may be others on their way behind a refusal. A server that
 * cannot fork is asked for nothing any more. */
static void take_answer(struct workers *workers, int r, pid_t pid)
{
	unsigned index = first_asked(workers);

	if (index == workers->processes_max)
		return;
	if (r == 0) {
		adopt(workers, index, (struct process){.pid = pid, .server = workers->server});
	} else {
		workers->may_fork = false;
		workers->processes[index].is_asked = false;
	}
}

static void listen_to_server(struct workers *workers)
{
	pid_t pid;
	int r;

	if (!workers->server)
		return;
	while ((r = fork_server_take(workers->polled[POLLED_SERVER].fd, &pid)) != -EAGAIN &&
	       r != -EPIPE)
		take_answer(workers, r, pid);
	take_early(workers);
	if (r == -EPIPE || server_has_ended(workers)) {
		note_vain(workers, false, "with status", exit_status(end_server(workers)));
		forget_unnamed(workers);
		ask_again(workers);
	}
}

/* ---- a process ---- */

static void ask_server(struct workers *workers, unsigned index)
{
	struct process *process = &workers->processes[index];
	int r = workers->server ? 0 : start_server(workers);

	if (r)
		cannot_start(workers, r);
	else if (fork_server_ask(workers->polled[POLLED_SERVER].fd))
		process->is_asked = true;
	else
		process->start_ns = clock_now_ns() + PAUSE_NS;
}

static void start_process(struct workers *workers, unsigned index)
{
	struct process process = {0};
	int r;

	if (workers->may_fork) {
		ask_server(workers, index);
		return;
	}
	r = process_environment_serve(workers->environment, -1);
	if (r == 0)
		r = spawn(workers, -1, &process.pid);
	if (r)
		cannot_start(workers, r);
	else
		adopt(workers, index, process);
}

/* Whether it has, and if so, let its number go, which may then become another process's. A worker
 * whose server has ended is this process's child where that adopts orphans. */
static bool reap(struct workers *workers, unsigned index, int *ret_status)
{
	const struct process *process = &workers->processes[index];
	id_t fd = (id_t)workers->polled[POLLED_PROCESSES + index].fd;
	siginfo_t ended;

	if (!process->server)
		return waitpid(process->pid, ret_status, WNOHANG) != 0;
	if (process->server != workers->server)
		waitid(OF_PIDFD, fd, &ended, WEXITED | WNOHANG);
	else if (workers->ended_count < workers->processes_max)
		workers->ended[workers->ended_count++] = process->pid;
	*ret_status = 0;
	return true;
}

/* Its pidfd says that it has. */
static bool has_ended(struct workers *workers, unsigned index, int *ret_status)
{
	struct process *process = &workers->processes[index];
	bool has;

	pthread_mutex_lock(&workers->lock);
	places_free(workers->places, workers->processes_max, process->pid);
	has = reap(workers, index, ret_status);
	if (has)
		process->pid = 0;
	pthread_mutex_unlock(&workers->lock);
	if (has) {
		close(workers->polled[POLLED_PROCESSES + index].fd);
		workers->polled[POLLED_PROCESSES + index].fd = -1;
	}
	return has;
}

/* The process has ended: another one takes its place, or has done so. */
static void note_end(struct workers *workers, unsigned index)
{
	struct process *process = &workers->processes[index];
	pid_t pid = process->pid;
	int status;

	/* What it has told before its end is there, and that its server has ended before it. */
	listen_to_all(workers);
	listen_to_server(workers);
	if (!has_ended(workers, index, &status))
		return;
	process->start_ns = process->is_done ? 0 : clock_now_ns() + PAUSE_NS;
	if (!process->server)
		note_vain(workers, process->serves, "with status", exit_status(status));
	else if (process->server == workers->server)
		note_vain(workers, process->serves, "was process", pid);
	/* Else it ended with its server, and that was noted. */
}

/* How many places have a process that runs calls, or are to get one after a pause. Those pauses end
 * at *next_ns at the earliest. */
static unsigned count_running(const struct workers *workers, int64_t now_ns, int64_t *next_ns)
{
	unsigned count = 0;

	for (unsigned i = 0; i < workers->processes_max; i++) {
		const struct process *process = &workers->processes[i];
		bool pauses = !process->pid && process->start_ns > now_ns;

		count += pauses || process->is_asked || (process->pid && !process->is_done);
		if (pauses && process->start_ns < *next_ns)
			*next_ns = process->start_ns;
	}
	return count;
}

/* Start those that are due. Returns for how long to wait for the next ones, in ms; -1: for ever. */
static int start_due(struct workers *workers)
{
	int64_t now_ns = clock_now_ns(), next_ns = INT64_MAX;
	unsigned running = count_running(workers, now_ns, &next_ns);

	tell_ended(workers);
	for (unsigned i = 0; i < workers->processes_max && running < workers->request.count; i++) {
		struct process *process = &workers->processes[i];

		if (process->pid || process->is_asked || process->start_ns > now_ns ||
		    atomic_load(&workers->is_broken))
			continue;
		start_process(workers, i);
		running++;
	}
	/* Some may have been put off. */
	count_running(workers, now_ns, &next_ns);
	return next_ns == INT64_MAX ? -1 : (int)((next_ns - now_ns) / DSO_MILLISECOND) + 1;
}

/* Wait until all have ended, for at most @wait_ms between two ends. */
static bool all_end_within(struct workers *workers, int wait_ms)
{
	unsigned left = 0;
	int status;

	workers->polled[POLLED_STOP].fd = workers->polled[POLLED_TOLD].fd = -1;
	for (;;) {
		left = 0;
		listen_to_server(workers);
		for (unsigned i = 0; i < workers->processes_max; i++) {
			if (workers->processes[i].pid &&
			    workers->polled[POLLED_PROCESSES + i].revents)
				has_ended(workers, i, &status);
			left += workers->processes[i].pid || workers->processes[i].is_asked;
		}
		if (left == 0)
			return true;
		if (poll(workers->polled, POLLED_PROCESSES + workers->processes_max, wait_ms) == 0)
			return false;
	}
}

static void signal_all(struct workers *workers, int signal)
{
	for (unsigned i = 0; i < workers->processes_max; i++)
		if (workers->processes[i].pid)
			signal_process(workers, i, signal);
}

static void end_all(struct workers *workers)
{
	workers->is_stopping = true;
	if (all_end_within(workers, GRACE_MS))
		return;
	signal_all(workers, SIGTERM);
	if (all_end_within(workers, GRACE_MS))
		return;
	signal_all(workers, SIGKILL);
	if (workers->server && first_asked(workers) < workers->processes_max)
		kill(workers->server, SIGKILL); /* what was asked of it does not come */
	all_end_within(workers, -1);
}

static void *keep(void *argument)
{
	struct workers *workers = argument;

	while (!workers->polled[POLLED_STOP].revents) {
		int wait_ms = start_due(workers);

		if (poll(workers->polled, POLLED_PROCESSES + workers->processes_max, wait_ms) <= 0)
			continue;
		listen_to_all(workers);
		listen_to_server(workers);
		for (unsigned i = 0; i < workers->processes_max; i++)
			if (workers->processes[i].pid &&
			    workers->polled[POLLED_PROCESSES + i].revents)
				note_end(workers, i);
	}
	end_all(workers);
	end_server(workers);
	return NULL;
}

/* ---- the table's row ---- */

static const char *broken(struct workers *workers)
{
	return atomic_load(&workers->is_broken) ? workers->why : NULL;
}

static int runs(struct workers *workers, unsigned index, struct running *ret_running)
{
	if (index == workers->processes_max)
		return -ENOENT;
	return place_read(&workers->places[index], ret_running);
}

static void end(struct workers *workers, unsigned index, const struct running *running)
{
	const struct place *place = &workers->places[index];
	struct running now;
	unsigned process;
	pid_t pid;

	pthread_mutex_lock(&workers->lock);
	pid = atomic_load(&place->pid);
	process = pid ? index_of(workers, pid) : workers->processes_max;
	if (place_read(place, &now) && now.number == running->number &&
	    now.begun_ns == running->begun_ns && now.function_ns == running->function_ns &&
	    process < workers->processes_max)
		signal_process(workers, process, SIGKILL);
	pthread_mutex_unlock(&workers->lock);
}

static void free_workers(struct workers *workers)
{
	if (workers->places_fd >= 0)
		close(workers->places_fd);
	places_unmap(workers->places, workers->processes_max);
	pthread_mutex_destroy(&workers->lock);
	if (workers->stop_fd >= 0)
		close(workers->stop_fd);
	for (unsigned i = 0; i < 2; i++)
		if (workers->told_fds[i] >= 0)
			close(workers->told_fds[i]);
	process_environment_free(workers->environment);
	free(workers->early);
	free(workers->ended);
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
	workers->is_cold = workers->may_fork = is_cold;
	workers->places_fd = -1;
	pthread_mutex_init(&workers->lock, NULL);
	workers->stop_fd = eventfd(0, EFD_CLOEXEC);
	workers->told_fds[0] = workers->told_fds[1] = -1;
	workers->processes_max = is_cold ? 2 * request->count : request->count;
	workers->processes = calloc(workers->processes_max, sizeof *workers->processes);
	workers->early = calloc(EARLY_MAX(workers), sizeof *workers->early);
	workers->ended = calloc(workers->processes_max, sizeof *workers->ended);
	workers->polled =
		calloc(POLLED_PROCESSES + workers->processes_max, sizeof *workers->polled);
	r = workers->stop_fd < 0 || pipe2(workers->told_fds, O_CLOEXEC) ||
			    fcntl(workers->told_fds[0], F_SETFL, O_NONBLOCK)
		    ? -errno
		    : 0;
	if (r == 0 &&
	    (!workers->processes || !workers->polled || !workers->early || !workers->ended))
		r = -ENOMEM;
	if (r == 0)
		r = places_make(workers->processes_max, &workers->places_fd, &workers->places);
	if (r == 0)
		r = process_environment_make(request, is_cold, workers->told_fds[1],
					     workers->places_fd, &workers->environment);
	if (r == 0) {
		for (unsigned i = 0; i < POLLED_PROCESSES + workers->processes_max; i++)
			workers->polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
		workers->polled[POLLED_STOP].fd = workers->stop_fd;
		workers->polled[POLLED_TOLD].fd = workers->told_fds[0];
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
