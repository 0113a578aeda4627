/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: calls that were made, and what became of them. */
#include "lib/client/session.h"
#include "lib/core/clock.h"
#include "lib/functions/definitions.h"
#include "lib/functions/executor.h"
#include "lib/functions/stored.h"
#include "lib/objects/futex.h"

#include <stdlib.h>
#include <string.h>

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

struct dso_thread *executor_find(const struct dso_executor *executor, uint64_t number)
{
	return number >= executor->first && number < executor->next
		       ? executor->threads[number - executor->first]
		       : NULL;
}

static void free_thread(struct dso_thread *thread)
{
	free(thread->call);
	free(thread->value);
	free(thread);
}

void executor_free_thread(struct dso_thread *thread)
{
	struct dso_executor *executor = thread->executor;

	if (thread->has_stored_argument)
		stored_delete(executor->session, executor->prefix, "argument", thread->number);
	if (thread->has_stored_result && !executor->kept.map)
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

/* ---- the end ---- */

int executor_fetch(struct dso_thread *thread)
{
	struct dso_executor *executor = thread->executor;
	void *value;
	int r;

	if (thread->outcome != OUTCOME_RETURNED || !thread->has_stored_result || thread->value)
		return 0;
	value = malloc(thread->bytes);
	if (!value)
		return executor_fail(executor, -ENOMEM, "join", "no memory for the result");
	r = executor->kept.map ? kept_get(&executor->kept, thread->number, value, thread->bytes)
			       : stored_get(executor->session, executor->prefix, "result",
					    thread->number, value, thread->bytes);
	if (r) {
		free(value);
		return r;
	}
	thread->value = value;
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
	case OUTCOME_OUTPUT:
		break;
	}
	return session_fail(session, -ENOEXEC,
			    "function %s (call %llu): a worker's binary is not this program's; "
			    "deploy both from one build",
			    name, number);
}

int executor_end(struct dso_thread *thread, void **ret_result, size_t *ret_bytes)
{
	int r = tell(thread, ret_result, ret_bytes);

	executor_free_thread(thread);
	return r;
}

/* ---- the public form ---- */

/* Write the call of @thread, with @argument unless that is stored, into executor->call. Returns how
 * many bytes it has. */
static size_t write_call(const struct dso_thread *thread, const void *argument, size_t bytes)
{
	struct dso_executor *executor = thread->executor;
	size_t name_bytes = strlen(thread->definition->name);
	size_t inline_bytes = thread->has_stored_argument ? 0 : bytes;
	struct call_message message = {
		.number = le64_of(thread->number),
		.argument_bytes = le64_of(bytes),
		.limit_ns = le64_of((uint64_t)executor->limit_ns),
		.attempts = le32_of(executor->attempts),
		.name_bytes = (uint8_t)name_bytes,
		.is_stored = thread->has_stored_argument,
		.wants_output = executor->output != NULL,
	};

	memcpy(message.build, executor->build, sizeof message.build);
	memcpy(executor->call, &message, sizeof message);
	memcpy(executor->call + sizeof message, thread->definition->name, name_bytes);
	if (inline_bytes)
		memcpy(executor->call + sizeof message + name_bytes, argument, inline_bytes);
	return sizeof message + name_bytes + inline_bytes;
}

/* What is needed to make it again. */
static int keep_call(struct dso_thread *thread, size_t call_bytes)
{
	thread->call = malloc(call_bytes);
	if (!thread->call)
		return executor_fail(thread->executor, -ENOMEM, "create", "out of memory");
	memcpy(thread->call, thread->executor->call, call_bytes);
	thread->call_bytes = call_bytes;
	return 0;
}

static int push_call(struct dso_thread *thread, const void *argument, size_t bytes)
{
	struct dso_executor *executor = thread->executor;
	size_t call_bytes;
	int r = 0;

	if (bytes > CALL_INLINE_BYTES_MAX) {
		r = stored_put(executor->session, executor->prefix, "argument", thread->number,
			       argument, &(size_t){bytes});
		thread->has_stored_argument = r == 0;
	}
	if (r)
		return r;
	call_bytes = write_call(thread, argument, bytes);
	if (executor->retry.retries)
		r = keep_call(thread, call_bytes);
	return r ? r : dso_queue_push(executor->calls, executor->call, call_bytes, DSO_FOREVER);
}

static int check_call(struct dso_executor *executor, const struct dso_definition *definition,
		      size_t bytes)
{
	if (!definition || strlen(definition->name) > MESSAGE_NAME_BYTES)
		return executor_fail(executor, -EINVAL, "create",
				     definition ? "the name of the function is too long"
						: "DSO_FUNCTION() does not define this function");
	if (bytes > DSO_ARGUMENT_BYTES_MAX)
		return executor_fail(executor, -EMSGSIZE, "create",
				     "the argument has more than 64 MiB");
	return 0;
}

/* Returns 0 where a result of the call is kept, which is the thread's then; -ENOENT where none
 * is. */
static int find_kept(struct dso_thread *thread, const void *argument, size_t bytes)
{
	struct dso_executor *executor = thread->executor;
	const char *name = thread->definition->name;
	struct kept_call call;
	int r;

	if (!executor->kept.map || executor->kept.is_fresh)
		return -ENOENT;
	call = kept_call_of(name, strlen(name), argument, bytes);
	r = kept_find(&executor->kept, thread->number, &call, &thread->bytes);
	thread->has_stored_result = r == 0 && thread->bytes > 0;
	return r == -EEXIST ? executor_fail(executor, r, name,
					    "when this run was begun, this call was of another "
					    "function or had another argument; give the run "
					    "another name, or end it")
			    : r;
}

int executor_create(struct dso_executor *executor, dso_function function, const void *argument,
		    size_t bytes, struct many *many, uint64_t index, struct dso_thread **ret_thread)
{
	const struct dso_definition *definition = definition_of(function);
	struct dso_thread *thread;
	bool is_kept;
	int r = check_call(executor, definition, bytes);

	while (executor->waiting >= DSO_THREADS_WAITING_MAX && r == 0)
		r = executor_take_result(executor, DSO_FOREVER);
	if (r)
		return r;
	thread = calloc(1, sizeof *thread);
	if (!thread || provide_place(executor)) {
		free(thread);
		return executor_fail(executor, -ENOMEM, "create", "out of memory");
	}
	*thread = (struct dso_thread){.executor = executor,
				      .definition = definition,
				      .number = executor->next,
				      .many = many,
				      .index = index};
	r = find_kept(thread, argument, bytes);
	is_kept = r == 0;
	if (r == -ENOENT)
		r = push_call(thread, argument, bytes);
	if (r) {
		free_thread(thread);
		return r;
	}
	executor->threads[executor->next++ - executor->first] = thread;
	executor->counts.made++;
	executor_change_waiting(executor, 1);
	*ret_thread = thread;
	if (is_kept)
		executor_finish(thread, OUTCOME_RETURNED);
	return 0;
}

int dso_thread_create(struct dso_executor *executor, dso_function function, const void *argument,
		      size_t bytes, struct dso_thread **ret_thread)
{
	if (!ret_thread)
		return executor_fail(executor, -EINVAL, "create",
				     "there is nowhere to put the handle");
	return executor_create(executor, function, argument, bytes, NULL, 0, ret_thread);
}

int dso_thread_join(struct dso_thread *thread, int64_t timeout, void **ret_result,
		    size_t *ret_bytes)
{
	struct dso_executor *executor = thread->executor;
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r)
		return executor_fail(executor, r, "join",
				     "the timeout is negative and not DSO_FOREVER");
	while (!thread->outcome && r == 0)
		r = executor_take_result(executor, executor_time_left(deadline_ns));
	if (r == 0)
		r = executor_fetch(thread);
	return r ? r : executor_end(thread, ret_result, ret_bytes);
}

int dso_thread_cancel(struct dso_thread *thread)
{
	struct dso_executor *executor = thread->executor;
	int r;

	if (thread->outcome || thread->is_cancelled)
		return 0;
	if (thread->pause.is_on) {
		executor_finish(thread, OUTCOME_CANCELLED);
		return 0;
	}
	r = state_end_call(&executor->state, thread->number, STATE_EVERY_ROUND);
	thread->is_cancelled = r == 0;
	thread->ended_ns = clock_now_ns();
	return r;
}

void dso_thread_detach(struct dso_thread *thread)
{
	if (!thread)
		return;
	thread->is_detached = true;
	if (thread->outcome)
		executor_free_thread(thread);
}
