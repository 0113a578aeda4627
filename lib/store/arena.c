/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/arena.h"

#include "lib/core/region.h"
#include "proto/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE_BYTES 4096 /* the least that there are */

static void write_header(struct arena *arena)
{
	struct region_header header = {
		.version = le16_of(LAYOUT_VERSION),
		.region_bytes = le64_of(arena->bytes),
	};

	memcpy(header.magic, LAYOUT_MAGIC, sizeof header.magic);
	memcpy(arena->base, &header, sizeof header);
}

int arena_open(struct arena *arena, uint64_t bytes, uint32_t extent_count_max)
{
	struct rlimit size;
	void *base;

	*arena = (struct arena){.bytes = bytes};
	arena->fd = memfd_create("dso-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (arena->fd < 0)
		return -errno;
	/* Beyond this limit ftruncate() sends SIGXFSZ, which ends a process that does not expect
	 * it. */
	if (getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur < bytes)
		return -EFBIG;
	if (ftruncate(arena->fd, (off_t)bytes))
		return -errno;
	/* Clients get this descriptor: if they could change the size, an access here could end in
	 * SIGBUS. */
	if (fcntl(arena->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	arena->base = base;
	(void)madvise(base, bytes, MADV_HUGEPAGE); /* a hint: small pages work as well */
	write_header(arena);
	return extents_new(LAYOUT_REGION_HEADER_BYTES, bytes, extent_count_max, &arena->extents);
}

void arena_close(struct arena *arena)
{
	extents_free(arena->extents);
	if (arena->base)
		munmap(arena->base, arena->bytes);
	if (arena->fd >= 0)
		close(arena->fd);
}

int arena_detach(struct arena *arena)
{
	void *base = mmap(arena->base, arena->bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return base == MAP_FAILED ? -errno : 0;
}

uint64_t arena_touched(const struct arena *arena, uint64_t from, uint64_t end, uint64_t *ret_begin)
{
	off_t begin = lseek(arena->fd, (off_t)from, SEEK_DATA);
	uint64_t page_end;

	/* ENXIO: no page follows. Any other error says nothing: then all of it may differ. */
	if (begin < 0 && errno == ENXIO)
		return 0;
	if (begin < (off_t)from)
		begin = (off_t)from;
	if ((uint64_t)begin >= end)
		return 0;
	/* One page at a time: SEEK_HOLE would walk over all pages that there are. */
	page_end = ((uint64_t)begin / PAGE_BYTES + 1) * PAGE_BYTES;
	*ret_begin = (uint64_t)begin;
	return (page_end < end ? page_end : end) - (uint64_t)begin;
}

void arena_zero(struct arena *arena, uint64_t from, uint64_t bytes)
{
	/* Zeroes are written, not punched as holes: under a memory region a hole would leave the
	 * device with pages that are no longer the file's. */
	region_zero(arena->base + from, bytes);
}
