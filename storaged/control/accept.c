/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/control/accept.h"
#include "storaged/log.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_TURN_MAX 64

/* Whether accept failed for this one connection only. */
static bool is_passing(int error)
{
	return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM ||
	       error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH;
}

/* The connection stays in the backlog; without a pause the listener would be readable all the
 * time. */
static void pause_listener(struct listener *listener, int error)
{
	struct acceptor *acceptor = listener->acceptor;

	log_limited(LOG_LEVEL_ERROR, "a connection cannot be accepted now: %s",
		    strerrordesc_np(error));
	loop_change(acceptor->loop, &listener->source, 0);
	deadline_set(&acceptor->pauses, &listener->pause, clock_now_ns());
}

void accept_init(struct acceptor *acceptor, struct loop *loop, struct listeners *listeners,
		 struct controls *controls, struct room *room)
{
	*acceptor = (struct acceptor){
		.loop = loop, .listeners = listeners, .controls = controls, .room = room};
	deadlines_init(&acceptor->pauses, ACCEPT_PAUSE_NS);
}

void accept_turn(struct acceptor *acceptor, int64_t now_ns)
{
	struct deadline *pause;

	while ((pause = deadline_first(&acceptor->pauses)) && pause->at_ns <= now_ns) {
		struct listener *listener = container_of(pause, struct listener, pause);

		list_remove(&pause->link);
		loop_change(acceptor->loop, &listener->source, EPOLLIN);
	}
}

static void listener_ready(struct source *source, uint32_t events)
{
	struct listener *listener = container_of(source, struct listener, source);
	struct acceptor *acceptor = listener->acceptor;

	(void)events;
	for (unsigned i = 0; i < ACCEPT_TURN_MAX; i++) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && is_passing(errno))
			continue;
		if (fd < 0) {
			if (errno != EAGAIN)
				pause_listener(listener, errno);
			return;
		}
		if (!room_has(acceptor->room, 1)) {
			char who[ORIGIN_WHO_BYTES];

			log_limited(
				LOG_LEVEL_WARNING,
				"a connection of %s is refused: there are %llu, as many as may be",
				origin_who(fd, listener->is_unix, who),
				(unsigned long long)acceptor->room->connections);
			close(fd);
		} else if (control_open(acceptor->controls, fd, listener->is_unix)) {
			close(fd);
		}
	}
}

int accept_start(struct acceptor *acceptor)
{
	for (unsigned i = 0; i < acceptor->listeners->count; i++) {
		struct listener *listener = &acceptor->listeners->table[i];
		int r;

		listener->acceptor = acceptor;
		list_init(&listener->pause.link);
		r = loop_add(acceptor->loop, &listener->source, listener->source.fd, EPOLLIN,
			     listener_ready);
		if (r)
			return r;
	}
	return 0;
}

void accept_stop(struct acceptor *acceptor)
{
	struct unix_socket *unix_socket = &acceptor->listeners->unix_socket;

	list_init(&acceptor->pauses.list);
	for (unsigned i = 0; i < acceptor->listeners->count; i++)
		loop_end(acceptor->loop, &acceptor->listeners->table[i].source);
	unix_socket_remove(unix_socket);
	unix_socket->path[0] = 0;
}
