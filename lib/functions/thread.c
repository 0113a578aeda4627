/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: calls that were made, and what became of them. */
#include "lib/core/clock.h"
#include "lib/client/session.h"
#include "lib/functions/definitions.h"
#include "lib/functions/executor.h"
#include "lib/functions/stored.h"
#include "lib/objects/futex.h"

#include <stdlib.h>
#include <string.h>

static int fail(struct dso_executor *executor, int error, const char *verb, const char *why)
{
	return session_fail(executor->session, error, "executor %s: %s: %s", executor->prefix, verb,
			    why);
}

static const char *broken(const struct dso_executor *executor)
{
	struct workers *workers = executor->workers;

	return workers ? ((struct workers_base *)workers)->ops->broken(workers) : NULL;
}

static void change_waiting(struct dso_executor *executor, int by)
{
	struct workers *workers = executor->workers;
	const struct workers_ops *ops = workers ? ((struct workers_base *)workers)->ops : NULL;

	executor->waiting += (unsigned)by;
	if (ops && ops->wanted)
		ops->wanted(workers, executor->waiting);
}

/* ---- the table of threads ---- */

/* Make sure that there is a place for the next thread. */
static int provide_place(struct dso_executor *executor)
{
	size_t used = executor->next - executor->first, gone = 0;
	struct dso_thread **wider;

	if (used < executor->threads_max)
		return 0;
	while (gone < used && !executor->threads[gone])
		gone++;
	/* At least half of the places are moved to: so a place is moved once on average. */
	if (gone > 0 && gone >= used / 2) {
		memmove(executor->threads, executor->threads + gone,
			(used - gone) * sizeof *executor->threads);
		executor->first += gone;
		return 0;
	}
	wider = reallocarray(executor->threads, used ? 2 * used : 64, sizeof *wider);
	if (!wider)
		return -ENOMEM;
	executor->threads = wider;
	executor->threads_max = used ? 2 * used : 64;
	return 0;
}

static struct dso_thread *find(const struct dso_executor *executor, uint64_t number)
{
	return number >= executor->first && number < executor->next
		       ? executor->threads[number - executor->first]
		       : NULL;
}

static void free_thread(struct dso_thread *thread)
{
	free(thread->value);
	free(thread);
}

/* Its call is over: nothing of it stays here or in the store. */
static void end_thread(struct dso_thread *thread)
{
	struct dso_executor *executor = thread->executor;

	if (thread->has_stored_argument)
		stored_delete(executor->session, executor->prefix, "argument", thread->number);
	if (thread->has_stored_result)
		stored_delete(executor->session, executor->prefix, "result", thread->number);
	executor->threads[thread->number - executor->first] = NULL;
	free_thread(thread);
}

void executor_forget_threads(struct dso_executor *executor)
{
	for (uint64_t number = executor->first; number < executor->next; number++)
		if (executor->threads[number - executor->first])
			free_thread(executor->threads[number - executor->first]);
	free(executor->threads);
}

/* ---- results ---- */

static int fetch_result(struct dso_thread *thread)
{
	struct dso_executor *executor = thread->executor;
	void *value = malloc(thread->bytes);
	int r;

	if (!value)
		return fail(executor, -ENOMEM, "join", "no memory for the result");
	r = stored_get(executor->session, executor->prefix, "result", thread->number, value,
		       thread->bytes);
	if (r) {
		free(value);
		return r;
	}
	thread->value = value;
	return 0;
}

/* Take in @item of @bytes, which a worker wrote. Of two results of a call the first counts. */
static int take_in(struct dso_executor *executor, const uint8_t *item, size_t bytes)
{
	struct result_message message;
	struct dso_thread *thread;
	size_t inline_bytes;

	if (bytes < sizeof message)
		return 0;
	memcpy(&message, item, sizeof message);
	inline_bytes = message.is_stored ? 0 : le64_get(message.bytes);
	thread = find(executor, le64_get(message.number));
	if (!thread || thread->outcome || message.outcome == 0 || message.outcome > OUTCOME_LAST ||
	    inline_bytes != bytes - sizeof message ||
	    le64_get(message.bytes) > DSO_ARGUMENT_BYTES_MAX)
		return 0;
	if (inline_bytes) {
		thread->value = malloc(inline_bytes);
		if (!thread->value)
			return fail(executor, -ENOMEM, "join", "no memory for a result");
		memcpy(thread->value, item + sizeof message, inline_bytes);
	}
	thread->bytes = le64_get(message.bytes);
	thread->has_stored_result = message.is_stored;
	thread->error = -(int)le32_get(message.error);
	thread->outcome = message.outcome;
	change_waiting(executor, -1);
	if (thread->is_detached)
		end_thread(thread);
	return 0;
}

static int64_t time_left(int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - clock_now_ns();

	return deadline_ns == INT64_MAX ? DSO_FOREVER : left_ns > 0 ? left_ns : DSO_NOWAIT;
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

/* It is leased, so that it comes again where the session is lost on the way, and acknowledged by
 * the next call of this, which has to wait anyway. */
int executor_take_result(struct dso_executor *executor, int64_t timeout)
{
	struct dso_queue_item item = {.bytes = executor->result, .bytes_max = MESSAGE_BYTES};
	int r = broken(executor) ? -ECHILD : acknowledge(executor);

	if (r == 0)
		r = dso_queue_lease(executor->results, &item, timeout);
	if ((r == -ECANCELED || r == -ECHILD) && broken(executor))
		return fail(executor, -ECHILD, "workers cannot be started", broken(executor));
	if (r)
		return r;
	executor->has_leased = true;
	executor->leased = item.ticket;
	return take_in(executor, executor->result, item.length_bytes);
}

/* ---- the public form ---- */

static int push_call(struct dso_thread *thread, const void *argument, size_t bytes)
{
	struct dso_executor *executor = thread->executor;
	size_t name_bytes = strlen(thread->definition->name);
	bool is_stored = bytes > CALL_INLINE_BYTES_MAX;
	struct call_message message = {
		.number = le64_of(thread->number),
		.argument_bytes = le64_of(bytes),
		.attempts = le32_of(executor->attempts),
		.name_bytes = (uint8_t)name_bytes,
		.is_stored = is_stored,
	};
	size_t inline_bytes = is_stored ? 0 : bytes;
	int r = 0;

	if (is_stored)
		r = stored_put(executor->session, executor->prefix, "argument", thread->number,
			       argument, bytes);
	if (r)
		return r;
	thread->has_stored_argument = is_stored;
	memcpy(message.build, executor->build, sizeof message.build);
	memcpy(executor->call, &message, sizeof message);
	memcpy(executor->call + sizeof message, thread->definition->name, name_bytes);
	if (inline_bytes)
		memcpy(executor->call + sizeof message + name_bytes, argument, inline_bytes);
	return dso_queue_push(executor->calls, executor->call,
			      sizeof message + name_bytes + inline_bytes, DSO_FOREVER);
}

int dso_thread_create(struct dso_executor *executor, dso_function function, const void *argument,
		      size_t bytes, struct dso_thread **ret_thread)
{
	const struct dso_definition *definition = definition_of(function);
	struct dso_thread *thread;
	int r = 0;

	if (!ret_thread)
		return fail(executor, -EINVAL, "create", "there is nowhere to put the handle");
	if (!definition || strlen(definition->name) > MESSAGE_NAME_BYTES)
		return fail(executor, -EINVAL, "create",
			    definition ? "the name of the function is too long"
				       : "DSO_FUNCTION() does not define this function");
	if (bytes > DSO_ARGUMENT_BYTES_MAX)
		return fail(executor, -EMSGSIZE, "create", "the argument has more than 64 MiB");
	while (executor->waiting >= DSO_THREADS_WAITING_MAX && r == 0)
		r = executor_take_result(executor, DSO_FOREVER);
	if (r)
		return r;
	thread = calloc(1, sizeof *thread);
	if (!thread || provide_place(executor)) {
		free(thread);
		return fail(executor, -ENOMEM, "create", "out of memory");
	}
	*thread = (struct dso_thread){
		.executor = executor, .definition = definition, .number = executor->next};
	r = push_call(thread, argument, bytes);
	if (r) {
		free(thread);
		return r;
	}
	executor->threads[executor->next++ - executor->first] = thread;
	change_waiting(executor, 1);
	*ret_thread = thread;
	return 0;
}

/* The end of a thread that has its outcome: its result, or a sentence and an error. */
static int tell(struct dso_thread *thread, void **ret_result, size_t *ret_bytes)
{
	struct dso_session *session = thread->executor->session;
	unsigned long long number = thread->number;
	const char *name = thread->definition->name;

	switch (thread->outcome) {
	case OUTCOME_RETURNED:
		if (ret_result)
			*ret_result = thread->value;
		if (ret_result)
			thread->value = NULL;
		if (ret_bytes)
			*ret_bytes = thread->bytes;
		return 0;
	case OUTCOME_FAILED:
		return session_fail(session, -EREMOTEIO, "function %s (call %llu) failed: %.*s",
				    name, number, (int)thread->bytes,
				    thread->bytes ? (const char *)thread->value : "");
	case OUTCOME_DIED:
		return session_fail(session, -EOWNERDEAD,
				    "function %s (call %llu): its worker ended in the middle of it "
				    "in each of its %u attempts",
				    name, number, thread->executor->attempts);
	case OUTCOME_CANCELLED:
		return session_fail(session, -ENODATA, "function %s (call %llu) was cancelled",
				    name, number);
	case OUTCOME_OVERDUE:
		return session_fail(session, -ETIME,
				    "function %s (call %llu) ran for longer than it may", name,
				    number);
	case OUTCOME_OTHER_BUILD:
		break;
	}
	return session_fail(session, -ENOEXEC,
			    "function %s (call %llu): a worker's binary is not this program's; "
			    "deploy both from one build",
			    name, number);
}

int dso_thread_join(struct dso_thread *thread, int64_t timeout, void **ret_result,
		    size_t *ret_bytes)
{
	struct dso_executor *executor = thread->executor;
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r)
		return fail(executor, r, "join", "the timeout is negative and not DSO_FOREVER");
	while (!thread->outcome && r == 0)
		r = executor_take_result(executor, time_left(deadline_ns));
	if (r == 0 && thread->has_stored_result && !thread->value)
		r = fetch_result(thread);
	if (r)
		return r;
	r = tell(thread, ret_result, ret_bytes);
	end_thread(thread);
	return r;
}

void dso_thread_detach(struct dso_thread *thread)
{
	if (!thread)
		return;
	thread->is_detached = true;
	if (thread->outcome)
		end_thread(thread);
}
