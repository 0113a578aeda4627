/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dial.h"
#include "lib/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

__attribute__((format(printf, 4, 5))) static int say(int error, char *reason, size_t reason_bytes,
						     const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, reason_bytes, format, arguments);
	va_end(arguments);
	return error;
}

static int wait_for(int fd, short events, int64_t deadline_ns)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};
	int r;

	do
		r = poll(&poll_fd, 1, clock_poll_ms(deadline_ns));
	while (r < 0 && errno == EINTR);
	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

/* Connect a new socket. Returns it or a negative errno. */
static int dial(int family, const struct sockaddr *address, socklen_t address_bytes,
		int64_t deadline_ns)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0, one = 1, r;
	socklen_t error_bytes = sizeof error;

	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	r = connect(fd, address, address_bytes) ? -errno : 0;
	/* A unix socket whose backlog is full answers EAGAIN at once; its owner is alive but late. */
	while (r == -EAGAIN && clock_now_ns() < deadline_ns) {
		poll(NULL, 0, 1);
		r = connect(fd, address, address_bytes) ? -errno : 0;
	}
	if (r == -EINPROGRESS) {
		r = wait_for(fd, POLLOUT, deadline_ns);
		if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) == 0)
			r = -error;
	}
	if (r) {
		close(fd);
		return r == -EAGAIN ? -ETIMEDOUT : r;
	}
	return fd;
}

int dial_tcp(const char *host, const char *port, int64_t deadline_ns, char *ret_host,
	     size_t ret_host_bytes, char *reason, size_t reason_bytes)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *addresses;
	int r, fd = -EHOSTUNREACH;

	/* A numeric address needs no resolver and none of its files. */
	hints.ai_flags |= AI_NUMERICHOST;
	r = getaddrinfo(host, port, &hints, &addresses);
	if (r == EAI_NONAME) {
		hints.ai_flags &= ~AI_NUMERICHOST;
		r = getaddrinfo(host, port, &hints, &addresses);
	}
	if (r)
		return say(-EHOSTUNREACH, reason, reason_bytes, "cannot resolve %s: %s", host,
			   gai_strerror(r));
	for (struct addrinfo *at = addresses; at; at = at->ai_next) {
		fd = dial(at->ai_family, at->ai_addr, at->ai_addrlen, deadline_ns);
		if (fd >= 0) {
			if (ret_host)
				getnameinfo(at->ai_addr, at->ai_addrlen, ret_host,
					    (socklen_t)ret_host_bytes, NULL, 0, NI_NUMERICHOST);
			break;
		}
	}
	freeaddrinfo(addresses);
	if (fd < 0)
		say(fd, reason, reason_bytes, "cannot connect to %s port %s: %s", host, port,
		    strerror(-fd));
	return fd;
}

int dial_unix(const char *path, int64_t deadline_ns, char *reason, size_t reason_bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof address.sun_path)
		return say(-EINVAL, reason, reason_bytes, "the path %s is too long", path);
	strcpy(address.sun_path, path);
	fd = dial(AF_UNIX, (struct sockaddr *)&address, sizeof address, deadline_ns);
	if (fd == -ENOENT)
		fd = -ECONNREFUSED;
	if (fd < 0)
		say(fd, reason, reason_bytes, "cannot connect to the unix socket %s: %s", path,
		    strerror(-fd));
	return fd;
}

static int send_all(int fd, const void *bytes, size_t count, int64_t deadline_ns)
{
	for (size_t sent = 0; sent < count;) {
		ssize_t n = send(fd, (const char *)bytes + sent, count - sent, MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		else if (errno == EAGAIN) {
			int r = wait_for(fd, POLLOUT, deadline_ns);

			if (r)
				return r;
		} else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Receive exactly @count bytes, and the descriptor that may ride on them. */
static int receive_all(int fd, void *bytes, size_t count, int *fd_received, int64_t deadline_ns)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;

	for (size_t got = 0; got < count;) {
		struct iovec part = {(char *)bytes + got, count - got};
		struct msghdr message = {.msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof control};
		ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
		struct cmsghdr *rights;

		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno == EAGAIN) {
			int r = wait_for(fd, POLLIN, deadline_ns);

			if (r)
				return r;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		got += (size_t)n;
		rights = CMSG_FIRSTHDR(&message);
		if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
		    rights->cmsg_len == CMSG_LEN(sizeof(int))) {
			if (*fd_received >= 0)
				close(*fd_received);
			memcpy(fd_received, CMSG_DATA(rights), sizeof(int));
		}
	}
	return 0;
}

static int receive_reply(int fd, uint16_t type, void *reply, uint32_t reply_bytes, int *fd_received,
			 int64_t deadline_ns, char *reason, size_t reason_bytes)
{
	struct control_header header;
	char text[256];
	uint32_t length, status;
	int r = receive_all(fd, &header, sizeof header, fd_received, deadline_ns);

	if (r)
		return say(r, reason, reason_bytes, "no answer from storaged: %s", strerror(-r));
	length = le32_get(header.length_bytes);
	status = le16_get(header.status);
	if (le16_get(header.type) != type || (status == WIRE_OK && length != reply_bytes) ||
	    (status != WIRE_OK && length >= sizeof text))
		return say(-EPROTO, reason, reason_bytes, "what answers there is not storaged");
	r = receive_all(fd, status == WIRE_OK ? reply : text, length, fd_received, deadline_ns);
	if (r)
		return say(r, reason, reason_bytes, "half an answer from storaged: %s",
			   strerror(-r));
	if (status == WIRE_OK)
		return 0;
	text[length] = 0;
	return say(wire_status_error((uint16_t)status), reason, reason_bytes, "storaged says: %s",
		   length ? text : wire_status_sentence((uint16_t)status));
}

int dial_exchange(int fd, uint16_t type, const void *body, uint32_t body_bytes, void *reply,
		  uint32_t reply_bytes, int *ret_fd, int64_t deadline_ns, char *reason,
		  size_t reason_bytes)
{
	struct {
		struct control_header header;
		uint8_t body[256];
	} request = {.header = control_header_of(type, 0, 1, body_bytes)};
	int fd_received = -1;
	int r;

	memcpy(request.body, body, body_bytes);
	r = send_all(fd, &request, sizeof request.header + body_bytes, deadline_ns);
	if (r)
		return say(r, reason, reason_bytes, "cannot speak to storaged: %s", strerror(-r));
	r = receive_reply(fd, type, reply, reply_bytes, &fd_received, deadline_ns, reason,
			  reason_bytes);
	if (r == 0 && ret_fd && fd_received < 0)
		r = say(-EPROTO, reason, reason_bytes, "storaged sent no descriptor");
	if (r == 0 && ret_fd)
		*ret_fd = fd_received;
	else if (fd_received >= 0)
		close(fd_received);
	return r;
}

int dial_attach(int fd, const struct attachment *attachment, uint8_t transport, int *ret_fd,
		int64_t deadline_ns)
{
	struct control_attach attach = {.session = attachment->welcome->session,
					.transport = transport};

	memcpy(attach.cookie, attachment->welcome->cookie, sizeof attach.cookie);
	return dial_exchange(fd, CONTROL_ATTACH, &attach, sizeof attach, NULL, 0, ret_fd,
			     deadline_ns, attachment->reason, attachment->reason_bytes);
}
