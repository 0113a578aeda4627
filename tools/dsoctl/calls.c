/* SPDX-License-Identifier: Apache-2.0 */
/* Executors and their calls: ps, kill, logs. */
#include "tools/dsoctl/age.h"
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* A worker tells of its call ten times a second. */
#define SILENCE_NS (5 * DSO_SECOND)

#define AGE_BYTES 16

static const char *age(int64_t ns, char text[static AGE_BYTES])
{
	age_write(text, AGE_BYTES, ns / DSO_SECOND);
	return text;
}

/* ---- ps ---- */

struct view {
	struct dsoctl *ctl;
	const struct dso_executor_stat *executor;
	json_t *calls; /* of it, as JSON; NULL: as text */
	bool any;      /* executors, so far */
	int error;
};

static int add_call(const struct dso_call_stat *call, void *context)
{
	struct view *view = context;

	json_array_append_new(view->calls,
			      json_pack("{s:I, s:o, s:i, s:o, s:i, s:I, s:I}", "number",
					(json_int_t)call->number, "function",
					json_text(call->function), "attempt", (int)call->attempt,
					"host", json_text(call->worker_host), "pid",
					(int)call->worker_pid, "age_ns", (json_int_t)call->age,
					"silence_ns", (json_int_t)call->silence));
	return 0;
}

static int print_call(const struct dso_call_stat *call, void *context)
{
	const struct view *view = context;
	char function[PRINTABLE_BYTES], host[PRINTABLE_BYTES], runs[AGE_BYTES], silent[AGE_BYTES];

	printf("  %s/%" PRIu64 "  %s, attempt %u, for %s by pid %u on %s", view->executor->name,
	       call->number, printable(call->function, function), call->attempt,
	       age(call->age, runs), call->worker_pid, printable(call->worker_host, host));
	if (call->silence > SILENCE_NS)
		printf(", silent for %s", age(call->silence, silent));
	putchar('\n');
	return 0;
}

static json_t *executor_as_json(const struct dso_executor_stat *stat, json_t *calls)
{
	return json_pack("{s:o, s:o, s:o, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
			 "name", json_text(stat->name), "kind", json_text(stat->kind),
			 "driver_host", json_text(stat->driver_host), "driver_pid",
			 (int)stat->driver_pid, "workers", (int)stat->workers, "age_ns",
			 (json_int_t)stat->age, "queued", (json_int_t)stat->queued, "running",
			 (json_int_t)stat->running, "done", (json_int_t)stat->done, "failed",
			 (json_int_t)stat->failed, "cancelled", (json_int_t)stat->cancelled,
			 "retried", (json_int_t)stat->retried, "calls", calls);
}

static void print_executor(const struct dso_executor_stat *stat)
{
	char name[PRINTABLE_BYTES], kind[PRINTABLE_BYTES], host[PRINTABLE_BYTES], runs[AGE_BYTES];

	printf("%-10s %7u %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %9" PRIu64
	       " %7" PRIu64 " %7s  %s, driver pid %u on %s\n",
	       printable(stat->kind, kind), stat->workers, stat->queued, stat->running, stat->done,
	       stat->failed, stat->cancelled, stat->retried, age(stat->age, runs),
	       printable(stat->name, name), stat->driver_pid, printable(stat->driver_host, host));
}

/* An executor that was closed meanwhile has no calls. */
static int list_calls(struct view *view)
{
	int r = dso_calls(view->ctl->session, view->executor->name,
			  view->calls ? add_call : print_call, view);

	return r == -ENOENT ? 0 : r;
}

static int list_executor(const struct dso_executor_stat *stat, void *context)
{
	struct view *view = context;
	int r;

	if (!has_prefix(view->ctl, stat->name))
		return 0;
	view->executor = stat;
	if (view->ctl->json) {
		view->calls = json_array();
		r = list_calls(view);
		print_json(executor_as_json(stat, view->calls));
		return r;
	}
	if (!view->any)
		printf("%-10s %7s %7s %7s %7s %7s %9s %7s %7s  %s\n", "KIND", "WORKERS", "QUEUED",
		       "RUNNING", "DONE", "FAILED", "CANCELLED", "RETRIED", "AGE", "EXECUTOR");
	view->any = true;
	print_executor(stat);
	return list_calls(view);
}

enum exit_status run_ps(struct dsoctl *ctl)
{
	struct view view = {.ctl = ctl};
	int r = dso_executors(ctl->session, list_executor, &view);

	return r ? fail(ctl, r) : STATUS_DONE;
}

/* ---- one call ---- */

/* The operand, whose slash before the number becomes a zero. */
static enum exit_status read_call(struct dsoctl *ctl, uint64_t *ret_number)
{
	char *call = ctl->operands[0], *slash = strrchr(call, '/');

	if (!slash || parse_number(slash + 1, 0, INT64_MAX, ret_number))
		return wrong_usage(ctl, "%s is no call, as ps shows them: run/RUN/EXECUTOR/NUMBER",
				   call);
	*slash = 0;
	return STATUS_DONE;
}

/* The library's sentence alone: dsoctl ls, which fail() would advise, lists no executors. */
static enum exit_status fail_call(const struct dsoctl *ctl, int error)
{
	return error == -ENOENT ? fail_because("%s", dso_error(ctl->session)) : fail(ctl, error);
}

enum exit_status run_kill(struct dsoctl *ctl)
{
	uint64_t number;
	enum exit_status status = read_call(ctl, &number);
	int r;

	if (status != STATUS_DONE)
		return status;
	r = dso_call_end(ctl->session, ctl->operands[0], number);
	if (r)
		return fail_call(ctl, r);
	return print_done(ctl, json_pack("{s:o, s:I}", "executor", json_text(ctl->operands[0]),
					 "number", (json_int_t)number));
}

/* To the stream that it was written to. */
static int print_line(const struct dso_output_line *line, void *context)
{
	const struct dsoctl *ctl = context;
	FILE *stream = line->stream == STDERR_FILENO ? stderr : stdout;

	if (ctl->json) {
		print_json(json_pack("{s:i, s:o, s:I}", "stream", line->stream, "text",
				     json_text(line->text), "dropped", (json_int_t)line->dropped));
		return 0;
	}
	if (line->dropped)
		fprintf(stream, "(%" PRIu64 " lines before this were dropped)\n", line->dropped);
	if (line->bytes || !line->dropped) {
		fwrite(line->text, 1, line->bytes, stream);
		putc('\n', stream);
	}
	return 0;
}

enum exit_status run_logs(struct dsoctl *ctl)
{
	uint64_t number;
	enum exit_status status = read_call(ctl, &number);
	int r;

	if (status != STATUS_DONE)
		return status;
	r = dso_call_output(ctl->session, ctl->operands[0], number, print_line, ctl);
	return r ? fail_call(ctl, r) : STATUS_DONE;
}
