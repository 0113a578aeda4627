/* SPDX-License-Identifier: Apache-2.0 */
/* "thread:": workers are threads of this process. */
#include "lib/core/clock.h"
#include "lib/functions/executor.h"
#include "lib/functions/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often the workers are told to leave, while the executor waits for them. */
#define STOP_NS (50 * DSO_MILLISECOND)

struct member {
	pthread_t thread;
	struct workers *workers;
	struct worker *worker; /* while it serves; under the workers' lock, as is: */
	bool has_left;
};

struct workers {
	struct workers_base base;
	struct workers_request request;
	_Atomic unsigned failed; /* that have ended because of an error */
	char why[SENTENCE_BYTES_MAX + 1];
	pthread_mutex_t lock; /* of why, and of the members */
	pthread_cond_t leaving;
	unsigned count;
	struct member members[];
};

static void set_worker(struct member *member, struct worker *worker)
{
	pthread_mutex_lock(&member->workers->lock);
	member->worker = worker;
	pthread_mutex_unlock(&member->workers->lock);
}

/* Serve until the executor is closed. Returns 0, or an error with a sentence in @why. */
static int serve_executor(struct member *member, char *why, size_t why_bytes)
{
	struct worker_term term = worker_whole_term(member->workers->request.prefix, -1);
	struct worker *worker;
	uint64_t served;
	int r;

	term.is_thread = true;
	r = worker_open(member->workers->request.url, &worker, why, why_bytes);

	if (r)
		return r;
	set_worker(member, worker);
	r = worker_serve(worker, &term, &served, why, why_bytes);
	set_worker(member, NULL);
	worker_close(worker);
	return r == -ENOENT ? 0 : r;
}

static void note_failure(struct workers *workers, const char why[SENTENCE_BYTES_MAX + 1])
{
	memcpy(workers->why, why, sizeof workers->why);
	/* The last one leaves nobody who runs a call. */
	if (atomic_fetch_add(&workers->failed, 1) + 1 == workers->request.count)
		dso_interrupt(workers->request.session);
}

static void *serve(void *argument)
{
	struct member *member = argument;
	struct workers *workers = member->workers;
	char why[SENTENCE_BYTES_MAX + 1];
	int r = serve_executor(member, why, sizeof why);

	pthread_mutex_lock(&workers->lock);
	if (r)
		note_failure(workers, why);
	member->has_left = true;
	pthread_cond_signal(&workers->leaving);
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

static const char *broken(struct workers *workers)
{
	return atomic_load(&workers->failed) == workers->request.count ? workers->why : NULL;
}

/* The queue of calls may not be shut down, where the driver's session is over; and functions may
 * wait for what does not come. */
static void make_leave(struct member *member)
{
	struct workers *workers = member->workers;

	pthread_mutex_lock(&workers->lock);
	while (!member->has_left) {
		struct timespec until = clock_timespec(clock_now_ns() + STOP_NS);

		if (member->worker)
			worker_stop(member->worker);
		pthread_cond_timedwait(&workers->leaving, &workers->lock, &until);
	}
	pthread_mutex_unlock(&workers->lock);
}

static void stop(struct workers *workers)
{
	for (unsigned i = 0; i < workers->count; i++) {
		make_leave(&workers->members[i]);
		pthread_join(workers->members[i].thread, NULL);
	}
	pthread_cond_destroy(&workers->leaving);
	pthread_mutex_destroy(&workers->lock);
	free(workers);
}

static void make_lock(struct workers *workers)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&workers->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&workers->leaving, &attributes);
	pthread_condattr_destroy(&attributes);
}

static int start(const struct workers_request *request, struct workers **ret_workers, char *why)
{
	struct workers *workers =
		calloc(1, sizeof *workers + request->count * sizeof *workers->members);
	int r = workers ? 0 : -ENOMEM;

	if (r == 0) {
		workers->base.ops = &workers_of_threads;
		workers->request = *request;
		make_lock(workers);
		*ret_workers = workers;
	}
	for (unsigned i = 0; i < request->count && r == 0; i++) {
		struct member *member = &workers->members[i];

		member->workers = workers;
		r = -pthread_create(&member->thread, NULL, serve, member);
		workers->count += r == 0;
	}
	if (r)
		snprintf(why, SENTENCE_BYTES_MAX + 1, "it gets no thread for each worker: %s",
			 strerror(-r));
	return r;
}

const struct workers_ops workers_of_threads = {
	.scheme = "thread:", .start = start, .broken = broken, .stop = stop};
