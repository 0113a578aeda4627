/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/listen.h"
#include "proto/control.h"
#include "storaged/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

__attribute__((format(printf, 4, 5))) static int
refuse(int error, char *reason, size_t reason_bytes, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, reason_bytes, format, arguments);
	va_end(arguments);
	return error;
}

/* ---- TCP ---- */

struct place {
	char host[256];
	char port[6];
};

/* ADDR, ADDR:PORT, [ADDR], [ADDR]:PORT, and IPv6 addresses without brackets or port. */
static int parse_place(const char *text, struct place *place)
{
	const char *end, *rest;
	char *port_end;
	unsigned long port;

	snprintf(place->port, sizeof place->port, "%d", CONTROL_PORT);
	if (*text == '[') {
		text++;
		end = strchr(text, ']');
		rest = end ? end + 1 : text;
	} else {
		end = strchr(text, ':');
		if (!end || strchr(end + 1, ':'))
			end = text + strlen(text);
		rest = end;
	}
	if (!end || end == text || (size_t)(end - text) >= sizeof place->host)
		return -EINVAL;
	snprintf(place->host, sizeof place->host, "%.*s", (int)(end - text), text);
	if (*rest == 0)
		return 0;
	if (*rest != ':' || rest[1] < '0' || rest[1] > '9')
		return -EINVAL;
	port = strtoul(rest + 1, &port_end, 10);
	if (*port_end || port > 65535)
		return -EINVAL;
	snprintf(place->port, sizeof place->port, "%lu", port);
	return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (address->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	return false;
}

/* As proto has it. */
static void ip_of(const struct sockaddr *address, uint8_t ip[16])
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	memset(ip, 0, 16);
	if (address->sa_family == AF_INET6) {
		memcpy(ip, &v6->sin6_addr, 16);
		return;
	}
	ip[10] = ip[11] = 0xff;
	memcpy(ip + 12, &v4->sin_addr, 4);
}

const struct listener *listener_named(const struct listeners *listeners, uint8_t ret_ip[16])
{
	static const uint8_t any[16], any_v4[16] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t loopback[16] = {[15] = 1};
	static const uint8_t loopback_v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

	for (const struct listener *at = listeners->table; at < listeners->table + listeners->count;
	     at++) {
		if (at->is_unix)
			continue;
		memcpy(ret_ip,
		       !memcmp(at->ip, any, sizeof any)      ? loopback
		       : !memcmp(at->ip, any_v4, sizeof any) ? loopback_v4
							     : at->ip,
		       16);
		return at;
	}
	return NULL;
}

/* The listener's URL and port, from the socket itself: the port may have been 0. */
static void name_listener(struct listener *listener, int fd)
{
	struct sockaddr_storage address;
	socklen_t address_bytes = sizeof address;
	char host[64] = "", port[6] = "";

	getsockname(fd, (struct sockaddr *)&address, &address_bytes);
	getnameinfo((struct sockaddr *)&address, address_bytes, host, sizeof host, port,
		    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	listener->port = (uint16_t)strtoul(port, NULL, 10);
	ip_of((struct sockaddr *)&address, listener->ip);
	snprintf(listener->url, sizeof listener->url,
		 address.ss_family == AF_INET6 ? "dso://[%s]:%s" : "dso://%s:%s", host, port);
}

static int bind_address(const struct addrinfo *address, struct listener *listener)
{
	int one = 1, r;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	/* Accepted sockets inherit this option. Keepalives are not needed: the session of a dead
	 * host falls silent. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, BACKLOG)) {
		r = -errno;
		close(fd);
		return r;
	}
	*listener = (struct listener){.source.fd = fd};
	name_listener(listener, fd);
	return 0;
}

/* Whether @error only means that this host lacks the address: another address of the same name will
 * do. */
static bool is_lacking(int error)
{
	return error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT;
}

/* Listen at one of the addresses that @text stands for. */
static int listen_at(const char *text, const struct addrinfo *address, bool plaintext,
		     struct listeners *listeners, char *reason, size_t reason_bytes)
{
	int r;

	if (!plaintext && !is_loopback(address->ai_addr))
		return refuse(-EACCES, reason, reason_bytes,
			      "--listen %s: that is beyond loopback, and the control connection "
			      "has no encryption yet: whoever can read the network could take "
			      "sessions over. If that network is trusted, say --plaintext",
			      text);
	if (listeners->count == LISTENERS_MAX)
		return refuse(-ENOSPC, reason, reason_bytes, "--listen %s: more than %d addresses",
			      text, LISTENERS_MAX);
	r = bind_address(address, &listeners->table[listeners->count]);
	if (r)
		return refuse(r, reason, reason_bytes, "--listen %s: %s", text,
			      r == -EADDRNOTAVAIL
				      ? "the address is none of this host's; ip address "
					"lists those that are"
				      : strerror(-r));
	listeners->count++;
	return 0;
}

/* Whether @address came before in its list: the C library returns 127.0.0.1 for ::1, too. */
static bool is_repeated(const struct addrinfo *addresses, const struct addrinfo *address)
{
	for (; addresses != address; addresses = addresses->ai_next)
		if (addresses->ai_addrlen == address->ai_addrlen &&
		    !memcmp(addresses->ai_addr, address->ai_addr, address->ai_addrlen))
			return true;
	return false;
}

static void warn_lacking(const char *text, const struct addrinfo *address)
{
	char host[64] = "";

	getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof host, NULL, 0,
		    NI_NUMERICHOST);
	log_warning("--listen %s: this host has no address %s, which is one of that name's; "
		    "storaged does not listen there",
		    text, host);
}

int listen_tcp(const char *text, bool plaintext, struct listeners *listeners, char *reason,
	       size_t reason_bytes)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *addresses;
	unsigned before = listeners->count;
	struct place place;
	int r, lacking = 0;

	if (parse_place(text, &place))
		return refuse(-EINVAL, reason, reason_bytes,
			      "--listen %s: an address is ADDR[:PORT] or [IPV6]:PORT", text);
	r = getaddrinfo(place.host, place.port, &hints, &addresses);
	if (r)
		return refuse(-EINVAL, reason, reason_bytes, "--listen %s: %s", text,
			      gai_strerror(r));
	for (struct addrinfo *at = addresses; at && r == 0; at = at->ai_next) {
		if (is_repeated(addresses, at))
			continue;
		r = listen_at(text, at, plaintext, listeners, reason, reason_bytes);
		if (!is_lacking(r))
			continue;
		if (addresses->ai_next)
			warn_lacking(text, at);
		lacking = r;
		r = 0;
	}
	freeaddrinfo(addresses);
	return r ? r : listeners->count == before ? lacking : 0;
}

/* ---- the unix socket ---- */

void unix_socket_default_path(char *path, size_t path_bytes)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		snprintf(path, path_bytes, "/run/dso/storaged.sock");
	else if (runtime && *runtime == '/')
		snprintf(path, path_bytes, "%s/dso/storaged.sock", runtime);
	else
		snprintf(path, path_bytes, "/tmp/dso-%u/storaged.sock", (unsigned)geteuid());
}

/*
 * Open the directory of @path, and make it if it is absent. A user who could replace it or its
 * files could pose as storaged: it must be ours, and only we may write to it.
 */
static int open_directory(const char *path, char *reason, size_t reason_bytes)
{
	char directory[108];
	struct stat stat;
	int fd, error;

	snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
	if (directory[0] == 0)
		strcpy(directory, "/");
	if (mkdir(directory, geteuid() == 0 ? 0755 : 0700) && errno != EEXIST)
		return refuse(-errno, reason, reason_bytes, "the directory %s cannot be made: %s",
			      directory, strerror(errno));
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		error = errno;
		return refuse(-error, reason, reason_bytes, "%s: %s", directory,
			      error == ELOOP || error == ENOTDIR
				      ? "it must be a directory, not a link"
				      : strerror(error));
	}
	if (fstat(fd, &stat) || stat.st_uid != geteuid() ||
	    (stat.st_mode & 022 && !(stat.st_mode & S_ISVTX))) {
		close(fd);
		return refuse(
			-EACCES, reason, reason_bytes,
			"%s must belong to the user that storaged runs as and be writable for "
			"nobody else, because whoever can write there could pose as storaged",
			directory);
	}
	return fd;
}

int unix_socket_make_directory(const char *path, char *reason, size_t reason_bytes)
{
	int fd = open_directory(path, reason, reason_bytes);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* Whether a process accepts connections at @address. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool alive =
		fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
			    errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return alive;
}

/* Remove what a dead daemon left at the path. Returns 0 or a negative errno with *reason. */
static int clear_path(const struct sockaddr_un *address, char *reason, size_t reason_bytes)
{
	const char *path = address->sun_path;
	struct stat stat;

	if (lstat(path, &stat))
		return errno == ENOENT ? 0
				       : refuse(-errno, reason, reason_bytes, "%s: %s", path,
						strerror(errno));
	if (!S_ISSOCK(stat.st_mode))
		return refuse(-EEXIST, reason, reason_bytes,
			      "%s is there and is not a socket: remove it, or name another with "
			      "--unix-socket",
			      path);
	if (is_alive(address))
		return refuse(-EADDRINUSE, reason, reason_bytes,
			      "another storaged listens at %s: name another with --unix-socket",
			      path);
	if (unlink(path))
		return refuse(-errno, reason, reason_bytes, "%s: %s", path, strerror(errno));
	return 0;
}

static int bind_path(const struct sockaddr_un *address, mode_t mode, char *reason,
		     size_t reason_bytes)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;
	mode_t mask;

	if (fd < 0)
		return refuse(-errno, reason, reason_bytes, "%s", strerror(errno));
	mask = umask(0777 & ~mode);
	error = bind(fd, (const struct sockaddr *)address, sizeof *address) || listen(fd, BACKLOG)
			? errno
			: 0;
	umask(mask);
	if (error) {
		close(fd);
		return refuse(-error, reason, reason_bytes, "%s: %s", address->sun_path,
			      strerror(error));
	}
	return fd;
}

int listen_unix(const struct settings *settings, struct listeners *listeners, char *reason,
		size_t reason_bytes)
{
	struct unix_socket *unix_socket = &listeners->unix_socket;
	struct listener *listener = &listeners->table[listeners->count];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mode = settings->unix_mode != SETTINGS_UNIX_MODE_AUTO ? (mode_t)settings->unix_mode
		      : geteuid() == 0                               ? 0666
								     : 0600;
	struct stat stat;
	int directory_fd, r;

	if (listeners->count == LISTENERS_MAX)
		return refuse(-ENOSPC, reason, reason_bytes, "more than %d addresses to listen at",
			      LISTENERS_MAX);
	if (settings->unix_socket)
		snprintf(address.sun_path, sizeof address.sun_path, "%s", settings->unix_socket);
	else
		unix_socket_default_path(address.sun_path, sizeof address.sun_path);
	if (address.sun_path[0] != '/')
		return refuse(-EINVAL, reason, reason_bytes,
			      "--unix-socket %s: the path must be absolute", address.sun_path);
	directory_fd = open_directory(address.sun_path, reason, reason_bytes);
	if (directory_fd < 0)
		return directory_fd;
	/* Two daemons that start at the same time must not take each other's socket for that of a
	 * dead one. */
	flock(directory_fd, LOCK_EX);
	r = clear_path(&address, reason, reason_bytes);
	if (r == 0)
		r = bind_path(&address, mode, reason, reason_bytes);
	close(directory_fd);
	if (r < 0)
		return r;
	*listener = (struct listener){.source.fd = r, .is_unix = true};
	snprintf(listener->url, sizeof listener->url, "dso+unix://%s", address.sun_path);
	*unix_socket = (struct unix_socket){0};
	strcpy(unix_socket->path, address.sun_path);
	if (lstat(address.sun_path, &stat) == 0) {
		unix_socket->device = stat.st_dev;
		unix_socket->inode = stat.st_ino;
	}
	listeners->count++;
	return 0;
}

void unix_socket_remove(const struct unix_socket *unix_socket)
{
	struct stat stat;

	if (unix_socket->path[0] && lstat(unix_socket->path, &stat) == 0 &&
	    stat.st_dev == unix_socket->device && stat.st_ino == unix_socket->inode)
		unlink(unix_socket->path);
}
