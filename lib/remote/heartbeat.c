/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/remote/heartbeat.h"
#include "lib/core/clock.h"
#include "lib/core/starvation.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 64

static struct {
	pthread_mutex_t life; /* taken first: add and remove, so that start and stop do not cross */
	pthread_mutex_t lock; /* the heap; held during the clients' calls */
	pthread_t thread;
	sem_t begun;    /* posted by the thread as it begins */
	bool has_begun; /* it was waited for; under life */
	int epoll_fd, wake_fd;
	bool running, stop;
	uint64_t removals;            /* of clients, ever */
	struct due *first;            /* of the clients */
	struct starvation starvation; /* of the thread */
} heartbeat = {
	.starvation.fd = -1, .life = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

static void put_again(struct heartbeat_client *client, int64_t now_ns, int64_t at_ns)
{
	due_remove(&heartbeat.first, &client->due);
	/* Not again in this turn, whatever the call returns. */
	due_put(&heartbeat.first, &client->due, at_ns > now_ns ? at_ns : now_ns + 1);
}

/* Call the clients that are due. */
static void tick(int64_t now_ns)
{
	while (heartbeat.first && heartbeat.first->at_ns <= now_ns) {
		struct heartbeat_client *client = (struct heartbeat_client *)heartbeat.first;

		put_again(client, now_ns, client->tick(client, now_ns));
	}
}

/* There is input for @client, or there are new clients. */
static void handle(struct heartbeat_client *client)
{
	int64_t now_ns;
	uint64_t count;

	/* The descriptor that wakes the thread has no client: new clients are due at once. */
	if (!client && read(heartbeat.wake_fd, &count, sizeof count) < 0)
		return;
	if (!client || client->fd < 0)
		return;
	if (!client->readable(client))
		epoll_ctl(heartbeat.epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
	now_ns = clock_now_ns();
	put_again(client, now_ns, client->tick(client, now_ns));
}

static int timeout_ms(void)
{
	int ms;

	pthread_mutex_lock(&heartbeat.lock);
	ms = heartbeat.first && heartbeat.first->at_ns != INT64_MAX
		     ? clock_poll_ms(heartbeat.first->at_ns)
		     : -1;
	pthread_mutex_unlock(&heartbeat.lock);
	return ms;
}

static void *run(void *unused)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t removals = 0;

	sem_post(&heartbeat.begun);
	starvation_open(&heartbeat.starvation);
	for (;;) {
		int count = epoll_wait(heartbeat.epoll_fd, events, EVENTS_MAX, timeout_ms());
		int64_t now_ns = clock_now_ns();

		starvation_turn(&heartbeat.starvation, now_ns);
		pthread_mutex_lock(&heartbeat.lock);
		/* One of the events may be for a removed client; the others get theirs again. */
		if (heartbeat.removals != removals)
			count = 0;
		removals = heartbeat.removals;
		/* Input first: after this process was stopped for a while, the answers are already
		 * here. */
		for (int i = 0; i < count; i++)
			handle(events[i].data.ptr);
		tick(now_ns);
		if (heartbeat.stop)
			break;
		pthread_mutex_unlock(&heartbeat.lock);
	}
	pthread_mutex_unlock(&heartbeat.lock);
	return unused;
}

static void wake(void)
{
	uint64_t one = 1;

	if (write(heartbeat.wake_fd, &one, sizeof one) < 0)
		return; /* full: it wakes anyway */
}

static void close_descriptors(void)
{
	if (heartbeat.epoll_fd >= 0)
		close(heartbeat.epoll_fd);
	if (heartbeat.wake_fd >= 0)
		close(heartbeat.wake_fd);
	starvation_close(&heartbeat.starvation);
}

/* A beginning thread allocates, and a fork() beside it may leave the child without memory:
 * AddressSanitizer's allocator in GCC 12 is not whole there. */
static void await_begun(void)
{
	while (heartbeat.running && !heartbeat.has_begun)
		heartbeat.has_begun = sem_wait(&heartbeat.begun) == 0;
}

void heartbeat_before_fork(void)
{
	pthread_mutex_lock(&heartbeat.life);
	await_begun();
	pthread_mutex_lock(&heartbeat.lock);
}

void heartbeat_after_fork_in_parent(void)
{
	pthread_mutex_unlock(&heartbeat.lock);
	pthread_mutex_unlock(&heartbeat.life);
}

void heartbeat_after_fork_in_child(void)
{
	pthread_mutex_unlock(&heartbeat.lock);
	pthread_mutex_unlock(&heartbeat.life);
	if (heartbeat.running)
		close_descriptors();
	heartbeat.running = false;
	while (heartbeat.first) {
		struct heartbeat_client *client = (struct heartbeat_client *)heartbeat.first;

		due_remove(&heartbeat.first, &client->due);
		client->added = false;
		client->forked(client);
	}
}

static int start(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	sigset_t all, before;
	int r;

	heartbeat.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	heartbeat.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (heartbeat.epoll_fd < 0 || heartbeat.wake_fd < 0 ||
	    epoll_ctl(heartbeat.epoll_fd, EPOLL_CTL_ADD, heartbeat.wake_fd, &event)) {
		r = -errno;
		close_descriptors();
		return r;
	}
	heartbeat.stop = heartbeat.has_begun = false;
	/* The program's signals are for its own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	sem_init(&heartbeat.begun, 0, 0);
	r = -pthread_create(&heartbeat.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		close_descriptors();
	else
		heartbeat.running = true;
	return r;
}

int heartbeat_add(struct heartbeat_client *client)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	int r = 0;

	pthread_mutex_lock(&heartbeat.life);
	if (!heartbeat.running)
		r = start();
	if (r == 0) {
		pthread_mutex_lock(&heartbeat.lock);
		r = epoll_ctl(heartbeat.epoll_fd, EPOLL_CTL_ADD, client->fd, &event) ? -errno : 0;
		if (r == 0) {
			due_put(&heartbeat.first, &client->due, 0);
			client->added = true;
		}
		pthread_mutex_unlock(&heartbeat.lock);
		wake();
	}
	pthread_mutex_unlock(&heartbeat.life);
	return r;
}

void heartbeat_remove(struct heartbeat_client *client)
{
	bool last;

	pthread_mutex_lock(&heartbeat.life);
	if (!client->added) {
		pthread_mutex_unlock(&heartbeat.life);
		return;
	}
	pthread_mutex_lock(&heartbeat.lock);
	if (client->fd >= 0)
		epoll_ctl(heartbeat.epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
	due_remove(&heartbeat.first, &client->due);
	client->added = false;
	heartbeat.removals++;
	last = heartbeat.first == NULL;
	heartbeat.stop = last;
	pthread_mutex_unlock(&heartbeat.lock);
	if (last) {
		wake();
		pthread_join(heartbeat.thread, NULL);
		close_descriptors();
		heartbeat.running = false;
	}
	pthread_mutex_unlock(&heartbeat.life);
}

void heartbeat_watch(struct heartbeat_client *client, bool watched)
{
	/* The end of the client is reported in any case, once. */
	struct epoll_event event = {.events = watched ? EPOLLIN : EPOLLET, .data.ptr = client};

	/* The client is gone already where the descriptor was found closed. */
	epoll_ctl(heartbeat.epoll_fd, EPOLL_CTL_MOD, client->fd, &event);
}

/* ---- timeouts ---- */

/* CLOCK_MONOTONIC without the time in which the thread wanted to run and got no processor, as far
 * as that is known. */
static int64_t ran_ns(void)
{
	return clock_now_ns() - atomic_load(&heartbeat.starvation.waited_ns);
}

void heartbeat_timeout_begin(struct peer_timeout *timeout, int64_t whole_ns)
{
	peer_timeout_begin(timeout, ran_ns(), whole_ns);
}

bool heartbeat_timeout_is_over(struct peer_timeout *timeout)
{
	if (ran_ns() < timeout->until_ns)
		return false;
	starvation_look(&heartbeat.starvation);
	return peer_timeout_is_over(timeout, ran_ns());
}

int64_t heartbeat_timeout_until_ns(const struct peer_timeout *timeout)
{
	return timeout->until_ns + atomic_load(&heartbeat.starvation.waited_ns);
}
