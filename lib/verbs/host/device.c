/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verbs/host/device.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct search {
	struct verbs_device *device;
	const char *name; /* the one asked for, or NULL */
	char *reason;
	size_t reason_bytes;
	int error; /* why the last candidate was turned down */
};

/* Find the GID of the device's address; of several, that of RoCE v2, which can be routed. Returns
 * false: there is none. */
static bool find_gid(struct verbs_device *device)
{
	const struct sockaddr *address = (struct sockaddr *)&device->sockaddr;
	union ibv_gid wanted = {.raw = {[10] = 0xff, [11] = 0xff}};
	bool found = false;

	if (device->port_attributes.link_layer == IBV_LINK_LAYER_INFINIBAND)
		return true; /* addressed by LID */
	if (address->sa_family == AF_INET)
		memcpy(wanted.raw + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
	else
		memcpy(wanted.raw, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	for (int i = 0; i < device->port_attributes.gid_tbl_len; i++) {
		struct ibv_gid_entry entry;

		if (verbs_api.ibv.query_gid_ex(device->context, device->port, i, &entry, 0,
					       sizeof entry) ||
		    memcmp(entry.gid.raw, wanted.raw, sizeof wanted.raw) != 0)
			continue;
		if (!found || entry.gid_type == IBV_GID_TYPE_ROCE_V2)
			device->gid_index = i;
		device->gid = wanted;
		found = true;
		if (entry.gid_type == IBV_GID_TYPE_ROCE_V2)
			break;
	}
	return found;
}

static int query(struct verbs_device *device, char *reason, size_t reason_bytes)
{
	if (verbs_api.ibv.query_device(device->context, &device->attributes) ||
	    verbs_api.ibv.query_port(device->context, device->port,
				     (struct _compat_ibv_port_attr *)&device->port_attributes)) {
		snprintf(reason, reason_bytes, "the RDMA device %s does not answer", device->name);
		return -EIO;
	}
	if (device->port_attributes.state != IBV_PORT_ACTIVE) {
		snprintf(reason, reason_bytes, "port %u of the RDMA device %s is not active",
			 device->port, device->name);
		return -ENODEV;
	}
	if (device->attributes.atomic_cap == IBV_ATOMIC_NONE) {
		snprintf(reason, reason_bytes, "the RDMA device %s has no atomics", device->name);
		return -EOPNOTSUPP;
	}
	if (!find_gid(device)) {
		snprintf(reason, reason_bytes, "the RDMA device %s has no GID for its address %s",
			 device->name, device->address);
		return -ENODEV;
	}
	return 0;
}

static void summarize(struct verbs_device *device)
{
	snprintf(device->summary, sizeof device->summary,
		 "%s at %s, port %u, GID index %d, MTU %d, %d READs and atomics outstanding, "
		 "atomics "
		 "atomic within %s; READ, WRITE, CAS and FAA passed the self-test",
		 device->name, device->address, device->port, device->gid_index,
		 128 << device->port_attributes.active_mtu, device->attributes.max_qp_rd_atom,
		 device->attributes.atomic_cap == IBV_ATOMIC_GLOB ? "the host" : "the device");
}

static void format_address(const struct sockaddr *address, char text[VERBS_ADDRESS_BYTES])
{
	socklen_t bytes = address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							: sizeof(struct sockaddr_in6);

	if (getnameinfo(address, bytes, text, VERBS_ADDRESS_BYTES, NULL, 0, NI_NUMERICHOST))
		snprintf(text, VERBS_ADDRESS_BYTES, "?");
}

/* Returns 1 when the device that has @address can be used, 0 to go on with the next address. */
static int consider(void *context, struct rdma_cm_id **id, const struct sockaddr *address)
{
	struct search *search = context;
	struct verbs_device *device = search->device;

	snprintf(device->name, sizeof device->name, "%s",
		 verbs_api.ibv.get_device_name((*id)->verbs->device));
	if (search->name && strcmp(search->name, device->name) != 0)
		return 0;
	device->context = (*id)->verbs;
	device->port = (*id)->port_num;
	verbs_address_with_port(&device->sockaddr, address, 0);
	format_address(address, device->address);
	search->error = query(device, search->reason, search->reason_bytes);
	if (search->error == 0)
		search->error = verbs_self_test(device, search->reason, search->reason_bytes);
	if (search->error)
		return 0;
	device->anchor = *id;
	*id = NULL;
	return 1;
}

static int watch(int events_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ||
	    epoll_ctl(events_fd, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return 0;
}

static int open_events(struct verbs_device *device)
{
	int r;

	device->events_fd = epoll_create1(EPOLL_CLOEXEC);
	if (device->events_fd < 0)
		return -errno;
	r = watch(device->events_fd, device->channel->fd);
	return r ? r : watch(device->events_fd, device->context->async_fd);
}

int verbs_device_open(const char *name, struct verbs_device **ret_device, char *reason,
		      size_t reason_bytes)
{
	struct search search = {
		.name = name, .reason = reason, .reason_bytes = reason_bytes, .error = -ENODEV};
	int status;

	if (verbs_api_load(reason, reason_bytes))
		return -ENODEV;
	search.device = calloc(1, sizeof *search.device);
	if (!search.device) {
		snprintf(reason, reason_bytes, "no memory");
		return -ENOMEM;
	}
	search.device->events_fd = -1;
	search.device->channel = verbs_api.cm.create_event_channel();
	if (!search.device->channel) {
		snprintf(reason, reason_bytes,
			 "this host has no RDMA device that rdma_cm knows: %s", strerror(errno));
		free(search.device);
		return -ENODEV;
	}
	if (name)
		snprintf(reason, reason_bytes,
			 "there is no RDMA device %s with an IP address and a link", name);
	else
		snprintf(reason, reason_bytes, "no RDMA device has an IP address and a link");
	status = verbs_each_address(search.device->channel, consider, &search);
	if (status != 1) {
		if (status < 0)
			snprintf(reason, reason_bytes, "looking for RDMA devices failed: %s",
				 strerror(-status));
		verbs_device_close(search.device);
		return status < 0 ? status : search.error;
	}
	status = open_events(search.device);
	if (status) {
		snprintf(reason, reason_bytes, "the events of the RDMA device cannot be had: %s",
			 strerror(-status));
		verbs_device_close(search.device);
		return status;
	}
	summarize(search.device);
	*ret_device = search.device;
	return 0;
}

void verbs_device_close(struct verbs_device *device)
{
	if (!device)
		return;
	if (device->events_fd >= 0)
		close(device->events_fd);
	if (device->anchor)
		verbs_api.cm.destroy_id(device->anchor);
	verbs_api.cm.destroy_event_channel(device->channel);
	free(device);
}

/* ---- what happens to it ---- */

int verbs_device_fd(const struct verbs_device *device)
{
	return device->events_fd;
}

static enum verbs_event event_of(enum ibv_event_type type)
{
	switch (type) {
	case IBV_EVENT_DEVICE_FATAL:
		return VERBS_FAILED;
	case IBV_EVENT_PORT_ERR:
		return VERBS_LINK_DOWN;
	case IBV_EVENT_PORT_ACTIVE:
		return VERBS_LINK_UP;
	default:
		return VERBS_NOTHING;
	}
}

/* Events of the device. Events of queue pairs show in their operations. */
static enum verbs_event next_async(struct verbs_device *device)
{
	struct ibv_async_event event;
	enum verbs_event told = VERBS_NOTHING;

	while (told == VERBS_NOTHING &&
	       verbs_api.ibv.get_async_event(device->context, &event) == 0) {
		told = event_of(event.event_type);
		verbs_api.ibv.ack_async_event(&event);
	}
	return told;
}

enum verbs_event verbs_device_event(struct verbs_device *device)
{
	struct rdma_cm_event *event;
	enum verbs_event told = VERBS_NOTHING;

	while (told == VERBS_NOTHING && verbs_api.cm.get_cm_event(device->channel, &event) == 0) {
		if (event->event == RDMA_CM_EVENT_DEVICE_REMOVAL)
			told = VERBS_REMOVED;
		verbs_api.cm.ack_cm_event(event);
	}
	return told ? told : next_async(device);
}

const char *verbs_device_name(const struct verbs_device *device)
{
	return device->name;
}

const char *verbs_device_address(const struct verbs_device *device)
{
	return device->address;
}

const char *verbs_device_summary(const struct verbs_device *device)
{
	return device->summary;
}
