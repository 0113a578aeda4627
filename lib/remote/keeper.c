/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/remote/keeper.h"
#include "lib/core/clock.h"
#include "lib/core/starvation.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_MAX 64

static struct {
	pthread_mutex_t life; /* taken first: add and remove, so that start and stop do not cross */
	pthread_mutex_t lock; /* the heap; held during the clients' calls */
	pthread_t thread;
	sem_t begun; /* posted by the thread as it begins */
	int epoll_fd, wake_fd;
	bool running, stop;
	bool has_barrier;
	uint64_t removals;            /* of clients, ever */
	struct due *first;            /* of the clients */
	struct starvation starvation; /* of the thread */
} keeper = {
	.starvation.fd = -1, .life = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

static void put_again(struct keeper_client *client, int64_t now_ns, int64_t at_ns)
{
	due_remove(&keeper.first, &client->due);
	/* Not in this turn again, whatever it says. */
	due_put(&keeper.first, &client->due, at_ns > now_ns ? at_ns : now_ns + 1);
}

/* Call whoever is due. */
static void tick(int64_t now_ns)
{
	while (keeper.first && keeper.first->at_ns <= now_ns) {
		struct keeper_client *client = (struct keeper_client *)keeper.first;

		put_again(client, now_ns, client->tick(client, now_ns));
	}
}

/* There is input for @client, or there are new clients. */
static void handle(struct keeper_client *client)
{
	int64_t now_ns;
	uint64_t count;

	/* What wakes the thread has no client: the new ones are due at once. */
	if (!client && read(keeper.wake_fd, &count, sizeof count) < 0)
		return;
	if (!client || client->fd < 0)
		return;
	if (!client->readable(client))
		epoll_ctl(keeper.epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
	now_ns = clock_now_ns();
	put_again(client, now_ns, client->tick(client, now_ns));
}

static int timeout_ms(void)
{
	int ms;

	pthread_mutex_lock(&keeper.lock);
	ms = keeper.first && keeper.first->at_ns != INT64_MAX ? clock_poll_ms(keeper.first->at_ns)
							      : -1;
	pthread_mutex_unlock(&keeper.lock);
	return ms;
}

static void *run(void *unused)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t removals = 0;

	sem_post(&keeper.begun);
	starvation_open(&keeper.starvation);
	for (;;) {
		int count = epoll_wait(keeper.epoll_fd, events, EVENTS_MAX, timeout_ms());
		int64_t now_ns = clock_now_ns();

		starvation_turn(&keeper.starvation, now_ns);
		pthread_mutex_lock(&keeper.lock);
		/* One of them may be for who is gone; those who are not have it again. */
		if (keeper.removals != removals)
			count = 0;
		removals = keeper.removals;
		/* Input first: after this process was stopped for a while, the answers are already
		 * here. */
		for (int i = 0; i < count; i++)
			handle(events[i].data.ptr);
		tick(now_ns);
		if (keeper.stop)
			break;
		pthread_mutex_unlock(&keeper.lock);
	}
	pthread_mutex_unlock(&keeper.lock);
	return unused;
}

static void wake(void)
{
	uint64_t one = 1;

	if (write(keeper.wake_fd, &one, sizeof one) < 0)
		return; /* full: it wakes anyway */
}

static void close_descriptors(void)
{
	if (keeper.epoll_fd >= 0)
		close(keeper.epoll_fd);
	if (keeper.wake_fd >= 0)
		close(keeper.wake_fd);
	starvation_close(&keeper.starvation);
}

void keeper_before_fork(void)
{
	pthread_mutex_lock(&keeper.life);
	pthread_mutex_lock(&keeper.lock);
}

void keeper_after_fork_in_parent(void)
{
	pthread_mutex_unlock(&keeper.lock);
	pthread_mutex_unlock(&keeper.life);
}

void keeper_after_fork_in_child(void)
{
	pthread_mutex_unlock(&keeper.lock);
	pthread_mutex_unlock(&keeper.life);
	if (keeper.running)
		close_descriptors();
	keeper.running = false;
	while (keeper.first) {
		struct keeper_client *client = (struct keeper_client *)keeper.first;

		due_remove(&keeper.first, &client->due);
		client->added = false;
		client->forked(client);
	}
}

static void prepare(void)
{
	keeper.has_barrier =
		syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static int start(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	sigset_t all, before;
	int r;

	keeper.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	keeper.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (keeper.epoll_fd < 0 || keeper.wake_fd < 0 ||
	    epoll_ctl(keeper.epoll_fd, EPOLL_CTL_ADD, keeper.wake_fd, &event)) {
		r = -errno;
		close_descriptors();
		return r;
	}
	keeper.stop = false;
	/* The program's signals are its own threads' business. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	sem_init(&keeper.begun, 0, 0);
	r = -pthread_create(&keeper.thread, NULL, run, NULL);
	/* A thread that begins allocates, and fork() beside it may leave the child without memory:
	 * AddressSanitizer's allocator in GCC 12 is not whole there. */
	while (r == 0 && sem_wait(&keeper.begun))
		;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		close_descriptors();
	else
		keeper.running = true;
	return r;
}

int keeper_add(struct keeper_client *client)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	int r = 0;

	pthread_once(&once, prepare);
	pthread_mutex_lock(&keeper.life);
	if (!keeper.running)
		r = start();
	if (r == 0) {
		pthread_mutex_lock(&keeper.lock);
		r = epoll_ctl(keeper.epoll_fd, EPOLL_CTL_ADD, client->fd, &event) ? -errno : 0;
		if (r == 0) {
			due_put(&keeper.first, &client->due, 0);
			client->added = true;
		}
		pthread_mutex_unlock(&keeper.lock);
		wake();
	}
	pthread_mutex_unlock(&keeper.life);
	return r;
}

void keeper_remove(struct keeper_client *client)
{
	bool last;

	pthread_mutex_lock(&keeper.life);
	if (!client->added) {
		pthread_mutex_unlock(&keeper.life);
		return;
	}
	pthread_mutex_lock(&keeper.lock);
	if (client->fd >= 0)
		epoll_ctl(keeper.epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
	due_remove(&keeper.first, &client->due);
	client->added = false;
	keeper.removals++;
	last = keeper.first == NULL;
	keeper.stop = last;
	pthread_mutex_unlock(&keeper.lock);
	if (last) {
		wake();
		pthread_join(keeper.thread, NULL);
		close_descriptors();
		keeper.running = false;
	}
	pthread_mutex_unlock(&keeper.life);
}

void keeper_watch(struct keeper_client *client, bool watched)
{
	/* Its end is told in any case: once. */
	struct epoll_event event = {.events = watched ? EPOLLIN : EPOLLET, .data.ptr = client};

	/* It is not there any more where the descriptor was found closed. */
	epoll_ctl(keeper.epoll_fd, EPOLL_CTL_MOD, client->fd, &event);
}

/* ---- patience ---- */

/* CLOCK_MONOTONIC without the time that the thread wanted to run and was not let, as far as that is
 * known. */
static int64_t ran_ns(void)
{
	return clock_now_ns() - atomic_load(&keeper.starvation.waited_ns);
}

void keeper_patience_begin(struct patience *patience, int64_t whole_ns)
{
	patience_begin(patience, ran_ns(), whole_ns);
}

bool keeper_patience_is_over(struct patience *patience)
{
	if (ran_ns() < patience->until_ns)
		return false;
	starvation_look(&keeper.starvation);
	return patience_is_over(patience, ran_ns());
}

int64_t keeper_patience_until_ns(const struct patience *patience)
{
	return patience->until_ns + atomic_load(&keeper.starvation.waited_ns);
}

bool keeper_has_barrier(void)
{
	return keeper.has_barrier;
}

void keeper_barrier(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}
