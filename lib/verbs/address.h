/* SPDX-License-Identifier: Apache-2.0 */
/* Which IP addresses of this host belong to RDMA devices, as rdma_cm sees it. */
#ifndef LIB_VERBS_ADDRESS_H
#define LIB_VERBS_ADDRESS_H

#include "lib/verbs/api.h"

#include <netdb.h>
#include <stdint.h>
#include <sys/socket.h>

#define VERBS_ADDRESS_BYTES 48 /* a numeric address, as in struct control_welcome */

/*
 * Bind an rdma_cm_id of @channel to each address of this host that an RDMA device has, without
 * loopback and link-local ones, and call @each with it until @each returns other than 0. The id is
 * destroyed after the call unless @each keeps it by setting *id to NULL. Returns what @each
 * returned last, 0 when there was no address, or a negative errno.
 */
int verbs_each_address(struct rdma_event_channel *channel,
		       int (*each)(void *context, struct rdma_cm_id **id,
				   const struct sockaddr *address),
		       void *context);

/* @address with @port. */
socklen_t verbs_address_with_port(struct sockaddr_storage *ret_address,
				  const struct sockaddr *address, uint16_t port);

/* Parse a numeric address. Returns 0 or -EINVAL. */
int verbs_address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret_address);

#endif
