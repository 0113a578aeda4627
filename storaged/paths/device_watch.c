/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/device_watch.h"
#include "storaged/log.h"
#include "lib/core/list.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* What is logged for each event, after the name of the device. */
static const struct {
	enum log_level level;
	const char *sentence;
	bool is_broken;
} events[] = {
	[VERBS_LINK_DOWN] = {LOG_LEVEL_WARNING, "has no link", true},
	[VERBS_LINK_UP] = {LOG_LEVEL_WARNING, "has a link again", false},
	[VERBS_FAILED] = {LOG_LEVEL_ERROR, "failed; restart storaged", true},
	[VERBS_REMOVED] =
		{LOG_LEVEL_ERROR,
		 "was removed while storaged uses it; restart storaged, for without it or "
		 "with another one",
		 true},
};

static void tell(struct device_watch *watch, enum verbs_event event)
{
	const char *name = verbs_device_name(watch->device);

	log_limited(events[event].level, "the RDMA device %s %s", name, events[event].sentence);
	for (unsigned i = 0; i < watch->namespaces->count; i++) {
		struct name_space *space = &watch->namespaces->table[i];

		if (!space->region)
			continue;
		if (events[event].is_broken)
			snprintf(space->domain_reason, sizeof space->domain_reason,
				 "broken: the RDMA device %s %s", name, events[event].sentence);
		else
			snprintf(space->domain_reason, sizeof space->domain_reason, "%s",
				 verbs_device_summary(watch->device));
	}
}

static void device_ready(struct source *source, uint32_t ready)
{
	struct device_watch *watch = container_of(source, struct device_watch, source);
	enum verbs_event event;

	(void)ready;
	while ((event = verbs_device_event(watch->device)) != VERBS_NOTHING) {
		/* Once the device is gone, events of its link do not matter. */
		if (watch->is_gone)
			continue;
		watch->is_gone = event == VERBS_FAILED || event == VERBS_REMOVED;
		tell(watch, event);
	}
}

int device_watch_open(struct device_watch *watch, struct loop *loop, struct verbs_device *device,
		      struct namespaces *namespaces)
{
	int fd, r;

	if (!device)
		return 0;
	*watch = (struct device_watch){.device = device, .namespaces = namespaces, .loop = loop};
	/* A copy of the descriptor, because a source closes its own. */
	fd = dup(verbs_device_fd(device));
	watch->source.fd = -1;
	r = fd < 0 ? -errno : loop_add(loop, &watch->source, fd, EPOLLIN, device_ready);
	if (r && fd >= 0)
		close(fd);
	return r;
}

void device_watch_close(struct device_watch *watch)
{
	if (watch->loop)
		loop_end(watch->loop, &watch->source);
}
