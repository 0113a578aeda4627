/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places of workers that are processes of the driver's: memory that driver and workers share,
 * where each worker says which call it runs. So the driver finds the worker of a call that is to
 * end, also where that process is frozen, and its attendant with it.
 */
#ifndef LIB_FUNCTIONS_PLACE_H
#define LIB_FUNCTIONS_PLACE_H

#include "lib/core/clock.h"
#include "lib/functions/call.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Times are of clock_now_ns(). */
struct place {
	_Atomic int32_t pid;   /* of the worker; 0: the place is free */
	_Atomic uint64_t call; /* that it has: the number + 1; 0: none */
	/* of that call, and of its item in the queue of calls: */
	_Atomic int64_t begun_ns;    /* the worker has taken it */
	_Atomic int64_t function_ns; /* the function runs since then; 0: it does not */
	_Atomic uint64_t ticket;
	_Atomic uint32_t deliveries, round;
};

/* The call that a worker has, as its place shows it. */
struct running {
	uint64_t number;
	uint64_t ticket;
	uint32_t deliveries, round;
	int64_t begun_ns, function_ns;
};

/* At the driver: @count free places, and the descriptor by which workers get them, which is not
 * inherited by itself. Returns 0 or a negative errno. */
int places_make(unsigned count, int *ret_fd, struct place **ret_places);
void places_unmap(struct place *places, unsigned count);
/* The worker @pid has ended: whatever it had of them is free. */
void places_free(struct place *places, unsigned count, pid_t pid);

/* At a worker: a free place among those of @fd, which is closed. NULL: there is none. */
struct place *place_claim(int fd);

/* Whether the worker at @place has a call: *ret_running. */
bool place_read(const struct place *place, struct running *ret_running);

/* The worker at @place (NULL: it has none) has taken @call, and has none any more. */
void place_begin(struct place *place, const struct dso_call *call);

static inline void place_end(struct place *place)
{
	if (place)
		atomic_store(&place->call, 0);
}

/* The function of its call runs, as limits of time count it, and does so no more. */
static inline void place_begin_function(struct place *place)
{
	if (place)
		atomic_store(&place->function_ns, clock_now_ns());
}

static inline void place_end_function(struct place *place)
{
	if (place)
		atomic_store(&place->function_ns, 0);
}

#endif
