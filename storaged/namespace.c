/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* The timeout of a loopback queue pair: a device that does not answer storaged itself for so long
 * is dead. */
#define LOOPBACK_TIMEOUT_NS INT64_C(500000000)

/* All namespaces have the same device. Transports break in the threads that use them. */
static struct {
	pthread_mutex_t lock;
	char why[REASON_BYTES];
} last_breakage = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_breakage(void *context, const char *why)
{
	(void)context;
	pthread_mutex_lock(&last_breakage.lock);
	snprintf(last_breakage.why, sizeof last_breakage.why, "%s", why);
	pthread_mutex_unlock(&last_breakage.lock);
}

void namespace_last_breakage(char text[REASON_BYTES])
{
	pthread_mutex_lock(&last_breakage.lock);
	memcpy(text, last_breakage.why, REASON_BYTES);
	pthread_mutex_unlock(&last_breakage.lock);
}

int namespace_transport(const struct name_space *space, enum transport_poll poll,
			struct transport **ret_transport, char *reason, size_t reason_bytes)
{
	static const struct breakage breakage = {note_breakage, NULL};
	int r;

	if (space->region)
		return verbs_loopback_open(space->region, poll, LOOPBACK_TIMEOUT_NS, &breakage,
					   ret_transport, reason, reason_bytes);
	r = transport_cpu_open(store_base(space->store), store_region_bytes(space->store),
			       ret_transport);
	if (r)
		snprintf(reason, reason_bytes, "%s", strerror(-r));
	return r;
}

/* Let the device execute, if it can. Leaves the reason for either outcome in domain_reason. */
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

/* Take every page of the arena. Returns 0 or a negative errno. */
static int reserve(struct store *store)
{
	int r;

	do
		r = fallocate(store_fd(store), 0, 0, (off_t)store_region_bytes(store)) ? -errno : 0;
	while (r == -EINTR);
	return r;
}

/* Say which limit an arena ran into. */
static int explain(int error, const struct settings *settings, char *reason, size_t reason_bytes)
{
	struct rlimit size = {.rlim_cur = RLIM_INFINITY};

	getrlimit(RLIMIT_FSIZE, &size);
	if (error == -EFBIG && size.rlim_cur != RLIM_INFINITY)
		snprintf(reason, reason_bytes,
			 "an arena of %llu bytes is a larger file than this process may have: %llu "
			 "bytes (ulimit -f, LimitFSIZE)",
			 (unsigned long long)settings->memory_bytes,
			 (unsigned long long)size.rlim_cur);
	else
		snprintf(reason, reason_bytes,
			 "an arena of %llu bytes (--memory) cannot be had: %s",
			 (unsigned long long)settings->memory_bytes, strerror(-error));
	return error;
}

int namespace_open(struct name_space *space, const char *name, const struct settings *settings,
		   bool is_reserved, struct verbs_device *device, const char *no_device,
		   char *reason, size_t reason_bytes)
{
	struct store_limits limits = {.region_bytes = settings->memory_bytes,
				      .objects_max = (uint32_t)settings->objects_max,
				      .opens_max = (uint32_t)settings->opens_max};
	int r;

	*space = (struct name_space){.name = name, .domain = CONTROL_DOMAIN_CPU};
	snprintf(space->domain_reason, sizeof space->domain_reason, "%s", no_device);
	r = store_new(&limits, &space->store);
	if (r)
		return explain(r, settings, reason, reason_bytes);
	r = is_reserved ? reserve(space->store) : 0;
	if (r) {
		namespace_close(space);
		return explain(r, settings, reason, reason_bytes);
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

struct name_space *namespaces_find(struct namespaces *namespaces, const char *name)
{
	for (unsigned i = 0; i < namespaces->count; i++)
		if (!strcmp(namespaces->table[i].name, name))
			return &namespaces->table[i];
	return NULL;
}

void namespace_close(struct name_space *space)
{
	if (space->transport)
		transport_ops(space->transport)->close(space->transport);
	verbs_region_deregister(space->region);
	store_free(space->store);
	*space = (struct name_space){0};
}
