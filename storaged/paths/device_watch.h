/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the RDMA device while storaged runs: they are logged, and seen in stat and doctor. */
#ifndef STORAGED_PATHS_DEVICE_WATCH_H
#define STORAGED_PATHS_DEVICE_WATCH_H

#include "lib/verbs/host/host.h"
#include "storaged/loop.h"
#include "storaged/namespace.h"

struct device_watch {
	struct verbs_device *device;
	struct namespaces *namespaces;
	/* NULL: it is not open */
	struct loop *loop;
	struct source source;
	/* the device failed or was removed */
	bool is_gone;
};

/* Watch @device; NULL: there is none. Returns 0 or a negative errno. */
int device_watch_open(struct device_watch *watch, struct loop *loop, struct verbs_device *device,
		      struct namespaces *namespaces);
void device_watch_close(struct device_watch *watch);

#endif
