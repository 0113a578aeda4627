/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/marker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC      "DSOSTAT2"
#define FILE_BYTES 4096
/* No session is kept for longer: a marker that says so is damaged. */
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

/* How long ago the storaged before last lived: by the clock that cannot be set, unless the host was
 * started anew in between. */
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
	uint64_t keep_ns = 0;

	for (unsigned i = 0; i < MARKER_SPACES; i++) {
		const struct marker_space *space = &before->spaces[i];

		if (!strcmp(space->name, name) && space->keep_ns > keep_ns)
			keep_ns = space->keep_ns;
	}
	return keep_ns > (uint64_t)before->ago_ns ? (int64_t)keep_ns - before->ago_ns : 0;
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

/* Open the file, created where there is none, at full length, and lock it. Returns a descriptor or
 * a negative errno. */
static int open_file(const char *path, char *reason, size_t reason_bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600), error;
	struct stat status;

	if (fd < 0)
		return refuse(-errno, reason, reason_bytes, "%s: %s", path, strerror(errno));
	/* In a directory that others can write to, a file with a second link may be any file of
	 * this user. */
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

/* A row of another layout must not be read as one of this layout after the magic is written. */
static void make_readable(struct marker_page *page)
{
	if (memcmp(page->magic, MAGIC, sizeof page->magic))
		memset(page, 0, sizeof *page);
	for (unsigned i = 0; i < MARKER_SPACES; i++)
		page->spaces[i].name[MARKER_NAME_BYTES - 1] = 0;
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
	make_readable(page);
	return 0;
}

/* SIGKILL may stop storaged after any store: the compiler must keep the order of the stores around
 * this. */
static void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* While the boot id is of another boot, the realtime clock counts: so the boot id is changed after
 * both clocks. */
void marker_beat(struct marker *marker, const struct marker_now *now, uint64_t reserved)
{
	struct marker_page *page = marker->page;

	if (!page)
		return;
	page->reserved = reserved;
	page->lived_ns = now->boottime_ns;
	page->realtime_ns = now->realtime_ns;
	in_order();
	memcpy(page->boot, now->boot, sizeof page->boot);
	in_order();
	memcpy(page->magic, MAGIC, sizeof page->magic);
	in_order();
}

/* The row of @name, or where there is none a free one; NULL: all are in use. */
static struct marker_space *find_row(struct marker_page *page, const char *name)
{
	struct marker_space *free_row = NULL;

	for (unsigned i = MARKER_SPACES; i-- > 0;) {
		struct marker_space *row = &page->spaces[i];

		if (*row->name && !strcmp(row->name, name))
			return row;
		if (!*row->name || row->keep_ns == 0)
			free_row = row;
	}
	return free_row;
}

/* A row makes nothing wait while its name changes. */
static void rename_row(struct marker_space *row, const char *name)
{
	row->keep_ns = 0;
	in_order();
	memset(row->name, 0, sizeof row->name);
	memcpy(row->name, name, strnlen(name, sizeof row->name - 1));
	in_order();
}

void marker_keep(struct marker *marker, const char *name, uint64_t keep_ns)
{
	struct marker_page *page = marker->page;
	struct marker_space *row = page ? find_row(page, name) : NULL;

	if (!row)
		return;
	if (strcmp(row->name, name) && keep_ns)
		rename_row(row, name);
	if (!strcmp(row->name, name))
		row->keep_ns = keep_ns;
	in_order();
	/* An earlier storaged may have left several rows of one name. */
	for (struct marker_space *other = page->spaces; other < page->spaces + MARKER_SPACES;
	     other++)
		if (other != row && !strcmp(other->name, name))
			other->keep_ns = 0;
	in_order();
}

void marker_close(struct marker *marker)
{
	if (!marker->page)
		return;
	munmap(marker->page, FILE_BYTES);
	close(marker->fd);
	*marker = (struct marker){.fd = -1};
}
