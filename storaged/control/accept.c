/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/control/accept.h"
#include "storaged/control/control.h"
#include "storaged/log.h"
#include "storaged/server.h"
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
	struct server *server = listener->server;

	log_limited(LOG_LEVEL_ERROR, "a connection cannot be accepted now: %s",
		    strerrordesc_np(error));
	loop_change(&server->loop, &listener->source, 0);
	deadline_set(&server->pauses, &listener->pause, clock_now_ns());
}

void accept_resume(struct server *server, struct deadline *pause)
{
	struct listener *listener = container_of(pause, struct listener, pause);

	list_remove(&pause->link);
	loop_change(&server->loop, &listener->source, EPOLLIN);
}

static void listener_ready(struct source *source, uint32_t events)
{
	struct listener *listener = container_of(source, struct listener, source);
	struct server *server = listener->server;

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
		if (!server_has_room(server, 1)) {
			char who[ORIGIN_WHO_BYTES];

			log_limited(
				LOG_LEVEL_WARNING,
				"a connection of %s is refused: there are %llu, as many as may be",
				origin_who(fd, listener->is_unix, who),
				(unsigned long long)server->connection_count);
			close(fd);
		} else if (control_open(server, fd, listener->is_unix)) {
			close(fd);
		}
	}
}

int accept_start(struct server *server)
{
	for (unsigned i = 0; i < server->listener_count; i++) {
		struct listener *listener = &server->listeners[i];
		int r;

		listener->server = server;
		list_init(&listener->pause.link);
		r = loop_add(&server->loop, &listener->source, listener->source.fd, EPOLLIN,
			     listener_ready);
		if (r)
			return r;
	}
	return 0;
}

void accept_stop(struct server *server)
{
	list_init(&server->pauses.list);
	for (unsigned i = 0; i < server->listener_count; i++)
		loop_end(&server->loop, &server->listeners[i].source);
	unix_socket_remove(&server->unix_socket);
	server->unix_socket.path[0] = 0;
}
