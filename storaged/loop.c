/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define EVENTS_MAX       64
#define EVENT_ROUNDS_MAX 16

int loop_open(struct loop *loop)
{
	*loop = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	return loop->epoll_fd < 0 ? -errno : 0;
}

static void empty_graveyard(struct loop *loop)
{
	while (loop->graveyard) {
		struct source *source = loop->graveyard;

		loop->graveyard = source->next_buried;
		free(source->buried);
	}
}

void loop_close(struct loop *loop)
{
	empty_graveyard(loop);
	close(loop->epoll_fd);
}

int loop_add(struct loop *loop, struct source *source, int fd, uint32_t events,
	     void (*ready)(struct source *source, uint32_t events))
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	*source = (struct source){.fd = -1};
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	*source = (struct source){.fd = fd, .events = events, .ready = ready};
	return 0;
}

void loop_change(struct loop *loop, struct source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (source->fd < 0 || source->events == events)
		return;
	source->events = events;
	/* This cannot fail: the descriptor is registered, and a change takes no memory. */
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

int loop_take(struct loop *loop, struct source *source)
{
	int fd = source->fd;

	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	source->fd = -1;
	return fd;
}

void loop_end(struct loop *loop, struct source *source)
{
	if (source->fd >= 0)
		close(loop_take(loop, source));
}

void loop_bury(struct loop *loop, struct source *source, void *memory)
{
	loop_end(loop, source);
	source->buried = memory;
	source->next_buried = loop->graveyard;
	loop->graveyard = source;
}

/* Call what is ready, up to EVENTS_MAX. Returns how many there were, or a negative errno. */
static int dispatch(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		struct source *source = events[i].data.ptr;

		/* An earlier event of this turn has closed it. */
		if (source->fd >= 0)
			source->ready(source, events[i].events);
	}
	empty_graveyard(loop);
	return count;
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	int count = dispatch(loop, timeout_ms);

	for (unsigned round = 1; count == EVENTS_MAX && round < EVENT_ROUNDS_MAX; round++)
		count = dispatch(loop, 0);
	return count < 0 ? count : 0;
}
