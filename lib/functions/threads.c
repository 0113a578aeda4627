/* SPDX-License-Identifier: Apache-2.0 */
/* "thread:": workers are threads of this process. */
#include "lib/functions/executor.h"
#include "lib/functions/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct workers {
	struct workers_base base;
	struct workers_request request;
	_Atomic unsigned failed; /* that have ended because of an error */
	char why[SENTENCE_BYTES_MAX + 1];
	pthread_mutex_t lock; /* of why */
	unsigned count;
	pthread_t threads[];
};

static void *serve(void *argument)
{
	struct workers *workers = argument;
	char why[SENTENCE_BYTES_MAX + 1];

	if (worker_serve_executor(workers->request.url, workers->request.prefix, -1, why,
				  sizeof why) == 0)
		return NULL;
	pthread_mutex_lock(&workers->lock);
	memcpy(workers->why, why, sizeof why);
	/* The last one leaves nobody who runs a call. */
	if (atomic_fetch_add(&workers->failed, 1) + 1 == workers->request.count)
		dso_interrupt(workers->request.session);
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

static const char *broken(struct workers *workers)
{
	return atomic_load(&workers->failed) == workers->request.count ? workers->why : NULL;
}

static void stop(struct workers *workers)
{
	for (unsigned i = 0; i < workers->count; i++)
		pthread_join(workers->threads[i], NULL);
	pthread_mutex_destroy(&workers->lock);
	free(workers);
}

static int start(const struct workers_request *request, struct workers **ret_workers, char *why)
{
	struct workers *workers =
		calloc(1, sizeof *workers + request->count * sizeof *workers->threads);
	int r = workers ? 0 : -ENOMEM;

	if (r == 0) {
		workers->base.ops = &workers_of_threads;
		workers->request = *request;
		pthread_mutex_init(&workers->lock, NULL);
		*ret_workers = workers;
	}
	for (unsigned i = 0; i < request->count && r == 0; i++) {
		r = -pthread_create(&workers->threads[i], NULL, serve, workers);
		workers->count += r == 0;
	}
	if (r)
		snprintf(why, SENTENCE_BYTES_MAX + 1, "it gets no thread for each worker: %s",
			 strerror(-r));
	return r;
}

const struct workers_ops workers_of_threads = {
	.scheme = "thread:", .start = start, .broken = broken, .stop = stop};
