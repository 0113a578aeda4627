/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places of workers that are processes of the driver's: memory that driver and workers share,
 * where each worker says which call it runs. So the driver finds the worker of a call that is to
 * end, also where that process is frozen, and its attendant with it.
 */
#ifndef LIB_FUNCTIONS_PLACE_H
#define LIB_FUNCTIONS_PLACE_H

#include "lib/core/clock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct place {
	_Atomic int32_t pid;      /* of the worker; 0: the place is free */
	_Atomic uint64_t call;    /* that it runs: the number + 1; 0: none */
	_Atomic int64_t begun_ns; /* of that call, by clock_now_ns() */
};

/* At the driver: @count free places, and the descriptor by which workers get them, which is not
 * inherited by itself. Returns 0 or a negative errno. */
int places_make(unsigned count, int *ret_fd, struct place **ret_places);
void places_unmap(struct place *places, unsigned count);

/* At a worker: a free place among those of @fd, which is closed. NULL: there is none. */
struct place *place_claim(int fd);

/* The worker at @place (NULL: it has none) runs a call, and no call. */
static inline void place_begin(struct place *place, uint64_t number)
{
	if (!place)
		return;
	atomic_store(&place->begun_ns, clock_now_ns());
	atomic_store(&place->call, number + 1);
}

static inline void place_end(struct place *place)
{
	if (place)
		atomic_store(&place->call, 0);
}

#endif
