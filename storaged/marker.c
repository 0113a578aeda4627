/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/marker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC      "DSOSTAT2"
#define FILE_BYTES 4096
/* No session is kept for longer: what says so is damaged. */
#define KEEP_NS_LONGEST UINT64_C(86400000000000)

_Static_assert(sizeof(struct marker_page) <= FILE_BYTES, "the file is mapped as a whole");

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

struct marker_now marker_now(const uint8_t boot[16])
{
	struct marker_now now = {.boottime_ns = read_clock(CLOCK_BOOTTIME),
				 .realtime_ns = read_clock(CLOCK_REALTIME)};

	memcpy(now.boot, boot, sizeof now.boot);
	return now;
}

/* How long ago it last lived: by the clock that nobody sets, unless the host was started anew between. */
static int64_t ago_of(const struct marker_page *page, const struct marker_now *now)
{
	int64_t ago_ns = memcmp(page->boot, now->boot, sizeof page->boot)
				 ? now->realtime_ns - page->realtime_ns
				 : now->boottime_ns - page->lived_ns;

	return ago_ns > 0 ? ago_ns : 0;
}

struct marker_before marker_read(const struct marker_page *page, const struct marker_now *now)
{
	struct marker_before before = {0};

	if (memcmp(page->magic, MAGIC, sizeof page->magic))
		return before;
	before.ago_ns = ago_of(page, now);
	before.is_damaged = page->reserved > MARKER_RESERVED_LAST;
	before.reserved = before.is_damaged ? 0 : page->reserved;
	for (unsigned i = 0; i < MARKER_SPACES; i++) {
		struct marker_space *space = &before.spaces[i];

		*space = page->spaces[i];
		space->name[MARKER_NAME_BYTES - 1] = 0;
		if (space->keep_ns <= KEEP_NS_LONGEST)
			continue;
		before.is_damaged = true;
		space->keep_ns = KEEP_NS_LONGEST;
	}
	return before;
}

int64_t marker_wait_ns(const struct marker_before *before, const char *name)
{
	for (unsigned i = 0; i < MARKER_SPACES; i++) {
		const struct marker_space *space = &before->spaces[i];

		if (!strcmp(space->name, name) && space->keep_ns > (uint64_t)before->ago_ns)
			return (int64_t)space->keep_ns - before->ago_ns;
	}
	return 0;
}

__attribute__((format(printf, 4, 5))) static int
refuse(int error, char *reason, size_t reason_bytes, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, reason_bytes, format, arguments);
	va_end(arguments);
	return error;
}

/* The file, made where there is none, of full length, and locked. Returns a descriptor or a negative errno. */
static int open_file(const char *path, char *reason, size_t reason_bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600), error;
	struct stat status;

	if (fd < 0)
		return refuse(-errno, reason, reason_bytes, "%s: %s", path, strerror(errno));
	/* In a directory that others can write to, a second link may be to any file of this user. */
	if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    status.st_nlink != 1)
		error = refuse(-EACCES, reason, reason_bytes,
			       "%s is not a file of storaged's user alone", path);
	else if (flock(fd, LOCK_EX | LOCK_NB))
		error = refuse(-EBUSY, reason, reason_bytes, "%s: another storaged uses it", path);
	else if ((error = posix_fallocate(fd, 0, FILE_BYTES)))
		error = refuse(-error, reason, reason_bytes, "%s: %s", path, strerror(error));
	if (error)
		close(fd);
	return error ? error : fd;
}

int marker_open(struct marker *marker, const char *path, const struct marker_now *now,
		struct marker_before *ret_before, char *reason, size_t reason_bytes)
{
	int fd = open_file(path, reason, reason_bytes);
	struct marker_page *page;

	*marker = (struct marker){.fd = -1};
	if (fd < 0)
		return fd;
	page = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		close(fd);
		return refuse(-errno, reason, reason_bytes, "%s: %s", path, strerror(errno));
	}
	*marker = (struct marker){.page = page, .fd = fd};
	*ret_before = marker_read(page, now);
	return 0;
}

void marker_beat(struct marker *marker, const struct marker_now *now, uint64_t reserved)
{
	struct marker_page *page = marker->page;

	if (!page)
		return;
	memcpy(page->boot, now->boot, sizeof page->boot);
	page->lived_ns = now->boottime_ns;
	page->realtime_ns = now->realtime_ns;
	page->reserved = reserved;
	memcpy(page->magic, MAGIC, sizeof page->magic);
}

void marker_keep(struct marker *marker, unsigned place, const char *name, uint64_t keep_ns)
{
	struct marker_space *space = marker->page ? &marker->page->spaces[place] : NULL;

	if (!space)
		return;
	space->keep_ns = keep_ns;
	if (strncmp(space->name, name, sizeof space->name))
		strncpy(space->name, name, sizeof space->name - 1);
}

void marker_close(struct marker *marker)
{
	if (!marker->page)
		return;
	munmap(marker->page, FILE_BYTES);
	close(marker->fd);
	*marker = (struct marker){.fd = -1};
}
