/* SPDX-License-Identifier: Apache-2.0 */
/* ATTACH: a connection becomes the data path of a session, or brings the arena to a process. */
#include "storaged/control/handlers.h"
#include "lib/io/keepalive.h"

#include <errno.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

/* Hand the socket to a worker, with what the client sent after its ATTACH without waiting. */
static void attach_tcp(struct control *control, const struct control_header *header,
		       struct session *session)
{
	uint32_t taken = (uint32_t)(sizeof *header + sizeof(struct control_attach));
	int fd;

	if (data_connections_full(session)) {
		control_refuse(control, header, WIRE_ACCESS,
			       "the session has %d data connections, as many as it may",
			       SESSION_DATA_MAX);
		control_finish(control);
		return;
	}
	control_reply(control, header, NULL, 0);
	control_flush(control);
	/* A fresh socket takes 16 bytes; a socket that does not is no client of ours. */
	if (!control_is_flushed(control)) {
		control_doom(control, "its socket took no reply to ATTACH");
		return;
	}
	fd = loop_take(control->controls->loop, &control->source);
	keep_alive(fd);
	if (data_connections_add(control->context->data_connections, session, fd,
				 control->in + taken, control->in_fill - taken))
		close(fd);
	control_doom(control, NULL);
}

/* A descriptor for the process at the other end of the socket, or a negative errno. */
static int open_peer_process(int socket_fd)
{
	struct ucred credentials;
	socklen_t bytes = sizeof(int);
	int pidfd;

	/* The descriptor names the process itself: no other process can take its number meanwhile,
	 * and it works from one container to the next. */
	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &bytes) == 0)
		return pidfd;
	bytes = sizeof credentials;
	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes))
		return -errno;
	if (credentials.pid <= 0)
		return -ESRCH;
	pidfd = pidfd_open(credentials.pid, 0);
	return pidfd < 0 ? -errno : pidfd;
}

/* Send the reply with the descriptors of the arena and of the lease, if there is one, riding on
 * it. */
static int send_arena(int socket_fd, const struct control_header *header, int arena_fd,
		      int lease_fd)
{
	struct control_header reply =
		control_header_of(CONTROL_ATTACH, WIRE_OK, le32_get(header->request), 0);
	const int fds[] = {arena_fd, lease_fd};
	size_t bytes = (lease_fd < 0 ? 1 : 2) * sizeof *fds;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof fds)];
	} rights = {0};
	struct iovec part = {&reply, sizeof reply};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = rights.bytes,
				 .msg_controllen = CMSG_SPACE(bytes)};
	struct cmsghdr *first = CMSG_FIRSTHDR(&message);

	first->cmsg_level = SOL_SOCKET;
	first->cmsg_type = SCM_RIGHTS;
	first->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(first), fds, bytes);
	return sendmsg(socket_fd, &message, MSG_NOSIGNAL) == sizeof reply ? 0 : -errno;
}

/* The connection stays open: its end says when to look whether the arena is still mapped. */
static void pass_arena(struct control *control, const struct control_header *header,
		       struct mapping *mapping)
{
	int arena_fd = store_fd(session_of_fence(&mapping->fence)->space->store);

	if (send_arena(control->source.fd, header, arena_fd, mapping->lease_fd) == 0) {
		mapping_watch(mapping, loop_take(control->controls->loop, &control->source));
		control_doom(control, NULL);
	} else {
		mapping_forget(mapping);
		control_doom(control, "its socket took no reply to ATTACH");
	}
}

static void attach_shm(struct control *control, const struct control_header *header,
		       struct session *session)
{
	struct mapping *mapping;
	int pidfd, r;

	if (!control->is_unix) {
		control_refuse(control, header, WIRE_TRANSPORT,
			       "shm needs the unix socket: memory cannot be passed over TCP");
	} else if ((pidfd = open_peer_process(control->source.fd)) < 0) {
		control_refuse(
			control, header, WIRE_ACCESS,
			"storaged cannot watch this process (%s), so it could never tell when "
			"the memory it has mapped may be used again; share the process "
			"namespace with storaged, or use tcp",
			strerrordesc_np(-pidfd));
	} else if ((r = mapping_new(control->context->mappings, session, pidfd, &mapping)) != 0) {
		close(pidfd);
		control_refuse(control, header, WIRE_ACCESS,
			       r == -EMFILE ? "storaged watches as many processes as it may"
					    : "storaged cannot watch one more process");
	} else {
		pass_arena(control, header, mapping);
		return;
	}
	control_finish(control);
}

void handle_attach(struct control *control, const struct control_header *header,
		   const uint8_t *body)
{
	const struct control_attach *attach = (const void *)body;
	struct session *session = sessions_find(control->context->sessions,
						le64_get(attach->session), attach->cookie);

	if (!session) {
		control_refuse(control, header, WIRE_NO_SESSION, NULL);
		control_finish(control);
	} else if (!(attach->transport & context_transports(control->context, session->space)) ||
		   attach->transport & (CONTROL_VERBS | CONTROL_ROCE)) {
		control_refuse(control, header, WIRE_TRANSPORT, NULL);
		control_finish(control);
	} else if (attach->transport == CONTROL_TCP) {
		attach_tcp(control, header, session);
	} else {
		attach_shm(control, header, session);
	}
}
