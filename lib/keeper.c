/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/keeper.h"
#include "lib/clock.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_MAX 64

static struct {
	pthread_mutex_t life; /* taken first: add and remove, so that start and stop do not cross */
	pthread_mutex_t lock; /* the list; held during the clients' calls */
	pthread_t thread;
	int epoll_fd, wake_fd;
	bool running, stop;
	bool has_barrier;
	uint64_t last_id;
	struct keeper_client *clients;
} keeper = {.life = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

static struct keeper_client *find(uint64_t id)
{
	struct keeper_client *client = keeper.clients;

	while (client && client->id != id)
		client = client->next;
	return client;
}

static void handle(uint64_t id)
{
	struct keeper_client *client = find(id);
	uint64_t count;

	if (id == 0) {
		if (read(keeper.wake_fd, &count, sizeof count) < 0)
			return;
	} else if (client && client->fd >= 0 && !client->readable(client)) {
		epoll_ctl(keeper.epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
	}
}

/* Call who is due. Returns when the next one is. */
static int64_t tick(void)
{
	int64_t now_ns = clock_now_ns(), next_ns = INT64_MAX;

	for (struct keeper_client *client = keeper.clients; client; client = client->next) {
		if (client->due_ns <= now_ns)
			client->due_ns = client->tick(client, now_ns);
		if (client->due_ns < next_ns)
			next_ns = client->due_ns;
	}
	return next_ns;
}

static void *run(void *unused)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t next_ns = 0;

	for (;;) {
		int timeout_ms = next_ns == INT64_MAX ? -1 : clock_poll_ms(next_ns);
		int count = epoll_wait(keeper.epoll_fd, events, EVENTS_MAX, timeout_ms);

		pthread_mutex_lock(&keeper.lock);
		/* Input first: after this process was stopped for a while, the answers are already here. */
		for (int i = 0; i < count; i++)
			handle(events[i].data.u64);
		next_ns = tick();
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
}

/* fork(): the locks are taken before, so that the child finds the list whole. */
static void before_fork(void)
{
	pthread_mutex_lock(&keeper.life);
	pthread_mutex_lock(&keeper.lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&keeper.lock);
	pthread_mutex_unlock(&keeper.life);
}

static void after_fork_in_child(void)
{
	pthread_mutex_init(&keeper.lock, NULL);
	pthread_mutex_init(&keeper.life, NULL);
	if (keeper.running)
		close_descriptors();
	keeper.running = false;
	while (keeper.clients) {
		struct keeper_client *client = keeper.clients;

		keeper.clients = client->next;
		client->id = 0;
		client->forked(client);
	}
}

static void prepare(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	keeper.has_barrier =
		syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static int start(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
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
	r = -pthread_create(&keeper.thread, NULL, run, NULL);
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
	struct epoll_event event = {.events = EPOLLIN};
	int r = 0;

	pthread_once(&once, prepare);
	pthread_mutex_lock(&keeper.life);
	if (!keeper.running)
		r = start();
	if (r == 0) {
		pthread_mutex_lock(&keeper.lock);
		event.data.u64 = client->id = ++keeper.last_id;
		r = epoll_ctl(keeper.epoll_fd, EPOLL_CTL_ADD, client->fd, &event) ? -errno : 0;
		if (r == 0) {
			client->due_ns = 0;
			client->previous = NULL;
			client->next = keeper.clients;
			if (client->next)
				client->next->previous = client;
			keeper.clients = client;
		} else {
			client->id = 0;
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
	if (client->id == 0) {
		pthread_mutex_unlock(&keeper.life);
		return;
	}
	pthread_mutex_lock(&keeper.lock);
	if (client->fd >= 0)
		epoll_ctl(keeper.epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
	if (client->previous)
		client->previous->next = client->next;
	else
		keeper.clients = client->next;
	if (client->next)
		client->next->previous = client->previous;
	client->id = 0;
	last = keeper.clients == NULL;
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
	struct epoll_event event = {.events = watched ? EPOLLIN : 0, .data.u64 = client->id};

	/* It is not there any more where the descriptor was found closed. */
	epoll_ctl(keeper.epoll_fd, EPOLL_CTL_MOD, client->fd, &event);
}

bool keeper_has_barrier(void)
{
	return keeper.has_barrier;
}

void keeper_barrier(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}
