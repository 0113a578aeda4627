/* SPDX-License-Identifier: Apache-2.0 */
/* The storage host's device, for the files of this folder. */
#ifndef LIB_VERBS_HOST_DEVICE_H
#define LIB_VERBS_HOST_DEVICE_H

#include "lib/verbs/address.h"
#include "lib/verbs/host/host.h"

struct verbs_device {
	struct rdma_event_channel *channel;
	int events_fd; /* epoll over the channel and the device's asynchronous events; -1 */
	/* Bound to the device's address. rdma_cm opens a device once in a process; queue pairs can
	 * be accepted only with that ibv_context, which lives as long as an id on it. */
	struct rdma_cm_id *anchor;
	struct ibv_context *context;
	struct sockaddr_storage sockaddr;
	uint8_t port;
	int gid_index;
	union ibv_gid gid;
	struct ibv_device_attr attributes;
	struct ibv_port_attr port_attributes;
	char name[64];
	char address[VERBS_ADDRESS_BYTES];
	char summary[320];
};

struct verbs_region {
	struct verbs_device *device;
	struct ibv_pd *pd;
	struct ibv_mr *mr;
	uint64_t bytes;
};

/* READ, WRITE, CAS and FAA over a loopback queue pair on scratch memory. Returns 0, -EIO or what
 * making the queue pair returned. */
int verbs_self_test(struct verbs_device *device, char *reason, size_t reason_bytes);

#endif
