/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V4_AT         12 /* in an IPv6 address that stands for one */
#define NETWORK_BYTES 8

static const uint8_t v4_prefix[V4_AT] = {[10] = 0xff, [11] = 0xff};

static void use_v4(struct origin *origin, const uint8_t ip[4])
{
	memcpy(origin->network, v4_prefix, sizeof v4_prefix);
	memcpy(origin->network + V4_AT, ip, ip[0] == 127 ? 1 : 4);
}

void origin_from(const struct sockaddr *peer, struct origin *origin)
{
	const struct sockaddr_in *v4 = (const void *)peer;
	const struct sockaddr_in6 *v6 = (const void *)peer;

	memset(origin->network, 0, sizeof origin->network);
	if (peer->sa_family == AF_INET)
		use_v4(origin, (const uint8_t *)&v4->sin_addr);
	else if (peer->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		use_v4(origin, v6->sin6_addr.s6_addr + V4_AT);
	else if (peer->sa_family == AF_INET6)
		memcpy(origin->network, v6->sin6_addr.s6_addr, NETWORK_BYTES);
}

/* The process at the other end of a unix socket, as a person would look for it. */
static void find_process(int fd, struct origin *origin, char who[ORIGIN_WHO_BYTES])
{
	struct ucred credentials;
	socklen_t bytes = sizeof credentials;

	origin->is_unix = true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes))
		credentials = (struct ucred){.uid = (uid_t)-1};
	origin->uid = credentials.uid;
	/* 0: the process has no number in this container. */
	origin->pid = credentials.pid;
	if (credentials.pid <= 0)
		snprintf(who, ORIGIN_WHO_BYTES, "a process on this host");
	else
		snprintf(who, ORIGIN_WHO_BYTES, "pid %d", (int)credentials.pid);
}

/* The same for a TCP socket. */
static void find_address(int fd, struct origin *origin, char who[ORIGIN_WHO_BYTES])
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer = {0};
	socklen_t bytes = sizeof peer;
	char host[INET6_ADDRSTRLEN];

	if (getpeername(fd, &peer.any, &bytes))
		return;
	origin_from(&peer.any, origin);
	if (peer.any.sa_family == AF_INET) {
		snprintf(who, ORIGIN_WHO_BYTES, "%s:%u",
			 inet_ntop(AF_INET, &peer.v4.sin_addr, host, sizeof host),
			 ntohs(peer.v4.sin_port));
	} else if (peer.any.sa_family == AF_INET6) {
		snprintf(who, ORIGIN_WHO_BYTES, "[%s]:%u",
			 inet_ntop(AF_INET6, &peer.v6.sin6_addr, host, sizeof host),
			 ntohs(peer.v6.sin6_port));
	}
}

void origin_find(int fd, bool is_unix, struct origin *origin, char who[ORIGIN_WHO_BYTES])
{
	*origin = (struct origin){0};
	snprintf(who, ORIGIN_WHO_BYTES, "a client that is gone");
	(is_unix ? find_process : find_address)(fd, origin, who);
}

const char *origin_who(int fd, bool is_unix, char who[ORIGIN_WHO_BYTES])
{
	struct origin origin;

	origin_find(fd, is_unix, &origin, who);
	return who;
}

const char *origin_kind(const struct origin *origin)
{
	return origin->is_unix ? "user" : "address";
}

static bool is_same(const struct origin *one, const struct origin *other)
{
	return one->is_unix == other->is_unix &&
	       (one->is_unix ? one->uid == other->uid
			     : !memcmp(one->network, other->network, sizeof one->network));
}

static unsigned bucket_of(const struct origin *origin)
{
	uint32_t hash = origin->is_unix ? origin->uid : 1;

	for (unsigned i = 0; !origin->is_unix && i < sizeof origin->network; i++)
		hash = hash * 31 + origin->network[i];
	return hash * UINT32_C(2654435769) >> 24;
}

static struct origin_count *find(const struct origin_counts *counts, const struct origin *origin)
{
	const struct list *bucket = &counts->buckets[bucket_of(origin)];

	for (struct list *link = bucket->next; link != bucket; link = link->next)
		if (is_same(&container_of(link, struct origin_count, link)->origin, origin))
			return container_of(link, struct origin_count, link);
	return NULL;
}

void origin_counts_init(struct origin_counts *counts)
{
	for (unsigned i = 0; i < ORIGIN_BUCKETS; i++)
		list_init(&counts->buckets[i]);
}

uint32_t origin_counts_get(const struct origin_counts *counts, const struct origin *origin)
{
	const struct origin_count *count = find(counts, origin);

	return count ? count->sessions : 0;
}

struct origin_count *origin_counts_join(struct origin_counts *counts, const struct origin *origin)
{
	struct origin_count *count = find(counts, origin);

	if (!count) {
		count = calloc(1, sizeof *count);
		if (!count)
			return NULL;
		count->origin = *origin;
		list_append(&counts->buckets[bucket_of(origin)], &count->link);
	}
	count->sessions++;
	return count;
}

void origin_count_leave(struct origin_count *count)
{
	if (--count->sessions)
		return;
	list_remove(&count->link);
	free(count);
}
