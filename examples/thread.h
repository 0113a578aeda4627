/* SPDX-License-Identifier: Apache-2.0 */
/* What the applications have in common where they are threads. function.h is the same for
 * functions. */
#ifndef THREAD_H
#define THREAD_H

#include "application.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static inline void create(pthread_t *ret_thread, void *(*function)(void *argument), void *argument)
{
	if (pthread_create(ret_thread, NULL, function, argument))
		give_up("a thread cannot be created");
}

/* Vectors of all workers, added up. */
struct totals {
	pthread_mutex_t mutex;
	pthread_barrier_t barrier;
	uint64_t length;
	double *sums;
};

static inline void totals_open(struct totals *totals, uint64_t length, uint64_t workers)
{
	pthread_mutex_init(&totals->mutex, NULL);
	pthread_barrier_init(&totals->barrier, NULL, (unsigned)workers);
	totals->length = length;
	totals->sums = provide(length, sizeof *totals->sums);
}

/* Add @partial to those of the others, wait for them, and copy the sums into @sums. */
static inline void totals_reduce(struct totals *totals, const double *partial, double *sums)
{
	pthread_mutex_lock(&totals->mutex);
	for (uint64_t i = 0; i < totals->length; i++)
		totals->sums[i] += partial[i];
	pthread_mutex_unlock(&totals->mutex);
	pthread_barrier_wait(&totals->barrier);
	memcpy(sums, totals->sums, totals->length * sizeof *sums);
	if (pthread_barrier_wait(&totals->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		memset(totals->sums, 0, totals->length * sizeof *sums);
	pthread_barrier_wait(&totals->barrier);
}

static inline void totals_close(struct totals *totals)
{
	pthread_mutex_destroy(&totals->mutex);
	pthread_barrier_destroy(&totals->barrier);
	free(totals->sums);
}

#endif
