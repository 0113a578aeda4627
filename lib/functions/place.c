/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/place.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct place *map(int fd, size_t bytes)
{
	void *places = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return places == MAP_FAILED ? NULL : places;
}

int places_make(unsigned count, int *ret_fd, struct place **ret_places)
{
	size_t bytes = count * sizeof(struct place);
	int fd = memfd_create("dso-places", MFD_CLOEXEC), r = 0;
	struct place *places;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes))
		r = -errno;
	places = r ? NULL : map(fd, bytes);
	if (!places) {
		r = r ? r : -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_places = places;
	return 0;
}

void places_unmap(struct place *places, unsigned count)
{
	if (places)
		munmap(places, count * sizeof *places);
}

void places_free(struct place *places, unsigned count, pid_t pid)
{
	for (unsigned i = 0; i < count; i++) {
		if (atomic_load(&places[i].pid) != pid)
			continue;
		place_end(&places[i]);
		atomic_store(&places[i].pid, 0);
	}
}

struct place *place_claim(int fd)
{
	struct place *places = NULL, *own = NULL;
	struct stat stat = {.st_size = 0};
	size_t count;

	if (fstat(fd, &stat) == 0 && stat.st_size > 0)
		places = map(fd, (size_t)stat.st_size);
	close(fd);
	count = (size_t)stat.st_size / sizeof *places;
	for (size_t i = 0; places && !own && i < count; i++)
		if (atomic_compare_exchange_strong(&places[i].pid, &(int32_t){0}, getpid()))
			own = &places[i];
	return own;
}

void place_begin(struct place *place, const struct dso_call *call)
{
	if (!place)
		return;
	atomic_store(&place->begun_ns, clock_now_ns());
	atomic_store(&place->function_ns, 0);
	atomic_store(&place->ticket, call->ticket);
	atomic_store(&place->deliveries, call->deliveries);
	atomic_store(&place->round, call->round);
	atomic_store(&place->call, call->number + 1);
}

/* For another call begun_ns is stored first, and the call last: where begun_ns is the same at the
 * end, all was of one call. */
bool place_read(const struct place *place, struct running *ret_running)
{
	int64_t begun_ns = atomic_load(&place->begun_ns);
	uint64_t call = atomic_load(&place->call);

	*ret_running = (struct running){.number = call - 1,
					.ticket = atomic_load(&place->ticket),
					.deliveries = atomic_load(&place->deliveries),
					.round = atomic_load(&place->round),
					.begun_ns = begun_ns,
					.function_ns = atomic_load(&place->function_ns)};
	return call != 0 && atomic_load(&place->begun_ns) == begun_ns;
}
