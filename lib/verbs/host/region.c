/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verbs/host/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/*
 * Fault every page in, writable: registration pins page by page, and takes several times as long
 * over missing pages. Returns 0 or a positive errno.
 */
static int prefault(void *base, uint64_t bytes)
{
	uint64_t page_bytes = sysconf(_SC_PAGESIZE);

	while (madvise(base, bytes, MADV_POPULATE_WRITE)) {
		if (errno == EINTR || errno == EAGAIN) /* what it has done stays done */
			continue;
		if (errno != EINVAL)
			return errno;
		if (madvise(base, 0, MADV_POPULATE_WRITE) == 0)
			return EINVAL; /* the kernel has it, but not for this memory */
		/* An older kernel. Touch the page without a change that another write could get
		 * lost in. */
		for (uint64_t at = 0; at < bytes; at += page_bytes)
			__atomic_fetch_or((uint8_t *)base + at, 0, __ATOMIC_RELAXED);
		return 0;
	}
	return 0;
}

int verbs_region_register(struct verbs_device *device, void *base, uint64_t bytes,
			  struct verbs_region **ret_region, char *reason, size_t reason_bytes)
{
	struct verbs_region *region = calloc(1, sizeof *region);
	const char *step;
	int error;

	if (!region) {
		snprintf(reason, reason_bytes, "no memory");
		return -ENOMEM;
	}
	region->device = device;
	region->bytes = bytes;
	step = "faulting in";
	error = prefault(base, bytes);
	if (error)
		goto failed;
	step = "making a protection domain for";
	region->pd = verbs_api.ibv.alloc_pd(device->context);
	if (!region->pd) {
		error = errno ? errno : EIO;
		goto failed;
	}
	step = "registering";
	region->mr =
		verbs_api.ibv.reg_mr(region->pd, base, bytes,
				     IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
					     IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC);
	if (!region->mr) {
		error = errno ? errno : EIO;
		goto failed;
	}
	*ret_region = region;
	return 0;
failed:
	snprintf(reason, reason_bytes, "%s %llu KiB of memory for the RDMA device %s failed: %s%s",
		 step, (unsigned long long)bytes >> 10, device->name, strerror(error),
		 verbs_memory_hint(error));
	verbs_region_deregister(region);
	return -error;
}

void verbs_region_deregister(struct verbs_region *region)
{
	if (!region)
		return;
	if (region->mr)
		verbs_api.ibv.dereg_mr(region->mr);
	if (region->pd)
		verbs_api.ibv.dealloc_pd(region->pd);
	free(region);
}

uint32_t verbs_region_rkey(const struct verbs_region *region)
{
	return region->mr->rkey;
}
