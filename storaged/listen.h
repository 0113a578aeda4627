/* SPDX-License-Identifier: Apache-2.0 */
/* Where storaged listens: TCP addresses, and one unix socket. */
#ifndef STORAGED_LISTEN_H
#define STORAGED_LISTEN_H

#include "lib/core/deadlines.h"
#include "storaged/loop.h"
#include "storaged/settings.h"

#include <stdbool.h>
#include <sys/stat.h>

#define LISTENERS_MAX 32

struct acceptor;

struct listener {
	struct source source;
	/* control/accept.h */
	struct acceptor *acceptor;
	bool is_unix;
	/* nothing is accepted until then: open files are short */
	struct deadline pause;
	/* without a namespace */
	char url[128];
	/* IPv4 as ::ffff:a.b.c.d; zero of a unix socket */
	uint8_t ip[16];
	uint16_t port;
};

struct unix_socket {
	/* empty: none */
	char path[108];
	/* of the file that storaged made, so that no other is removed at the end */
	dev_t device;
	ino_t inode;
};

struct listeners {
	struct listener table[LISTENERS_MAX];
	unsigned count;
	struct unix_socket unix_socket;
};

/*
 * Bind and listen at ADDR[:PORT], every address that it means, into @listeners. Returns 0 or a
 * negative errno, with *reason filled: -EACCES for an address beyond loopback without @plaintext.
 */
int listen_tcp(const char *text, bool plaintext, struct listeners *listeners, char *reason,
	       size_t reason_bytes);

/*
 * The same for the unix socket: makes its directory, replaces the file of a dead daemon and refuses
 * to replace that of a live one.
 */
int listen_unix(const struct settings *settings, struct listeners *listeners, char *reason,
		size_t reason_bytes);
/*
 * The address at which a client on this host finds the first of @listeners that has an IP address:
 * its own, or the loopback address where it listens at any. Returns NULL where there is none.
 */
const struct listener *listener_named(const struct listeners *listeners, uint8_t ret_ip[16]);
/* The default path of the socket. */
void unix_socket_default_path(char *path, size_t path_bytes);
/* Make the directory of @path, as for a socket there. Returns 0 or a negative errno with *reason
 * filled. */
int unix_socket_make_directory(const char *path, char *reason, size_t reason_bytes);
/* Remove the file, if it is still ours. */
void unix_socket_remove(const struct unix_socket *unix_socket);

#endif
