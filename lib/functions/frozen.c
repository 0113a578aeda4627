/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that are frozen. The attendant of a worker ends its call when that is cancelled or over
 * its limit, but an attendant is frozen with its process. Where workers are processes of the
 * driver's it ends them itself, while it waits for results: then another worker gets the call.
 */
#include "lib/core/clock.h"
#include "lib/functions/executor.h"

static const struct workers_ops *ops_of(const struct dso_executor *executor)
{
	return executor->workers ? ((const struct workers_base *)executor->workers)->ops : NULL;
}

bool executor_can_end_workers(const struct dso_executor *executor)
{
	const struct workers_ops *ops = ops_of(executor);

	return ops && ops->runs;
}

/* Its limit is over: no worker is to run the call again in this round. */
static int end_overdue(struct dso_thread *thread)
{
	int r = state_end_call(&thread->executor->state, thread->number, thread->round);

	thread->is_overdue = r == 0;
	return r;
}

/* Whether the call is to end, and has been for FROZEN_NS: its attendant would have ended it. */
static int goes_on(struct dso_executor *executor, const struct running *running, bool *ret_does)
{
	struct dso_thread *thread = executor_find(executor, running->number);
	int64_t now_ns = clock_now_ns(), age_ns = now_ns - running->begun_ns;
	bool is_ended = false;
	int r;

	*ret_does = false;
	if (!thread || thread->outcome || age_ns < FROZEN_NS)
		return 0;
	r = state_is_ended(&executor->state, thread->number, thread->round, &is_ended);
	if (r)
		return r;
	if (!is_ended && executor->limit_ns && age_ns - executor->limit_ns >= FROZEN_NS) {
		*ret_does = true;
		return end_overdue(thread);
	}
	if (is_ended && !thread->ended_ns)
		thread->ended_ns = now_ns;
	*ret_does = is_ended && now_ns - thread->ended_ns >= FROZEN_NS;
	return 0;
}

int executor_end_frozen(struct dso_executor *executor)
{
	const struct workers_ops *ops = ops_of(executor);
	int r = 0;

	executor->looked_ns = clock_now_ns();
	if (!executor_can_end_workers(executor))
		return 0;
	for (unsigned i = 0; i < executor->worker_count && r == 0; i++) {
		struct running running;
		bool does = false;

		if (ops->runs(executor->workers, i, &running))
			r = goes_on(executor, &running, &does);
		if (r == 0 && does)
			ops->end(executor->workers, i, &running);
	}
	return r;
}
