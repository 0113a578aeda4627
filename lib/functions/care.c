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

/* Its limit is over: no worker is to run the call again in this round. */
static int end_overdue(struct dso_thread *thread)
{
	int r = state_end_call(&thread->executor->state, thread->number, thread->round);

	thread->is_overdue = r == 0;
	return r;
}

/* Whether the call is to end, and has been for CARE_NS: its attendant would have ended it. */
static int goes_on(struct dso_executor *executor, const struct running *running, bool *ret_does)
{
	struct dso_thread *thread = executor_find(executor, running->number);
	int64_t now_ns = clock_now_ns(), age_ns = now_ns - running->begun_ns;
	bool is_ended = false;
	int r;

	*ret_does = false;
	if (!thread || thread->outcome || age_ns < CARE_NS)
		return 0;
	r = state_is_ended(&executor->state, thread->number, thread->round, &is_ended);
	if (r)
		return r;
	if (!is_ended && executor->limit_ns && age_ns - executor->limit_ns >= CARE_NS) {
		*ret_does = true;
		return end_overdue(thread);
	}
	if (is_ended && !thread->ended_ns)
		thread->ended_ns = now_ns;
	*ret_does = is_ended && now_ns - thread->ended_ns >= CARE_NS;
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
