/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/mappings.h"
#include "storaged/log.h"
#include "storaged/server.h"
#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct flock lock_of(uint64_t number)
{
	return (struct flock){
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
}

int mapping_open_arena(struct server *server, const struct store *store, uint64_t *ret_number)
{
	uint64_t number = ++server->mappings_made;
	struct flock lock = lock_of(number);
	char path[32];
	int fd;

	snprintf(path, sizeof path, "/proc/self/fd/%d", store_fd(store));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0) {
		*ret_number = number;
		return fd;
	}
	/* Without /proc storaged's own description has to do. */
	if (fd < 0)
		fd = fcntl(store_fd(store), F_DUPFD_CLOEXEC, 0);
	*ret_number = 0;
	return fd < 0 ? -errno : fd;
}

/* Whether the description is still there, in a mapping or a descriptor. */
static bool may_be_mapped(const struct mapping *mapping)
{
	struct flock lock = lock_of(mapping->number);

	return mapping->number == 0 ||
	       fcntl(store_fd(mapping->session->space->store), F_OFD_GETLK, &lock) ||
	       lock.l_type != F_UNLCK;
}

void mapping_forget(struct mapping *mapping)
{
	struct session *session = mapping->session;
	struct server *server = session->server;

	list_remove(&mapping->link);
	list_remove(&mapping->look.link);
	session->mapping_count--;
	server->connection_count--;
	loop_end(&server->loop, &mapping->connection);
	loop_bury(&server->loop, &mapping->process, mapping);
}

static void end(struct mapping *mapping)
{
	struct session *session = mapping->session;

	mapping_forget(mapping);
	session_sweep_if_fenced(session);
}

static void look(struct mapping *mapping, int64_t now_ns)
{
	if (!may_be_mapped(mapping)) {
		end(mapping);
		return;
	}
	if (mapping->number == 0)
		return;
	deadline_insert(&mapping->session->server->mapping_looks, &mapping->look,
			now_ns + mapping->pause_ns);
	mapping->pause_ns *= 2;
	if (mapping->pause_ns > MAPPING_LOOK_NS_MAX)
		mapping->pause_ns = MAPPING_LOOK_NS_MAX;
}

static void process_ended(struct source *source, uint32_t events)
{
	(void)events;
	end(container_of(source, struct mapping, process));
}

static void connection_ended(struct source *source, uint32_t events)
{
	struct mapping *mapping = container_of(source, struct mapping, connection);

	(void)events;
	loop_end(&mapping->session->server->loop, source);
	mapping->pause_ns = MAPPING_LOOK_NS;
	look(mapping, clock_now_ns());
}

int mapping_new(struct session *session, int pidfd, uint64_t number, struct mapping **ret_mapping)
{
	struct server *server = session->server;
	struct mapping *mapping;
	int r;

	if (session->mapping_count == SESSION_MAPPINGS_MAX ||
	    server->connection_count >= server->connections_max)
		return -EMFILE;
	mapping = calloc(1, sizeof *mapping);
	if (!mapping)
		return -ENOMEM;
	r = loop_add(&server->loop, &mapping->process, pidfd, EPOLLIN, process_ended);
	if (r) {
		free(mapping);
		return r;
	}
	mapping->connection.fd = -1;
	mapping->number = number;
	mapping->pause_ns = MAPPING_LOOK_NS;
	mapping->session = session;
	list_init(&mapping->look.link);
	list_append(&session->mappings, &mapping->link);
	session->mapping_count++;
	server->connection_count++;
	*ret_mapping = mapping;
	return 0;
}

void mapping_watch(struct mapping *mapping, int connection_fd)
{
	if (loop_add(&mapping->session->server->loop, &mapping->connection, connection_fd, EPOLLIN,
		     connection_ended))
		close(connection_fd);
}

/* ---- of a session ---- */

void mappings_look_at(struct session *session, int64_t now_ns)
{
	for (struct list *link = session->mappings.next, *next; link != &session->mappings;
	     link = next) {
		next = link->next;
		look(container_of(link, struct mapping, link), now_ns);
	}
}

void mappings_forget(struct session *session)
{
	while (!list_empty(&session->mappings))
		mapping_forget(container_of(session->mappings.next, struct mapping, link));
}

void mappings_kill(struct session *session)
{
	for (struct list *link = session->mappings.next; link != &session->mappings;
	     link = link->next) {
		struct mapping *mapping = container_of(link, struct mapping, link);

		if (syscall(SYS_pidfd_send_signal, mapping->process.fd, SIGKILL, NULL, 0))
			log_limited(LOG_LEVEL_WARNING,
				    "session %u: its process cannot be killed: %s",
				    session_owner(session), strerrordesc_np(errno));
	}
}

void mappings_expire_looks(struct server *server, int64_t now_ns)
{
	struct deadline *deadline;

	while ((deadline = deadline_first(&server->mapping_looks)) && deadline->at_ns <= now_ns) {
		list_remove(&deadline->link);
		look(container_of(deadline, struct mapping, look), now_ns);
	}
}
