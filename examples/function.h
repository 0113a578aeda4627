/* SPDX-License-Identifier: Apache-2.0 */
/* What the applications have in common where they are functions. thread.h is the same for
 * threads. */
#ifndef FUNCTION_H
#define FUNCTION_H

#include "application.h"

#include <dso/dso.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define ATTEMPTS 100 /* of a call, since workers may be killed */

/* A function that gives up is run again, by another worker. */
static inline void must(const struct dso_session *session, int r)
{
	if (r)
		give_up("%s", dso_error(session));
}

/* The name of the run's object @thing, the @number-th of that kind; valid until the next call. */
static inline const char *name_of(const char *run, const char *thing, unsigned number)
{
	static _Thread_local char name[DSO_NAME_BYTES_MAX];

	snprintf(name, sizeof name, "%s-%s-%u", run, thing, number);
	return name;
}

/* ---- the driver ---- */

static struct {
	struct dso_session *session;
	struct dso_executor *executor;
} driver;

static inline void driver_open(const struct view *view, uint64_t workers)
{
	struct dso_executor_params params = {.workers = workers, .attempts = ATTEMPTS};

	must(NULL, dso_open(NULL, NULL, &driver.session));
	must(driver.session,
	     dso_executor_open(driver.session, *view->executor ? view->executor : NULL, &params,
			       &driver.executor));
}

static inline void driver_close(void)
{
	dso_executor_close(driver.executor);
	dso_close(driver.session);
}

static inline void create(dso_function function, const void *argument, size_t bytes,
			  struct dso_thread **ret_thread)
{
	must(driver.session,
	     dso_thread_create(driver.executor, function, argument, bytes, ret_thread));
}

static inline void join(struct dso_thread *thread, void **ret_result)
{
	must(driver.session, dso_thread_join(thread, DSO_FOREVER, ret_result, NULL));
}

/* In a function: return @value, which is freed. */
static inline int return_freed(struct dso_call *call, void *value, size_t bytes)
{
	int r = dso_return(call, value, bytes);

	free(value);
	return r;
}

/* ---- vectors of all workers, added up ---- */

struct totals {
	struct dso_session *session;
	struct dso_aggregator *aggregator;
};

/* The driver opens it, too: it goes with the last handle, not with a worker that is killed. */
static inline void totals_open(struct totals *totals, struct dso_session *session, const char *run,
			       uint64_t length, uint64_t workers)
{
	struct dso_aggregator_params params = {.length = length,
					       .contributors = (uint32_t)workers,
					       .flags = DSO_AGGREGATOR_RETRIES,
					       .ephemeral = DSO_EPHEMERAL};

	totals->session = session;
	must(session, dso_aggregator_open(session, run, &params, &totals->aggregator));
}

/* The round that a worker begins with: 1, or the last one that is over, which takes nothing more
 * and gives its sums again. So an attempt goes on where the one before it was. */
static inline uint64_t totals_first_round(struct totals *totals)
{
	uint64_t round;

	must(totals->session, dso_aggregator_stat(totals->aggregator, &round, NULL, NULL));
	return round > 1 ? round - 1 : 1;
}

/* Add @partial of worker @id to those of the others, wait for them, and copy the sums into @sums.
 * An attempt before this one may have contributed already: then it was the same. */
static inline void totals_reduce(struct totals *totals, uint64_t id, uint64_t round,
				 const double *partial, double *sums)
{
	size_t bytes = dso_aggregator_bytes(totals->aggregator);
	int r = dso_aggregator_all_reduce(totals->aggregator, (uint32_t)id, partial, bytes, round,
					  sums, DSO_FOREVER, NULL);

	if (r == -EALREADY)
		r = dso_aggregator_round_wait(totals->aggregator, round, sums, bytes, DSO_FOREVER,
					      NULL);
	must(totals->session, r);
}

static inline void totals_close(struct totals *totals)
{
	dso_aggregator_close(totals->aggregator);
}

#endif
