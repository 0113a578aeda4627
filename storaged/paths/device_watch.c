/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/device_watch.h"
#include "storaged/log.h"
#include "storaged/server.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* What is said of each event, of the device that its name stands before. */
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

static void tell(struct server *server, enum verbs_event event)
{
	const char *name = verbs_device_name(server->device);

	log_limited(events[event].level, "the RDMA device %s %s", name, events[event].sentence);
	for (unsigned i = 0; i < server->namespace_count; i++) {
		struct name_space *space = &server->namespaces[i];

		if (!space->region)
			continue;
		if (events[event].is_broken)
			snprintf(space->domain_reason, sizeof space->domain_reason,
				 "broken: the RDMA device %s %s", name, events[event].sentence);
		else
			snprintf(space->domain_reason, sizeof space->domain_reason, "%s",
				 verbs_device_summary(server->device));
	}
}

static void device_ready(struct source *source, uint32_t ready)
{
	struct server *server = container_of(source, struct server, device_source);
	enum verbs_event event;

	(void)ready;
	while ((event = verbs_device_event(server->device)) != VERBS_NOTHING) {
		/* Once it is gone nothing that is said of its link matters. */
		if (server->device_is_gone)
			continue;
		server->device_is_gone = event == VERBS_FAILED || event == VERBS_REMOVED;
		tell(server, event);
	}
}

int device_watch_open(struct server *server)
{
	int fd, r;

	if (!server->device)
		return 0;
	/* A descriptor of its own, because a source closes what it has. */
	fd = dup(verbs_device_fd(server->device));
	r = fd < 0 ? -errno
		   : loop_add(&server->loop, &server->device_source, fd, EPOLLIN, device_ready);
	if (r && fd >= 0)
		close(fd);
	return r;
}

void device_watch_close(struct server *server)
{
	loop_end(&server->loop, &server->device_source);
}
