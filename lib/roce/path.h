/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way between two queue pairs: addresses and ports, and the invariant CRC that covers them
 * (annex A17.3.3: the fields of the IP, UDP and transport headers that a router may change count as
 * ones).
 *
 * The IP identification is under the ICRC too, and a UDP socket neither sets nor sees it. Toward a
 * device it is what Linux puts there: 0 from an unconnected socket that forbids fragments, i in
 * segment i of a generic-segmentation-offload send. From a device it is recovered: a CRC is linear,
 * so the difference that the unknown 16 bits make can be told, which leaves 16 bits of check.
 * Between two ends of ours it counts as 0 whatever the kernel sent, and the check is whole.
 */
#ifndef LIB_ROCE_PATH_H
#define LIB_ROCE_PATH_H

#include "proto/roce.h"

#include <sys/socket.h>

#define ROCE_PSEUDO_BYTES 48 /* IPv6 header and UDP header */

struct roce_address {
	uint8_t ip[16]; /* IPv4: ::ffff:a.b.c.d, as in a GID */
	uint16_t port;
};

struct roce_path {
	struct roce_address local, remote;
	bool is_ipv6;
	bool to_device; /* the other end is an RDMA device */
	/* made by roce_path_prepare: the pseudo headers, with source port, lengths and
	 * identification zero */
	uint8_t pseudo_bytes;
	uint8_t sent[ROCE_PSEUDO_BYTES];
	uint8_t received[ROCE_PSEUDO_BYTES];
};

/* Fill in what is derived from the addresses, which must not be changed afterwards. */
void roce_path_prepare(struct roce_path *path);

/* Write the ICRC behind the packet of @bytes. @segment: the packet's number in its segmented
 * send. */
void roce_icrc_seal(const struct roce_path *path, uint8_t *packet, size_t bytes, unsigned segment);

/* Whether the UDP payload of @count bytes, at least a BTH and an ICRC, ends with the right ICRC. A
 * device sends from any @source_port. */
bool roce_icrc_holds(const struct roce_path *path, uint16_t source_port, const uint8_t *payload,
		     size_t count);

/* To and from socket addresses. A v4-mapped IPv6 address is an IPv4 address. */
socklen_t roce_address_to(const struct roce_address *address, struct sockaddr_storage *ret_to);
void roce_address_from(const struct sockaddr *from, struct roce_address *ret_address);
/* Numeric, without the port. Returns @text. */
const char *roce_address_text(const struct roce_address *address, char *text, size_t text_bytes);
bool roce_address_is_ipv4(const struct roce_address *address);
bool roce_address_is_any(const struct roce_address *address); /* 0.0.0.0 or :: */
bool roce_address_same_ip(const struct roce_address *left, const struct roce_address *right);

#endif
