/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the driver does about workers that are frozen or missing, while it waits for results.
 *
 * The attendant of a worker ends its call when that is cancelled or over its limit, but it is
 * frozen with its process. Where workers are processes of the driver's, the driver ends them
 * itself: then another worker gets the call. Where they are invocations, one that has lost its
 * call, or never began, looks like one that works: what shows is that nobody takes the calls that
 * wait.
 */
#include "lib/core/clock.h"
#include "lib/functions/executor.h"
#include "lib/functions/place.h"
#include "lib/objects/queue.h"

#include <errno.h>

static const struct workers_ops *ops_of(const struct dso_executor *executor)
{
	return executor->workers ? ((const struct workers_base *)executor->workers)->ops : NULL;
}

bool executor_cares(const struct dso_executor *executor)
{
	const struct workers_ops *ops = ops_of(executor);

	return ops && (ops->runs || ops->queued);
}

/* CARE_NS after the limit its attendant would have ended it. */
static bool is_over_limit(const struct dso_executor *executor, const struct running *running,
			  int64_t now_ns)
{
	return executor->limit_ns && running->function_ns &&
	       now_ns - running->function_ns - executor->limit_ns >= CARE_NS;
}

/* No worker is to run the call again in this round. But another worker may have it by now, whose
 * attempt goes on. */
static int end_overdue(struct dso_thread *thread, const struct running *running)
{
	struct dso_executor *executor = thread->executor;
	bool is_own;
	int r = queue_is_leased(executor->calls, running->ticket, running->deliveries, &is_own);

	if (r || !is_own)
		return r;
	r = state_end_call(&executor->state, thread->number, running->round);
	thread->is_overdue |= r == 0 && running->round == thread->round;
	return r;
}

/* Whether the worker of the call is to end: the call is, and has been for CARE_NS, so that the
 * attendant would have ended it. */
static int goes_on(struct dso_executor *executor, const struct running *running, bool *ret_does)
{
	struct dso_thread *thread = executor_find(executor, running->number);
	int64_t now_ns = clock_now_ns();
	bool is_ended = false, is_former;
	int r;

	*ret_does = false;
	if (!thread || thread->outcome || now_ns - running->begun_ns < CARE_NS)
		return 0;
	r = state_is_ended(&executor->state, thread->number, running->round, &is_ended);
	if (r)
		return r;
	if (!is_ended && is_over_limit(executor, running, now_ns)) {
		*ret_does = true;
		return end_overdue(thread, running);
	}
	is_former = running->round != thread->round;
	if (is_ended && !is_former && !thread->ended_ns)
		thread->ended_ns = now_ns;
	*ret_does = is_ended && (is_former || now_ns - thread->ended_ns >= CARE_NS);
	return 0;
}

static int end_frozen(struct dso_executor *executor, const struct workers_ops *ops)
{
	int r = 0;

	for (unsigned i = 0; r == 0; i++) {
		struct running running;
		bool does = false;

		r = ops->runs(executor->workers, i, &running);
		if (r > 0)
			r = goes_on(executor, &running, &does);
		if (r == 0 && does)
			ops->end(executor->workers, i, &running);
	}
	return r == -ENOENT ? 0 : r;
}

static int tell_queued(struct dso_executor *executor, const struct workers_ops *ops)
{
	uint64_t pushed = executor->counts.made + executor->counts.retried, length;
	bool some_wait;
	int r = queue_waits(executor->calls, &some_wait, &length);

	if (r == 0)
		ops->queued(executor->workers, some_wait, pushed - length);
	return r;
}

int executor_care(struct dso_executor *executor)
{
	const struct workers_ops *ops = ops_of(executor);
	int r = 0;

	executor->cared_ns = clock_now_ns();
	if (ops && ops->runs)
		r = end_frozen(executor, ops);
	if (r == 0 && ops && ops->queued)
		r = tell_queued(executor, ops);
	return r;
}
