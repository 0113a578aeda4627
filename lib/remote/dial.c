/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/remote/dial.h"
#include "lib/core/clock.h"
#include "lib/remote/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Before the next address of a host is tried beside those that have not answered (RFC 8305,
 * section 5). */
#define STAGGER_NS INT64_C(250000000)

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

/* Begin to connect a new socket. Returns it, connected or under way, or a negative errno. */
static int begin(int family, const struct sockaddr *address, socklen_t address_bytes)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, r;

	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, address, address_bytes) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* ---- TCP ---- */

/* The addresses of a host that are tried at the same time. The next address is tried beside the
 * others after STAGGER_NS, as RFC 8305 has it. */
struct race {
	const struct addrinfo *next;
	int64_t next_ns; /* when it is to be tried */
	struct pollfd runner[DIAL_ADDRESSES_MAX];
	const struct addrinfo *address[DIAL_ADDRESSES_MAX];
	unsigned count;
	int error;
};

/* No route leads to an address of a family that this host lacks. */
static int without_a_way(int error)
{
	return error == -ENETUNREACH || error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT
		       ? -EHOSTUNREACH
		       : error;
}

/* A refusal is reported rather than the lack of a route for another family. */
static void race_failed(struct race *race, int error)
{
	if (race->error != -ECONNREFUSED)
		race->error = without_a_way(error);
	race->next_ns = 0;
}

static void race_start_next(struct race *race, int64_t now_ns)
{
	const struct addrinfo *address = race->next;
	int fd = begin(address->ai_family, address->ai_addr, address->ai_addrlen);

	race->next = address->ai_next;
	if (fd < 0) {
		race_failed(race, fd);
		return;
	}
	race->runner[race->count] = (struct pollfd){.fd = fd, .events = POLLOUT};
	race->address[race->count++] = address;
	race->next_ns = now_ns + STAGGER_NS;
}

/* Take the runner at @place out. Returns its descriptor. */
static int race_take(struct race *race, unsigned place)
{
	int fd = race->runner[place].fd;

	race->count--;
	race->runner[place] = race->runner[race->count];
	race->address[place] = race->address[race->count];
	return fd;
}

/* Look at the runners that have an outcome. Returns the descriptor of a connected one, or -1. */
static int race_look(struct race *race, const struct addrinfo **ret_address)
{
	for (unsigned i = 0; i < race->count;) {
		int error = 0;
		socklen_t bytes = sizeof error;

		if (race->runner[i].revents == 0) {
			i++;
			continue;
		}
		getsockopt(race->runner[i].fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
		*ret_address = race->address[i];
		if (error == 0)
			return race_take(race, i);
		close(race_take(race, i));
		race_failed(race, -error);
	}
	return -1;
}

/* Run the race. Returns a connected socket, with its address, or a negative errno. */
static int race_run(struct race *race, int64_t deadline_ns, const struct addrinfo **ret_address)
{
	int fd = -1;

	while (fd < 0 && (race->next || race->count)) {
		int64_t now_ns = clock_now_ns(), until_ns = deadline_ns;

		if (now_ns >= deadline_ns)
			return race->error == -EHOSTUNREACH || race->count ? -ETIMEDOUT
									   : race->error;
		if (race->next && race->count < DIAL_ADDRESSES_MAX && now_ns >= race->next_ns) {
			race_start_next(race, now_ns);
			until_ns = 0;
		}
		if (race->next && race->next_ns < until_ns)
			until_ns = race->next_ns;
		poll(race->runner, race->count, clock_poll_ms(until_ns));
		fd = race_look(race, ret_address);
	}
	return fd < 0 ? race->error : fd;
}

static void race_end(struct race *race)
{
	while (race->count)
		close(race_take(race, 0));
}

/* Alternate the addresses of the two families, beginning with that of the first. */
static struct addrinfo *alternate(struct addrinfo *addresses)
{
	struct addrinfo *lists[2] = {NULL}, **ends[2] = {&lists[0], &lists[1]};
	struct addrinfo *all = NULL, **end = &all;

	for (struct addrinfo *at = addresses; at; at = at->ai_next) {
		unsigned other = at->ai_family != addresses->ai_family;

		*ends[other] = at;
		ends[other] = &at->ai_next;
	}
	*ends[0] = *ends[1] = NULL;
	for (unsigned turn = 0; lists[0] || lists[1]; turn ^= 1) {
		struct addrinfo **list = lists[turn] ? &lists[turn] : &lists[turn ^ 1];

		*end = *list;
		end = &(*list)->ai_next;
		*list = (*list)->ai_next;
	}
	*end = NULL;
	return all;
}

int dial_tcp(const char *host, const char *port, int64_t deadline_ns, char *ret_host,
	     size_t ret_host_bytes, char *reason, size_t reason_bytes)
{
	struct race race = {.error = -EHOSTUNREACH};
	const struct addrinfo *address = NULL;
	struct addrinfo *addresses;
	int r = resolve(host, port, deadline_ns, &addresses, reason, reason_bytes);

	if (r)
		return r;
	addresses = alternate(addresses);
	race.next = addresses;
	r = race_run(&race, deadline_ns, &address);
	race_end(&race);
	if (r < 0)
		say(r, reason, reason_bytes, "cannot connect to %s port %s: %s", host, port,
		    strerror(-r));
	else if (ret_host)
		getnameinfo(address->ai_addr, address->ai_addrlen, ret_host,
			    (socklen_t)ret_host_bytes, NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(addresses);
	return r;
}

/* ---- unix sockets ---- */

int dial_unix(const char *path, int64_t deadline_ns, char *reason, size_t reason_bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof address.sun_path)
		return say(-EINVAL, reason, reason_bytes, "the path %s is too long", path);
	strcpy(address.sun_path, path);
	/* A unix socket whose backlog is full answers EAGAIN at once; its owner is alive but
	 * late. */
	while ((fd = begin(AF_UNIX, (struct sockaddr *)&address, sizeof address)) == -EAGAIN &&
	       clock_now_ns() < deadline_ns)
		poll(NULL, 0, 1);
	if (fd == -EAGAIN)
		fd = -ETIMEDOUT;
	error = fd;
	/* No process listens there, as where the socket was left behind; the sentence says
	 * which. */
	if (fd == -ENOENT || fd == -ENOTDIR)
		fd = -ECONNREFUSED;
	if (fd < 0)
		say(fd, reason, reason_bytes, "cannot connect to the unix socket %s: %s", path,
		    strerror(-error));
	return fd;
}

int dial_unix_file(const char *path, uint64_t device, uint64_t inode, int64_t deadline_ns,
		   char *reason, size_t reason_bytes)
{
	/* The descriptor holds the file, so that no other can be put in its place meanwhile. */
	int fd, file = open(path, O_PATH | O_CLOEXEC);
	char at[32];
	struct stat stat;

	if (file < 0 || fstat(file, &stat) || stat.st_dev != device || stat.st_ino != inode) {
		if (file >= 0)
			close(file);
		return say(-EACCES, reason, reason_bytes,
			   "what lies at %s is not the socket of the storaged that names it", path);
	}
	snprintf(at, sizeof at, "/proc/self/fd/%d", file);
	fd = dial_unix(at, deadline_ns, reason, reason_bytes);
	close(file);
	return fd;
}

/* ---- messages ---- */

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
			return errno == EPIPE ? -ECONNRESET : -errno;
	}
	return 0;
}

/* What came with a reply. */
struct descriptors {
	int fd[DIAL_DESCRIPTORS_MAX];
	unsigned count;
};

static void close_descriptors(struct descriptors *descriptors)
{
	while (descriptors->count)
		close(descriptors->fd[--descriptors->count]);
}

/* Keep the first descriptors that come, and close those beyond DIAL_DESCRIPTORS_MAX. */
static void take_descriptors(struct msghdr *message, struct descriptors *descriptors)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(at) + i * sizeof fd, sizeof fd);
			if (descriptors->count < DIAL_DESCRIPTORS_MAX)
				descriptors->fd[descriptors->count++] = fd;
			else
				close(fd);
		}
	}
}

/* Receive exactly @count bytes, and the descriptors that may come with them. */
static int receive_all(int fd, void *bytes, size_t count, struct descriptors *descriptors,
		       int64_t deadline_ns)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof descriptors->fd)];
	} control;

	for (size_t got = 0; got < count;) {
		struct iovec part = {(char *)bytes + got, count - got};
		struct msghdr message = {.msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof control};
		ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

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
		take_descriptors(&message, descriptors);
	}
	return 0;
}

static int receive_reply(int fd, uint16_t type, void *reply, uint32_t reply_bytes,
			 struct descriptors *descriptors, int64_t deadline_ns, char *reason,
			 size_t reason_bytes)
{
	struct control_header header;
	char text[256];
	uint32_t length, status;
	int r = receive_all(fd, &header, sizeof header, descriptors, deadline_ns);

	if (r)
		return say(r, reason, reason_bytes, "no answer from storaged: %s", strerror(-r));
	length = le32_get(header.length_bytes);
	status = le16_get(header.status);
	if (le16_get(header.type) != type || (status == WIRE_OK && length != reply_bytes) ||
	    (status != WIRE_OK && length >= sizeof text))
		return say(-EPROTO, reason, reason_bytes, "what answers there is not storaged");
	r = receive_all(fd, status == WIRE_OK ? reply : text, length, descriptors, deadline_ns);
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
		  uint32_t reply_bytes, int *ret_fds, unsigned fd_count, int64_t deadline_ns,
		  char *reason, size_t reason_bytes)
{
	struct {
		struct control_header header;
		uint8_t body[256];
	} request = {.header = control_header_of(type, 0, 1, body_bytes)};
	struct descriptors descriptors = {.count = 0};
	int r;

	memcpy(request.body, body, body_bytes);
	r = send_all(fd, &request, sizeof request.header + body_bytes, deadline_ns);
	if (r)
		return say(r, reason, reason_bytes, "cannot speak to storaged: %s", strerror(-r));
	r = receive_reply(fd, type, reply, reply_bytes, &descriptors, deadline_ns, reason,
			  reason_bytes);
	if (r == 0 && descriptors.count != fd_count)
		r = say(-EPROTO, reason, reason_bytes, "storaged sent %u descriptors instead of %u",
			descriptors.count, fd_count);
	if (r)
		close_descriptors(&descriptors);
	else if (fd_count)
		memcpy(ret_fds, descriptors.fd, fd_count * sizeof *ret_fds);
	return r;
}

int dial_attach(int fd, const struct attachment *attachment, uint8_t transport, int *ret_fds,
		unsigned fd_count, int64_t deadline_ns)
{
	struct control_attach attach = {.session = attachment->welcome->session,
					.transport = transport};

	memcpy(attach.cookie, attachment->welcome->cookie, sizeof attach.cookie);
	return dial_exchange(fd, CONTROL_ATTACH, &attach, sizeof attach, NULL, 0, ret_fds, fd_count,
			     deadline_ns, attachment->reason, attachment->reason_bytes);
}
