/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where sessions come from, and how many there are from each origin: a user of this host, by a unix
 * socket, or a network. Over TCP only the address is known, and one user often has several: all of
 * 127.0.0.0/8 counts as one, and so do the 64 bits of an IPv6 address that a host chooses for
 * itself.
 */
#ifndef STORAGED_SESSION_ORIGIN_H
#define STORAGED_SESSION_ORIGIN_H

#include "lib/core/list.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define ORIGIN_BUCKETS   256
#define ORIGIN_WHO_BYTES 56

struct origin {
	bool is_unix;
	uid_t uid;
	/* 0: its number has no meaning here */
	pid_t pid;
	/* an IPv6 address without what its host chose, or an IPv4 address in one */
	uint8_t network[16];
};

/* All sessions from one origin; an origin without sessions is not kept. */
struct origin_count {
	struct list link;
	struct origin origin;
	/* that are not free */
	uint32_t sessions;
};

struct origin_counts {
	struct list buckets[ORIGIN_BUCKETS];
};

/* Fill in the network of @peer. */
void origin_from(const struct sockaddr *peer, struct origin *origin);
/* Find out who is at the other end of the socket @fd: the origin for storaged, and @who for
 * people. */
void origin_find(int fd, bool is_unix, struct origin *origin, char who[ORIGIN_WHO_BYTES]);
/* The same, for people alone. Returns @who. */
const char *origin_who(int fd, bool is_unix, char who[ORIGIN_WHO_BYTES]);
/* What it is called: "user" or "address". */
const char *origin_kind(const struct origin *origin);

void origin_counts_init(struct origin_counts *counts);
/* How many sessions there are from @origin. */
uint32_t origin_counts_get(const struct origin_counts *counts, const struct origin *origin);
/* Count one more. Returns NULL without memory. */
struct origin_count *origin_counts_join(struct origin_counts *counts, const struct origin *origin);
/* One less. */
void origin_count_leave(struct origin_count *count);

#endif
