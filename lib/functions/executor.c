/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/executor.h"

#include "lib/client/sentences.h"
#include "lib/client/session.h"
#include "lib/functions/definitions.h"
#include "lib/functions/lines.h"
#include "lib/functions/worker.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define EXECUTOR_WORKERS_MAX 1024
#define ATTEMPTS_MAX         1000
#define ATTEMPTS_DEFAULT     3

static const struct workers_ops *const kinds[] = {
	&workers_of_processes, &workers_of_threads,    &workers_of_http,  &workers_of_https,
	&workers_of_lambda,    &workers_of_kubernetes, &workers_of_podman};
#define KINDS (sizeof kinds / sizeof *kinds)

static int fail(struct dso_session *session, int error, const char *why)
{
	return session_fail(session, error, "cannot open an executor at %s: %s", session->url, why);
}

static const struct workers_ops *kind_of(const char *url)
{
	for (size_t i = 0; i < KINDS; i++) {
		size_t length = strlen(kinds[i]->scheme);

		if (strncmp(kinds[i]->scheme, url, length) == 0 &&
		    (!url[length] || kinds[i]->has_more))
			return kinds[i];
	}
	return NULL;
}

static int fail_unknown(struct dso_session *session, const char *url)
{
	char known[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < KINDS; i++)
		used += (size_t)snprintf(known + used, sizeof known - used, "%s \"%s\"",
					 i ? "," : "", kinds[i]->scheme);
	return session_fail(session, -EINVAL, "cannot open an executor %s: it is one of%s", url,
			    known);
}

static const char *environment(const char *variable, const char *otherwise)
{
	const char *text = getenv(variable);

	return text && *text ? text : otherwise;
}

static unsigned processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

/* "run/RUN/NUMBER.DRAWN" in a run, so that no worker of a driver that is gone serves this one; or
 * else "run/DRAWN/DRAWN". Leaves a sentence. */
static int choose_prefix(struct dso_executor *executor, const char *given)
{
	struct run_name run;
	unsigned number;
	uint32_t drawn[2];
	int r = run_name_of(given, &run);

	if (r == -ENAMETOOLONG)
		return fail(executor->session, r, "the name of the run is too long");
	if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
		return fail(executor->session, -errno, "there are no random numbers");
	if (r == -ENOENT) {
		snprintf(executor->prefix, sizeof executor->prefix, "run/%08x/%08x", drawn[0],
			 drawn[1]);
		return 0;
	}
	r = run_enter(executor->session, run.text, &executor->run, &number);
	if (r == 0)
		snprintf(executor->prefix, sizeof executor->prefix, "run/%s/%u.%08x", run.text,
			 number, drawn[1]);
	return r;
}

static int open_queue(struct dso_executor *executor, const char *what, struct dso_queue **ret_queue)
{
	struct dso_queue_params params = {
		.capacity = MESSAGES_MAX, .item_bytes = MESSAGE_BYTES, .ephemeral = DSO_EPHEMERAL};

	return dso_queue_open(executor->session, name_of(executor->prefix, what).text, &params,
			      ret_queue);
}

/* Everything that begins with the prefix goes at once: queues, state, what was stored. */
static void delete_objects(struct dso_executor *executor)
{
	struct object_name name = name_of(executor->prefix, "");

	dso_queue_close(executor->calls);
	dso_queue_close(executor->results);
	state_close(&executor->state);
	dso_memory_close(executor->lines);
	kept_close(&executor->kept);
	if (executor->prefix[0])
		dso_delete_prefix(executor->session, name.text, NULL);
}

void dso_executor_close(struct dso_executor *executor)
{
	if (!executor)
		return;
	if (executor->workers) {
		const struct workers_ops *ops = ((struct workers_base *)executor->workers)->ops;

		dso_queue_shutdown(executor->calls);
		ops->stop(executor->workers);
		executor->workers = NULL;
	}
	delete_objects(executor);
	run_leave(executor->run, false);
	executor_forget_threads(executor);
	free(executor);
}

static int start(struct dso_executor *executor, const struct workers_ops *kind, const char *url,
		 unsigned count)
{
	struct workers_request request = {
		.session = executor->session,
		.url = dso_url(executor->session),
		.prefix = executor->prefix,
		.build = executor->build,
		.count = count,
		.more = url + strlen(kind->scheme),
	};
	char why[SENTENCE_BYTES_MAX + 1];
	int r = kind->start(&request, &executor->workers, why);

	return r ? fail(executor->session, r, why) : 0;
}

static int check_params(struct dso_session *session, const struct dso_executor_params *params)
{
	const char *why;

	if (params->workers > EXECUTOR_WORKERS_MAX)
		return fail(session, -EINVAL, "more than 1,024 workers are asked for");
	if (params->attempts > ATTEMPTS_MAX)
		return fail(session, -EINVAL, "more than 1,000 attempts are asked for");
	if (params->ephemeral > DSO_EPHEMERAL)
		return fail(session, -EINVAL, "ephemeral is neither 0 nor DSO_EPHEMERAL");
	for (size_t i = 0; i < sizeof params->reserved / sizeof *params->reserved; i++)
		if (params->reserved[i])
			return fail(session, -EINVAL, "a reserved parameter is not zero");
	if (params->limit < 0)
		return fail(session, -EINVAL, "the limit of time is negative");
	why = params->retry ? retries_check(params->retry) : NULL;
	return why ? fail(session, -EINVAL, why) : 0;
}

int dso_executor_open(struct dso_session *session, const char *url,
		      const struct dso_executor_params *params, struct dso_executor **ret_executor)
{
	static const struct dso_executor_params defaults;
	const char *wanted = url ? url : environment("DSO_EXECUTOR", "process:");
	const struct workers_ops *kind = kind_of(wanted);
	struct dso_executor *executor;
	unsigned workers;
	int r;

	if (!ret_executor)
		return fail(session, -EINVAL, "there is nowhere to put the handle");
	if (!kind)
		return fail_unknown(session, wanted);
	params = params ? params : &defaults;
	r = check_params(session, params);
	if (r)
		return r;
	workers = params->workers ? (unsigned)params->workers : processors();
	executor = calloc(1, sizeof *executor);
	if (!executor)
		return fail(session, -ENOMEM, "out of memory");
	executor->session = session;
	executor->attempts = params->attempts ? (uint32_t)params->attempts : ATTEMPTS_DEFAULT;
	executor->worker_count = workers;
	executor->limit_ns = params->limit;
	executor->output = params->output;
	executor->output_context = params->output_context;
	if (params->retry)
		executor->retry = *params->retry;
	r = build_of_this(executor->build);
	if (r)
		fail(session, r, error_sentence(r));
	if (r == 0)
		r = choose_prefix(executor, params->run);
	if (r == 0)
		r = kept_create(session, executor->prefix, (uint32_t)params->ephemeral,
				&executor->kept);
	if (r == 0)
		r = open_queue(executor, "calls", &executor->calls);
	if (r == 0)
		r = open_queue(executor, "results", &executor->results);
	if (r == 0)
		r = state_create(session, executor->prefix, kind->scheme, workers,
				 &executor->state);
	if (r == 0 && params->output && kind != &workers_of_threads)
		r = lines_create(session, executor->prefix, &executor->lines);
	if (r == 0)
		r = start(executor, kind, wanted, workers);
	if (r) {
		/* Closing must not take the place of the sentence. */
		char why[sizeof session->error];

		snprintf(why, sizeof why, "%s", dso_error(session));
		run_leave(executor->run, true);
		executor->run = NULL;
		dso_executor_close(executor);
		return session_fail(session, r, "%s", why);
	}
	*ret_executor = executor;
	return 0;
}
