/* SPDX-License-Identifier: Apache-2.0 */
/* Transport `shm`: storaged passes its memfd over a unix socket, and this process's CPU
 * executes. */
#include "lib/core/boot_id.h"
#include "lib/core/clock.h"
#include "lib/remote/dial.h"
#include "lib/client/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const struct attachment *attachment, int error, const char *why)
{
	snprintf(attachment->reason, attachment->reason_bytes, "%s", why);
	return error;
}

static bool same_host(const struct control_welcome *welcome)
{
	uint8_t id[BOOT_ID_BYTES];

	return boot_id_read(id) && memcmp(id, welcome->host, sizeof id) == 0;
}

/* Connect to the socket that storaged names. In this mount namespace another user may have put a
 * socket there, which would be given the session's cookie. Returns a socket or a negative errno. */
static int dial_named(const struct attachment *attachment)
{
	const struct control_welcome *welcome = attachment->welcome;

	if (!same_host(welcome))
		return refuse(attachment, -EOPNOTSUPP, "storaged runs on another host");
	if (welcome->unix_path[0] == 0)
		return refuse(attachment, -EOPNOTSUPP, "storaged has no unix socket");
	if (memchr(welcome->unix_path, 0, sizeof welcome->unix_path) == NULL)
		return refuse(attachment, -EPROTO, "storaged names a socket with a path too long");
	return dial_unix_file((const char *)welcome->unix_path, le64_get(welcome->unix_device),
			      le64_get(welcome->unix_inode), attachment->connect_deadline_ns,
			      attachment->reason, attachment->reason_bytes);
}

/* Connect to the socket of the control connection, which the user has named, or else to the one
 * that storaged names. */
static int dial_storaged(const struct attachment *attachment)
{
	return attachment->unix_path
		       ? dial_unix(attachment->unix_path, attachment->connect_deadline_ns,
				   attachment->reason, attachment->reason_bytes)
		       : dial_named(attachment);
}

/* Map memory that a child must not reach after this process was fenced, and must not keep mapped.
 * Returns NULL with errno set where it cannot be mapped. */
static void *map_without_children(int fd, uint64_t bytes)
{
	void *memory;

	fork_hold_up();
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory != MAP_FAILED)
		madvise(memory, bytes, MADV_DONTFORK);
	fork_allow();
	return memory == MAP_FAILED ? NULL : memory;
}

/* Map the region in @fd, if it is as storaged said. */
static int map_region(int fd, uint64_t bytes, const struct attachment *attachment,
		      void **ret_memory)
{
	int seals = fcntl(fd, F_GET_SEALS); /* negative: not a kind of file that has any */
	struct stat stat;
	void *memory;

	/* With an unsealed or shorter file its maker could make this process fault. */
	if (bytes == 0 || fstat(fd, &stat) || (uint64_t)stat.st_size < bytes || seals < 0 ||
	    !(seals & F_SEAL_SHRINK))
		return refuse(attachment, -EPROTO,
			      "storaged passed a file that is not its sealed arena");
	memory = map_without_children(fd, bytes);
	if (!memory)
		return refuse(attachment, errno == EPERM ? -EPERM : -ENOMEM,
			      "the arena cannot be mapped into this process");
	*ret_memory = memory;
	return 0;
}

/*
 * storaged learns from the lease that the arena is unmapped. So the lease is mapped before the
 * arena and unmapped after it. storaged may have ended the session meanwhile, found nothing mapped,
 * and sealed the lease.
 */
static int map_lease(int fd, const struct attachment *attachment, void **ret_lease)
{
	void *lease = map_without_children(fd, TRANSPORT_LEASE_BYTES);

	if (!lease)
		return errno == EPERM
			       ? refuse(attachment, -ECONNRESET, "storaged has ended the session")
			       : refuse(attachment, -ENOMEM,
					"the lease of the arena cannot be mapped");
	*ret_lease = lease;
	return 0;
}

static void unmap_lease(void *lease)
{
	if (lease)
		munmap(lease, TRANSPORT_LEASE_BYTES);
}

/* Receive the descriptors and map their memory. */
static int attach(int socket_fd, const struct attachment *attachment, void **ret_memory,
		  void **ret_lease)
{
	bool has_lease = le64_get(attachment->welcome->features) & CONTROL_FEATURE_LEASE;
	uint64_t bytes = le64_get(attachment->welcome->region_bytes);
	void *lease = NULL;
	int fds[2]; /* of the arena and of the lease */
	int r = dial_attach(socket_fd, attachment, CONTROL_SHM, fds, has_lease ? 2 : 1,
			    attachment->connect_deadline_ns);

	if (r)
		return r;
	if (has_lease) {
		r = map_lease(fds[1], attachment, &lease);
		close(fds[1]);
	}
	if (r == 0)
		r = map_region(fds[0], bytes, attachment, ret_memory);
	close(fds[0]);
	if (r)
		unmap_lease(lease);
	else
		*ret_lease = lease;
	return r;
}

int transport_shm_connect(const struct attachment *attachment, struct transport **ret_transport)
{
	uint64_t bytes = le64_get(attachment->welcome->region_bytes);
	void *memory, *lease;
	int socket_fd, r;

	socket_fd = dial_storaged(attachment);
	if (socket_fd < 0)
		return socket_fd;
	r = attach(socket_fd, attachment, &memory, &lease);
	if (r == 0) {
		r = transport_cpu_adopt(memory, bytes, lease, socket_fd, ret_transport);
		if (r) {
			munmap(memory, bytes);
			unmap_lease(lease);
		}
	}
	if (r)
		close(socket_fd);
	return r;
}
