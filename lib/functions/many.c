/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many calls: one loop, which makes calls as long as there may be more at a time, and hands over
 * those that are over. What calls these are, and what becomes of their results, is its caller's.
 */
#include "lib/functions/many.h"

#include "lib/client/session.h"
#include "lib/functions/executor.h"
#include "lib/objects/futex.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNKS_EACH 8 /* of a worker, where a loop's chunk is not given */

struct many {
	struct dso_executor *executor;
	/* Describe the call @index; what it points to stays until the next one is described. */
	void (*describe)(struct many *many, uint64_t index, struct dso_invocation *ret_invocation);
	/* Take the outcome of the call @index, with the @value of status 0, which is freed by this.
	 * dso_error() is that of another status. Returns 0, an error that ends all, or ENOUGH. */
	int (*take)(struct many *many, uint64_t index, int status, void *value, size_t bytes);
	void *data; /* of these two */
	struct dso_many_params params;
	struct dso_progress progress;
	uint64_t made;
	struct dso_thread **threads; /* of those that are made and not over; NULL: taken */
	struct dso_thread *over, **over_end;
};

#define ENOUGH 1 /* there need be no other outcome */

void many_note(struct many *many, struct dso_thread *thread)
{
	thread->next_over = NULL;
	*many->over_end = thread;
	many->over_end = &thread->next_over;
}

static struct dso_thread *first_over(struct many *many)
{
	struct dso_thread *thread = many->over;

	many->over = thread->next_over;
	if (!many->over)
		many->over_end = &many->over;
	return thread;
}

static int make_call(struct many *many)
{
	uint64_t index = many->made;
	struct dso_invocation call;
	int r;

	many->describe(many, index, &call);
	r = executor_create(many->executor, call.function, call.argument, call.bytes, many, index,
			    &many->threads[index]);
	if (r)
		return r;
	many->made++;
	many->progress.running++;
	return 0;
}

/* Hand over what is over. Returns 0, an error, or ENOUGH. */
static int take_over(struct many *many)
{
	int r = 0;

	while (r == 0 && many->over) {
		struct dso_thread *thread = many->over;
		uint64_t index = thread->index;
		void *value = NULL;
		size_t bytes = 0;
		int status;

		r = executor_fetch(thread);
		if (r)
			return r;
		first_over(many);
		many->threads[index] = NULL;
		status = executor_end(thread, &value, &bytes);
		many->progress.running--;
		many->progress.done++;
		many->progress.failed += status != 0;
		r = many->take(many, index, status, value, bytes);
		if (many->params.progress)
			many->params.progress(many->params.context, &many->progress);
	}
	return r;
}

/* Nobody waits for those that are left. The sentence of what has failed stays. */
static void abandon(struct many *many)
{
	struct dso_session *session = many->executor->session;
	char sentence[sizeof session->error];

	memcpy(sentence, session->error, sizeof sentence);
	for (uint64_t index = 0; index < many->made; index++) {
		struct dso_thread *thread = many->threads[index];

		if (!thread)
			continue;
		thread->many = NULL;
		dso_thread_cancel(thread);
		dso_thread_detach(thread);
	}
	memcpy(session->error, sentence, sizeof sentence);
}

static int run(struct many *many, int64_t deadline_ns)
{
	uint64_t count = many->progress.count;
	int r = 0;

	while (r == 0 && many->progress.done < count) {
		while (r == 0 && many->made < count &&
		       many->progress.running < many->params.concurrency)
			r = make_call(many);
		if (r == 0 && !many->over)
			r = executor_take_result(many->executor, executor_time_left(deadline_ns));
		if (r == 0)
			r = take_over(many);
	}
	return r;
}

static int refuse(struct dso_executor *executor, const char *why)
{
	return executor_fail(executor, -EINVAL, "many calls", why);
}

static int fill_params(struct many *many, const struct dso_many_params *params)
{
	struct dso_executor *executor = many->executor;

	if (params)
		many->params = *params;
	if (many->params.concurrency > DSO_THREADS_WAITING_MAX)
		return refuse(executor, "more than 4,096 calls at a time are asked for");
	for (size_t i = 0; i < sizeof many->params.reserved / sizeof *many->params.reserved; i++)
		if (many->params.reserved[i])
			return refuse(executor, "a reserved parameter is not zero");
	if (many->params.concurrency == 0)
		many->params.concurrency = 2 * executor->worker_count;
	return 0;
}

/* Make @count calls. Returns 0, also where it was ENOUGH; or an error, which is told. */
static int many_run(struct many *many, uint64_t count, const struct dso_many_params *params,
		    int64_t timeout)
{
	int64_t deadline_ns;
	int r = fill_params(many, params);

	if (r == 0 && futex_deadline(timeout, &deadline_ns))
		r = refuse(many->executor, "the timeout is negative and not DSO_FOREVER");
	if (r || count == 0)
		return r;
	many->over_end = &many->over;
	many->progress.count = count;
	many->threads = calloc(count, sizeof *many->threads);
	if (!many->threads)
		return executor_fail(many->executor, -ENOMEM, "many calls", "out of memory");
	r = run(many, deadline_ns);
	abandon(many);
	free(many->threads);
	return r == ENOUGH ? 0 : r;
}

/* ---- all results: map and invoke_all ---- */

struct all {
	dso_function function; /* of every call, with the items of @arguments; NULL: */
	const struct dso_invocation *invocations;
	const uint8_t *arguments;
	size_t item_bytes;
	struct dso_result *results;
};

static void describe_item(struct many *many, uint64_t index, struct dso_invocation *ret_invocation)
{
	const struct all *all = many->data;

	*ret_invocation = (struct dso_invocation){
		.function = all->function,
		.argument = all->item_bytes ? all->arguments + index * all->item_bytes : NULL,
		.bytes = all->item_bytes,
	};
}

static void describe_invocation(struct many *many, uint64_t index,
				struct dso_invocation *ret_invocation)
{
	const struct all *all = many->data;

	*ret_invocation = all->invocations[index];
}

static int keep_result(struct many *many, uint64_t index, int status, void *value, size_t bytes)
{
	const struct all *all = many->data;

	all->results[index] = (struct dso_result){
		.status = status,
		.value = value,
		.bytes = bytes,
		.sentence = status ? strdup(dso_error(many->executor->session)) : NULL,
	};
	return 0;
}

void dso_results_free(struct dso_result *results, size_t count)
{
	for (size_t i = 0; results && i < count; i++) {
		free(results[i].value);
		free(results[i].sentence);
		results[i] = (struct dso_result){.status = 0};
	}
}

/* The status of the first call that has failed, with its sentence, or 0. */
static int first_failure(const struct dso_executor *executor, const struct dso_result *results,
			 size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (results[i].status)
			return session_fail(executor->session, results[i].status, "%s",
					    results[i].sentence ? results[i].sentence
								: "out of memory");
	return 0;
}

static int run_all(struct dso_executor *executor, struct all *all, size_t count,
		   const struct dso_many_params *params, int64_t timeout)
{
	struct many many = {.executor = executor,
			    .describe = all->function ? describe_item : describe_invocation,
			    .take = keep_result,
			    .data = all};
	int r;

	if (!all->results && count)
		return refuse(executor, "there is nowhere to put the results");
	for (size_t i = 0; i < count; i++)
		all->results[i] = (struct dso_result){.status = 0};
	r = many_run(&many, count, params, timeout);
	if (r == 0)
		return first_failure(executor, all->results, count);
	dso_results_free(all->results, count);
	return r;
}

int dso_executor_map(struct dso_executor *executor, dso_function function, const void *arguments,
		     size_t item_bytes, size_t count, const struct dso_many_params *params,
		     int64_t timeout, struct dso_result *ret_results)
{
	struct all all = {.function = function,
			  .arguments = arguments,
			  .item_bytes = item_bytes,
			  .results = ret_results};

	if (!function)
		return refuse(executor, "there is no function");
	return run_all(executor, &all, count, params, timeout);
}

int dso_executor_invoke_all(struct dso_executor *executor, const struct dso_invocation *invocations,
			    size_t count, const struct dso_many_params *params, int64_t timeout,
			    struct dso_result *ret_results)
{
	struct all all = {.invocations = invocations, .results = ret_results};

	return run_all(executor, &all, count, params, timeout);
}

/* ---- the first success ---- */

struct any {
	const struct dso_invocation *invocations;
	bool has_succeeded;
	uint64_t index;
	void *value;
	size_t bytes;
};

static void describe_of_any(struct many *many, uint64_t index,
			    struct dso_invocation *ret_invocation)
{
	const struct any *any = many->data;

	*ret_invocation = any->invocations[index];
}

/* The last failure is an error when there are no more calls. */
static int take_success(struct many *many, uint64_t index, int status, void *value, size_t bytes)
{
	struct any *any = many->data;

	if (status)
		return many->progress.done == many->progress.count ? status : 0;
	any->has_succeeded = true;
	any->index = index;
	any->value = value;
	any->bytes = bytes;
	return ENOUGH;
}

int dso_executor_invoke_any(struct dso_executor *executor, const struct dso_invocation *invocations,
			    size_t count, const struct dso_many_params *params, int64_t timeout,
			    size_t *ret_index, void **ret_result, size_t *ret_bytes)
{
	struct any any = {.invocations = invocations};
	struct many many = {.executor = executor,
			    .describe = describe_of_any,
			    .take = take_success,
			    .data = &any};
	int r;

	if (count == 0)
		return refuse(executor, "there is no call of which one could succeed");
	r = many_run(&many, count, params, timeout);
	if (r)
		return r;
	if (ret_index)
		*ret_index = any.index;
	if (ret_bytes)
		*ret_bytes = any.bytes;
	if (ret_result)
		*ret_result = any.value;
	else
		free(any.value);
	return 0;
}

/* ---- a range in chunks ---- */

struct loop {
	dso_function function;
	struct dso_range range;
	uint64_t chunk;
	uint8_t *argument; /* a struct dso_range, then what is shared */
	size_t argument_bytes;
	int (*fold)(void *context, const struct dso_range *chunk, const void *result,
		    size_t result_bytes);
	void *context;
};

static struct dso_range chunk_of(const struct loop *loop, uint64_t index)
{
	uint64_t begin = loop->range.begin + index * loop->chunk, left = loop->range.end - begin;

	return (struct dso_range){begin, begin + (left < loop->chunk ? left : loop->chunk)};
}

static void describe_chunk(struct many *many, uint64_t index, struct dso_invocation *ret_invocation)
{
	const struct loop *loop = many->data;
	struct dso_range range = chunk_of(loop, index);

	memcpy(loop->argument, &range, sizeof range);
	*ret_invocation = (struct dso_invocation){
		.function = loop->function,
		.argument = loop->argument,
		.bytes = loop->argument_bytes,
	};
}

static int fold_chunk(struct many *many, uint64_t index, int status, void *value, size_t bytes)
{
	const struct loop *loop = many->data;
	struct dso_range range = chunk_of(loop, index);
	int r = status;

	if (r == 0 && loop->fold)
		r = loop->fold(loop->context, &range, value, bytes);
	if (r && status == 0)
		r = executor_fail(many->executor, r < 0 ? r : -EPROTO, "a loop",
				  "what takes its results has failed");
	free(value);
	return r;
}

static int check_range(struct dso_executor *executor, const struct dso_range *range, size_t bytes)
{
	if (!range || range->end < range->begin)
		return refuse(executor, "the range ends before it begins");
	if (bytes > DSO_ARGUMENT_BYTES_MAX - sizeof *range)
		return executor_fail(executor, -EMSGSIZE, "a loop",
				     "what is shared has more than "
				     "64 MiB");
	return 0;
}

static uint64_t default_chunk(const struct dso_executor *executor, uint64_t count)
{
	uint64_t chunks = (uint64_t)CHUNKS_EACH * executor->worker_count;

	return count / chunks + (count % chunks != 0);
}

int dso_parallel_for(struct dso_executor *executor, dso_function function,
		     const struct dso_range *range, uint64_t chunk, const void *shared,
		     size_t bytes,
		     int (*fold)(void *context, const struct dso_range *chunk, const void *result,
				 size_t result_bytes),
		     void *context, const struct dso_many_params *params, int64_t timeout)
{
	struct loop loop = {.function = function, .fold = fold, .context = context};
	struct many many = {.executor = executor,
			    .describe = describe_chunk,
			    .take = fold_chunk,
			    .data = &loop};
	int r = check_range(executor, range, bytes);
	uint64_t count;

	if (r)
		return r;
	count = range->end - range->begin;
	loop.range = *range;
	loop.chunk = chunk ? chunk : default_chunk(executor, count);
	loop.argument_bytes = sizeof *range + bytes;
	loop.argument = malloc(loop.argument_bytes);
	if (!loop.argument)
		return executor_fail(executor, -ENOMEM, "a loop", "out of memory");
	if (bytes)
		memcpy(loop.argument + sizeof *range, shared, bytes);
	if (count)
		count = (count - 1) / loop.chunk + 1;
	r = many_run(&many, count, params, timeout);
	free(loop.argument);
	return r;
}
