/* SPDX-License-Identifier: Apache-2.0 */
/* What workers put back, and what becomes of its threads: they are over, or made again. */
#include "lib/client/session.h"
#include "lib/core/clock.h"
#include "lib/functions/executor.h"
#include "lib/functions/many.h"
#include "lib/functions/output.h"
#include "lib/functions/stored.h"

#include <errno.h>
#include <stdlib.h>

int executor_fail(struct dso_executor *executor, int error, const char *verb, const char *why)
{
	return session_fail(executor->session, error, "executor %s: %s: %s", executor->prefix, verb,
			    why);
}

int64_t executor_time_left(int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - clock_now_ns();

	return deadline_ns == INT64_MAX ? DSO_FOREVER : left_ns > 0 ? left_ns : DSO_NOWAIT;
}

static const char *broken(const struct dso_executor *executor)
{
	struct workers *workers = executor->workers;

	return workers ? ((struct workers_base *)workers)->ops->broken(workers) : NULL;
}

void executor_change_waiting(struct dso_executor *executor, int by)
{
	struct workers *workers = executor->workers;
	const struct workers_ops *ops = workers ? ((struct workers_base *)workers)->ops : NULL;

	executor->waiting += (unsigned)by;
	executor->has_new_counts = true;
	if (ops && ops->wanted)
		ops->wanted(workers, executor->waiting);
}

/* ---- what others see ---- */

static int tell_counts(struct dso_executor *executor)
{
	const struct executor_counts *counts = &executor->counts;
	struct state_counts told = {
		.made = le64_of(counts->made),
		.over = le64_of(counts->over),
		.failed = le64_of(counts->failed),
		.cancelled = le64_of(counts->cancelled),
		.retried = le64_of(counts->retried),
	};

	executor->has_new_counts = false;
	executor->told_ns = clock_now_ns();
	return state_write_counts(&executor->state, &told);
}

/* ---- a thread that is over ---- */

static void count_outcome(struct dso_executor *executor, enum outcome outcome)
{
	executor->counts.over++;
	executor->counts.cancelled += outcome == OUTCOME_CANCELLED;
	executor->counts.failed += outcome != OUTCOME_CANCELLED && outcome != OUTCOME_RETURNED;
}

void executor_finish(struct dso_thread *thread, enum outcome outcome)
{
	struct dso_executor *executor = thread->executor;

	if (thread->pause.is_on)
		retries_remove(&executor->paused, &thread->pause);
	thread->outcome = outcome;
	count_outcome(executor, outcome);
	executor_change_waiting(executor, -1);
	if (thread->is_detached)
		executor_free_thread(thread);
	else if (thread->many)
		many_note(thread->many, thread);
}

/* ---- a call that has failed ---- */

static bool may_be_made_again(const struct dso_thread *thread, enum outcome outcome)
{
	return (outcome == OUTCOME_FAILED || outcome == OUTCOME_OVERDUE ||
		outcome == OUTCOME_DIED) &&
	       thread->round < thread->executor->retry.retries;
}

static void pause_thread(struct dso_thread *thread, uint32_t attempt)
{
	struct dso_executor *executor = thread->executor;

	thread->round++;
	thread->attempts = attempt;
	thread->ended_ns = 0;
	thread->is_overdue = false;
	retries_add(&executor->paused, &thread->pause,
		    clock_now_ns() + retries_pause_ns(&executor->retry, thread->round));
}

/* Of those that pause. */
static struct dso_thread *pausing_first(const struct dso_executor *executor)
{
	return (struct dso_thread *)((char *)executor->paused - offsetof(struct dso_thread, pause));
}

static int make_again(struct dso_thread *thread)
{
	struct dso_executor *executor = thread->executor;
	struct call_message message;
	int r;

	memcpy(&message, thread->call, sizeof message);
	message.round = le32_of(thread->round);
	message.begun = le32_of(thread->attempts);
	memcpy(thread->call, &message, sizeof message);
	r = dso_queue_push(executor->calls, thread->call, thread->call_bytes, DSO_FOREVER);
	if (r)
		return r;
	retries_remove(&executor->paused, &thread->pause);
	executor->counts.retried++;
	executor->has_new_counts = true;
	return 0;
}

static int make_due_again(struct dso_executor *executor)
{
	int r = 0;

	while (r == 0 && executor->paused && executor->paused->due_ns <= clock_now_ns())
		r = make_again(pausing_first(executor));
	return r;
}

/* ---- results ---- */

/* Whether @message, behind which @inline_bytes follow, is of a round of @thread that runs. */
static bool is_awaited(const struct dso_thread *thread, const struct result_message *message,
		       size_t inline_bytes)
{
	uint64_t bytes = le64_get(message->bytes);

	return thread && !thread->outcome && !thread->pause.is_on && message->outcome > 0 &&
	       message->outcome <= OUTCOME_LAST && le32_get(message->round) == thread->round &&
	       inline_bytes == (message->is_stored ? 0 : bytes) && bytes <= DSO_ARGUMENT_BYTES_MAX;
}

static int keep_value(struct dso_thread *thread, const uint8_t *value, size_t bytes)
{
	if (bytes == 0)
		return 0;
	thread->value = malloc(bytes);
	if (!thread->value)
		return executor_fail(thread->executor, -ENOMEM, "join", "no memory for a result");
	memcpy(thread->value, value, bytes);
	return 0;
}

/* A worker that gets a call that is ended does not know whether that was its limit. */
static enum outcome outcome_of(const struct dso_thread *thread,
			       const struct result_message *message)
{
	if (thread->is_cancelled)
		return OUTCOME_CANCELLED;
	return thread->is_overdue && message->outcome == OUTCOME_CANCELLED ? OUTCOME_OVERDUE
									   : message->outcome;
}

/* Take in a message of @thread, which waits for it. */
static int take_outcome(struct dso_thread *thread, const struct result_message *message,
			const uint8_t *value, size_t inline_bytes)
{
	enum outcome outcome = outcome_of(thread, message);
	int r = 0;

	if (may_be_made_again(thread, outcome)) {
		pause_thread(thread, le32_get(message->attempt));
		return 0;
	}
	/* A late one, of a round before. */
	if (thread->has_stored_result && !message->is_stored)
		stored_delete(thread->executor->session, thread->executor->prefix, "result",
			      thread->number);
	thread->has_stored_result = message->is_stored;
	if (!thread->is_cancelled)
		r = keep_value(thread, value, inline_bytes);
	if (r)
		return r;
	thread->bytes = le64_get(message->bytes);
	executor_finish(thread, outcome);
	return 0;
}

/* One that is stored goes with its @thread, whose result it may be; at once where the thread is
 * freed (NULL), or has returned a short one. */
static void drop_result(struct dso_executor *executor, struct dso_thread *thread,
			const struct result_message *message)
{
	if (!message->is_stored || executor->kept.map)
		return;
	if (!thread || (thread->outcome == OUTCOME_RETURNED && !thread->has_stored_result))
		stored_delete(executor->session, executor->prefix, "result",
			      le64_get(message->number));
	else
		thread->has_stored_result = true;
}

/* Take in @item of @bytes, which a worker wrote. Of two results of a call the first counts. */
static int take_in(struct dso_executor *executor, const uint8_t *item, size_t bytes)
{
	struct result_message message;
	struct dso_thread *thread;
	bool is_off;
	int r = 0;

	if (bytes < sizeof message)
		return 0;
	memcpy(&message, item, sizeof message);
	if (message.outcome == OUTCOME_OUTPUT) {
		output_take(executor, &message, item + sizeof message, bytes - sizeof message);
		return 0;
	}
	thread = executor_find(executor, le64_get(message.number));
	/* The call is off the queue, so its word is of no use any more. */
	is_off = !(message.flags & RESULT_COMES_AGAIN) &&
		 (message.flags & RESULT_IS_ENDED ||
		  (thread && (thread->is_cancelled || thread->is_overdue)));
	if (is_off)
		r = state_forget_ended(&executor->state, le64_get(message.number));
	if (r == 0 && !is_awaited(thread, &message, bytes - sizeof message))
		drop_result(executor, thread, &message);
	else if (r == 0)
		r = take_outcome(thread, &message, item + sizeof message, bytes - sizeof message);
	return r;
}

/* What is taken in is off the queue. A result that was leased before this session was lost comes
 * again, in vain. */
static int acknowledge(struct dso_executor *executor)
{
	int r = 0;

	if (executor->has_leased)
		r = dso_queue_acknowledge(executor->results, executor->leased);
	executor->has_leased = r && r != -EPERM;
	return r == -EPERM ? 0 : r;
}

/* For how long to wait, of @timeout, until there is something else to do. */
static int64_t wait_ns(const struct dso_executor *executor, int64_t timeout)
{
	int64_t least_ns = INT64_MAX;

	if (executor->paused)
		least_ns = executor_time_left(executor->paused->due_ns);
	if (executor->has_new_counts && least_ns > STATE_LOOK_NS)
		least_ns = STATE_LOOK_NS;
	if (executor->waiting && executor_cares(executor) && least_ns > CARE_NS)
		least_ns = CARE_NS;
	return timeout == DSO_FOREVER || timeout > least_ns
		       ? (least_ns == INT64_MAX ? DSO_FOREVER : least_ns)
		       : timeout;
}

/* Lease a result, or do what is due meanwhile. */
static int lease(struct dso_executor *executor, struct dso_queue_item *item, int64_t timeout)
{
	int64_t least_ns = wait_ns(executor, timeout);
	int r = dso_queue_lease(executor->results, item, least_ns), s = 0;

	if (r == -ETIMEDOUT && executor->has_new_counts)
		s = tell_counts(executor);
	return s ? s : r == -ETIMEDOUT && least_ns != timeout ? -EAGAIN : r;
}

/* It is leased, so that it comes again where the session is lost on the way, and acknowledged by
 * the next call of this, which has to wait anyway. */
int executor_take_result(struct dso_executor *executor, int64_t timeout)
{
	struct dso_queue_item item = {.bytes = executor->result, .bytes_max = MESSAGE_BYTES};
	int r = broken(executor) ? -ECHILD : acknowledge(executor);

	if (r == 0)
		r = make_due_again(executor);
	if (r == 0 && executor->has_new_counts &&
	    clock_now_ns() - executor->told_ns >= STATE_LOOK_NS)
		r = tell_counts(executor);
	if (r == 0 && clock_now_ns() - executor->cared_ns >= CARE_NS)
		r = executor_care(executor);
	if (r == 0)
		r = lease(executor, &item, timeout);
	if ((r == -ECANCELED || r == -ECHILD) && broken(executor))
		return executor_fail(executor, -ECHILD, "workers cannot be started",
				     broken(executor));
	if (r)
		return r == -EAGAIN ? 0 : r;
	executor->has_leased = true;
	executor->leased = item.ticket;
	r = take_in(executor, executor->result, item.length_bytes);
	/* It is to come again. */
	if (r && dso_queue_give_back(executor->results, item.ticket) == 0)
		executor->has_leased = false;
	return r;
}
