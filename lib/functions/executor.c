/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/executor.h"

#include "lib/client/sentences.h"
#include "lib/client/session.h"
#include "lib/functions/definitions.h"
#include "lib/functions/worker.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define EXECUTOR_WORKERS_MAX 1024
#define ATTEMPTS_MAX         1000
#define ATTEMPTS_DEFAULT     3

static const struct workers_ops *const kinds[] = {&workers_of_processes, &workers_of_threads};

static int fail(struct dso_session *session, int error, const char *why)
{
	return session_fail(session, error, "cannot open an executor at %s: %s", session->url, why);
}

static const struct workers_ops *kind_of(const char *url)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i]->scheme, url) == 0)
			return kinds[i];
	return NULL;
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

struct executor_name executor_name_of(const struct dso_executor *executor, const char *what,
				      uint64_t number)
{
	struct executor_name name;

	if (number == UINT64_MAX)
		snprintf(name.text, sizeof name.text, "%s/%s", executor->prefix, what);
	else
		snprintf(name.text, sizeof name.text, "%s/%s/%llu", executor->prefix, what,
			 (unsigned long long)number);
	return name;
}

/* "run/RUN/EXECUTOR", where the last part is drawn: so two executors of a run are two. */
static int choose_prefix(struct dso_executor *executor, const char *run)
{
	uint32_t drawn[2];
	int length;

	if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
		return -errno;
	if (run)
		length = snprintf(executor->prefix, sizeof executor->prefix, "run/%s/%08x", run,
				  drawn[1]);
	else
		length = snprintf(executor->prefix, sizeof executor->prefix, "run/%08x/%08x",
				  drawn[0], drawn[1]);
	return length < (int)sizeof executor->prefix ? 0 : -ENAMETOOLONG;
}

static int open_queue(struct dso_executor *executor, const char *what, struct dso_queue **ret_queue)
{
	struct dso_queue_params params = {.capacity = MESSAGES_MAX, .item_bytes = MESSAGE_BYTES};
	struct executor_name name = executor_name_of(executor, what, UINT64_MAX);

	return dso_queue_open(executor->session, name.text, &params, ret_queue);
}

/* Workers are stopped: what they still put back is taken in, so that nothing that they have stored
 * stays. */
static void forget_threads(struct dso_executor *executor)
{
	while (executor->results && executor_take_result(executor, DSO_NOWAIT) == 0)
		;
	for (uint64_t number = executor->first; number < executor->next; number++)
		if (executor->threads[number - executor->first])
			executor_free_thread(executor->threads[number - executor->first]);
	free(executor->threads);
}

static void delete_queue(struct dso_executor *executor, const char *what, struct dso_queue *queue)
{
	dso_queue_close(queue);
	if (queue)
		dso_object_delete(executor->session,
				  executor_name_of(executor, what, UINT64_MAX).text);
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
	forget_threads(executor);
	delete_queue(executor, "calls", executor->calls);
	delete_queue(executor, "results", executor->results);
	free(executor);
}

static int start(struct dso_executor *executor, const struct workers_ops *kind, unsigned count)
{
	struct workers_request request = {
		.session = executor->session,
		.url = dso_url(executor->session),
		.prefix = executor->prefix,
		.count = count,
	};
	char why[SENTENCE_BYTES_MAX + 1];
	int r = kind->start(&request, &executor->workers, why);

	return r ? fail(executor->session, r, why) : 0;
}

static int check_params(struct dso_session *session, const struct dso_executor_params *params)
{
	if (params->workers > EXECUTOR_WORKERS_MAX)
		return fail(session, -EINVAL, "more than 1,024 workers are asked for");
	if (params->attempts > ATTEMPTS_MAX)
		return fail(session, -EINVAL, "more than 1,000 attempts are asked for");
	for (size_t i = 0; i < sizeof params->reserved / sizeof *params->reserved; i++)
		if (params->reserved[i])
			return fail(session, -EINVAL, "a reserved parameter is not zero");
	return 0;
}

int dso_executor_open(struct dso_session *session, const char *url,
		      const struct dso_executor_params *params, struct dso_executor **ret_executor)
{
	static const struct dso_executor_params defaults;
	const char *wanted = url ? url : environment("DSO_EXECUTOR", "process:");
	const struct workers_ops *kind = kind_of(wanted);
	struct dso_executor *executor;
	int r;

	if (!ret_executor)
		return fail(session, -EINVAL, "there is nowhere to put the handle");
	if (!kind)
		return session_fail(session, -EINVAL,
				    "cannot open an executor %s: \"process:\" and \"thread:\" are "
				    "known",
				    wanted);
	params = params ? params : &defaults;
	r = check_params(session, params);
	if (r)
		return r;
	executor = calloc(1, sizeof *executor);
	if (!executor)
		return fail(session, -ENOMEM, "out of memory");
	executor->session = session;
	executor->attempts = params->attempts ? (uint32_t)params->attempts : ATTEMPTS_DEFAULT;
	r = build_of_this(executor->build);
	if (r == 0)
		r = choose_prefix(executor,
				  params->run ? params->run : environment("DSO_RUN", NULL));
	if (r)
		fail(session, r,
		     r == -ENAMETOOLONG ? "the name of the run is too long" : error_sentence(r));
	if (r == 0)
		r = open_queue(executor, "calls", &executor->calls);
	if (r == 0)
		r = open_queue(executor, "results", &executor->results);
	if (r == 0)
		r = start(executor, kind,
			  params->workers ? (unsigned)params->workers : processors());
	if (r) {
		/* Closing must not take the place of the sentence. */
		char why[sizeof session->error];

		snprintf(why, sizeof why, "%s", dso_error(session));
		dso_executor_close(executor);
		return session_fail(session, r, "%s", why);
	}
	*ret_executor = executor;
	return 0;
}
