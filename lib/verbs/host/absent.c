/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The build without rdma-core: nothing can be opened, so functions that take something opened are
 * never called.
 */
#include "lib/verbs/host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int absent(char *reason, size_t reason_bytes)
{
	snprintf(reason, reason_bytes, "this build has no transport verbs");
	return -EOPNOTSUPP;
}

int verbs_device_open(const char *name, struct verbs_device **ret_device, char *reason,
		      size_t reason_bytes)
{
	(void)name;
	(void)ret_device;
	return absent(reason, reason_bytes);
}

void verbs_device_close(struct verbs_device *device)
{
	(void)device;
}

const char *verbs_device_name(const struct verbs_device *device)
{
	(void)device;
	abort();
}

const char *verbs_device_address(const struct verbs_device *device)
{
	(void)device;
	abort();
}

const char *verbs_device_summary(const struct verbs_device *device)
{
	(void)device;
	abort();
}

int verbs_device_fd(const struct verbs_device *device)
{
	(void)device;
	abort();
}

enum verbs_event verbs_device_event(struct verbs_device *device)
{
	(void)device;
	abort();
}

int verbs_region_register(struct verbs_device *device, void *base, uint64_t bytes,
			  struct verbs_region **ret_region, char *reason, size_t reason_bytes)
{
	(void)device;
	(void)base;
	(void)bytes;
	(void)ret_region;
	return absent(reason, reason_bytes);
}

void verbs_region_deregister(struct verbs_region *region)
{
	(void)region;
}

uint32_t verbs_region_rkey(const struct verbs_region *region)
{
	(void)region;
	abort();
}

int verbs_loopback_open(struct verbs_region *region, enum transport_poll poll, int64_t timeout_ns,
			const struct breakage *breakage, struct transport **ret_transport,
			char *reason, size_t reason_bytes)
{
	(void)breakage;
	(void)region;
	(void)poll;
	(void)timeout_ns;
	(void)ret_transport;
	return absent(reason, reason_bytes);
}

int verbs_listener_open(struct verbs_device *device, uint16_t port,
			const struct verbs_listener_callbacks *callbacks, void *context,
			struct verbs_listener **ret_listener, char *reason, size_t reason_bytes)
{
	(void)device;
	(void)port;
	(void)callbacks;
	(void)context;
	(void)ret_listener;
	return absent(reason, reason_bytes);
}

void verbs_listener_close(struct verbs_listener *listener)
{
	(void)listener;
}

uint16_t verbs_listener_port(const struct verbs_listener *listener)
{
	(void)listener;
	abort();
}

int verbs_listener_fd(const struct verbs_listener *listener)
{
	(void)listener;
	abort();
}

void verbs_listener_dispatch(struct verbs_listener *listener)
{
	(void)listener;
	abort();
}

int verbs_peer_make(struct verbs_region *region, const struct verbs_end *theirs,
		    struct verbs_end *ret_ours, struct verbs_peer **ret_peer, char *reason,
		    size_t reason_bytes)
{
	(void)region;
	(void)theirs;
	(void)ret_ours;
	(void)ret_peer;
	return absent(reason, reason_bytes);
}

void verbs_peer_destroy(struct verbs_peer *peer)
{
	(void)peer;
	abort();
}
