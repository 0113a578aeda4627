/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/mappings.h"
#include "storaged/log.h"
#include "storaged/session/session.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void mappings_init(struct mappings *mappings, struct loop *loop, struct room *room, bool are_killed)
{
	*mappings = (struct mappings){.loop = loop, .room = room, .are_killed = are_killed};
	list_init(&mappings->all);
	deadlines_init(&mappings->looks, MAPPING_LOOK_NS);
}

void mappings_close(struct mappings *mappings)
{
	while (!list_empty(&mappings->all))
		mapping_forget(container_of(mappings->all.next, struct mapping, link));
}

/* Create a memfd that no process can write to. Returns it or a negative errno. */
static int lease_open(void)
{
	int fd = memfd_create("dso-lease", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd < 0 ? -errno : fd;
	r = -errno;
	close(fd);
	return r;
}

/* Once the seal succeeds no process can map it any more. */
static bool may_be_mapped(const struct mapping *mapping)
{
	return mapping->lease_fd < 0 || fcntl(mapping->lease_fd, F_ADD_SEALS, F_SEAL_WRITE);
}

void mapping_forget(struct mapping *mapping)
{
	struct mappings *mappings = mapping->mappings;

	list_remove(&mapping->link);
	list_remove(&mapping->look.link);
	room_give_back(mappings->room, MAPPING_FILES);
	loop_end(mappings->loop, &mapping->connection);
	if (mapping->lease_fd >= 0)
		close(mapping->lease_fd);
	fence_closed(&mapping->fence);
	loop_bury(mappings->loop, &mapping->process, mapping);
}

static void check(struct mapping *mapping, int64_t now_ns)
{
	if (!may_be_mapped(mapping)) {
		mapping_forget(mapping);
		return;
	}
	if (mapping->lease_fd < 0)
		return;
	deadline_insert(&mapping->mappings->looks, &mapping->look, now_ns + mapping->pause_ns);
	mapping->pause_ns *= 2;
	if (mapping->pause_ns > MAPPING_LOOK_NS_MAX)
		mapping->pause_ns = MAPPING_LOOK_NS_MAX;
}

static void process_ended(struct source *source, uint32_t events)
{
	(void)events;
	mapping_forget(container_of(source, struct mapping, process));
}

static void connection_ended(struct source *source, uint32_t events)
{
	struct mapping *mapping = container_of(source, struct mapping, connection);

	(void)events;
	loop_end(mapping->mappings->loop, source);
	mapping->pause_ns = MAPPING_LOOK_NS;
	check(mapping, clock_now_ns());
}

/* Only killing takes a mapping away from a frozen process. */
static void kill_process(const struct mapping *mapping)
{
	const struct session *session = session_of_fence(&mapping->fence);

	if (syscall(SYS_pidfd_send_signal, mapping->process.fd, SIGKILL, NULL, 0))
		log_limited(LOG_LEVEL_WARNING, "session %u: its process cannot be killed: %s",
			    session_owner(session), strerrordesc_np(errno));
	else
		log_limited(LOG_LEVEL_WARNING,
			    "session %u (%s): its process is killed, as it has the memory mapped "
			    "and shm-fence is kill",
			    session_owner(session), session->who);
}

static void close_path(struct fence *fence, enum session_end why)
{
	struct mapping *mapping = container_of(fence, struct mapping, fence);

	if (why == END_silent && mapping->mappings->are_killed)
		kill_process(mapping);
	/* A client that says goodbye is believed to have unmapped everything. Any other client may
	 * not even have been told yet that it has to unmap. */
	if (why == END_goodbye)
		mapping_forget(mapping);
	else
		check(mapping, clock_now_ns());
}

static const struct fence_ops fence_ops = {.close = close_path,
					   .open_while = "its process has the memory mapped"};

int mapping_new(struct mappings *mappings, struct session *session, int pidfd,
		struct mapping **ret_mapping)
{
	bool has_lease = session->features & CONTROL_FEATURE_LEASE;
	struct mapping *mapping;
	int r = 0;

	if (fences_count(&session->fences, &fence_ops) == SESSION_MAPPINGS_MAX ||
	    !room_has(mappings->room, MAPPING_FILES))
		return -EMFILE;
	mapping = calloc(1, sizeof *mapping);
	if (!mapping)
		return -ENOMEM;
	mapping->lease_fd = has_lease ? lease_open() : -1;
	if (has_lease && mapping->lease_fd < 0)
		r = mapping->lease_fd;
	else
		r = loop_add(mappings->loop, &mapping->process, pidfd, EPOLLIN, process_ended);
	if (r) {
		if (mapping->lease_fd >= 0)
			close(mapping->lease_fd);
		free(mapping);
		return r;
	}
	mapping->connection.fd = -1;
	mapping->pause_ns = MAPPING_LOOK_NS;
	list_init(&mapping->look.link);
	fence_open(&session->fences, &mapping->fence, &fence_ops, CONTROL_SHM);
	mapping->mappings = mappings;
	list_append(&mappings->all, &mapping->link);
	room_take(mappings->room, MAPPING_FILES);
	*ret_mapping = mapping;
	return 0;
}

void mapping_watch(struct mapping *mapping, int connection_fd)
{
	if (loop_add(mapping->mappings->loop, &mapping->connection, connection_fd, EPOLLIN,
		     connection_ended))
		close(connection_fd);
}

void mappings_turn(struct mappings *mappings, int64_t now_ns)
{
	struct deadline *deadline;

	while ((deadline = deadline_first(&mappings->looks)) && deadline->at_ns <= now_ns) {
		list_remove(&deadline->link);
		check(container_of(deadline, struct mapping, look), now_ns);
	}
}
