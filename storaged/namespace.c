/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/namespace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of a loopback queue pair: a device that does not answer storaged itself for so long is dead. */
#define LOOPBACK_TIMEOUT_NS INT64_C(500000000)

int namespace_transport(const struct name_space *space, enum transport_poll poll,
			struct transport **ret_transport, char *reason, size_t reason_bytes)
{
	int r;

	if (space->region)
		return verbs_loopback_open(space->region, poll, LOOPBACK_TIMEOUT_NS, ret_transport,
					   reason, reason_bytes);
	r = transport_cpu_open(store_base(space->store), store_region_bytes(space->store),
			       ret_transport);
	if (r)
		snprintf(reason, reason_bytes, "%s", strerror(-r));
	return r;
}

/* Have the device execute, if it can. Leaves the reason for either outcome in domain_reason. */
static int use_device(struct name_space *space, struct verbs_device *device)
{
	char reason[REASON_BYTES] = "";
	int r = verbs_region_register(device, store_base(space->store),
				      store_region_bytes(space->store), &space->region, reason,
				      sizeof reason);

	if (r == 0) {
		r = namespace_transport(space, TRANSPORT_POLL_ADAPTIVE, &space->transport, reason,
					sizeof reason);
		if (r) {
			verbs_region_deregister(space->region);
			space->region = NULL;
		}
	}
	if (r)
		snprintf(space->domain_reason, sizeof space->domain_reason, "%s: %.200s",
			 verbs_device_name(device), reason);
	else
		snprintf(space->domain_reason, sizeof space->domain_reason, "%s",
			 verbs_device_summary(device));
	return r;
}

int namespace_open(struct name_space *space, const char *name, const struct settings *settings,
		   struct verbs_device *device, const char *no_device, char *reason,
		   size_t reason_bytes)
{
	struct store_limits limits = {.region_bytes = settings->memory_bytes,
				      .objects_max = (uint32_t)settings->objects_max,
				      .opens_max = (uint32_t)settings->opens_max};
	int r;

	*space = (struct name_space){.name = name, .domain = CONTROL_DOMAIN_CPU};
	snprintf(space->domain_reason, sizeof space->domain_reason, "%s", no_device);
	r = store_new(&limits, &space->store);
	if (r) {
		snprintf(reason, reason_bytes, "an arena of %llu bytes cannot be made: %s",
			 (unsigned long long)settings->memory_bytes, strerror(-r));
		return r;
	}
	if (device) {
		r = use_device(space, device);
		if (r == 0) {
			space->domain = CONTROL_DOMAIN_DEVICE;
			return 0;
		}
		if (settings->domain == DOMAIN_DEVICE) {
			snprintf(reason, reason_bytes, "%s", space->domain_reason);
			namespace_close(space);
			return r;
		}
	}
	r = namespace_transport(space, TRANSPORT_POLL_ADAPTIVE, &space->transport, reason,
				reason_bytes);
	if (r)
		namespace_close(space);
	return r;
}

void namespace_close(struct name_space *space)
{
	if (space->transport)
		transport_ops(space->transport)->close(space->transport);
	verbs_region_deregister(space->region);
	store_free(space->store);
	*space = (struct name_space){0};
}
