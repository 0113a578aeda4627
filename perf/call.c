/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/call.h"
#include "perf/clock.h"
#include "perf/hand_over.h"
#include "perf/rows.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM 20 /* calls of each way, and hand-overs, in a round */
#define COLD 4  /* processes of each kind in a round */
/* by then the process for a call that does not come has started */
#define SETTLED_NS (20 * DSO_MILLISECOND)

/* A row of the report. */
enum call_row {
	CALL_PARKED,   /* from the unlock of a mutex to the return of a parked waiter's lock */
	CALL_WARM,     /* create and join, as all have been asleep */
	CALL_IN_A_ROW, /* likewise, behind the one before */
	CALL_PROCESS,  /* fork, exec, wait: a process of this program that returns from main() */
	CALL_COLD,     /* create and join where a process is started for each call, in a row */
	CALL_ROWS
};

static const struct row rows[] = {
	[CALL_PARKED] = {"hand-over-parked", "hand-over, parked", CALL_PARKED, 2},
	[CALL_WARM] = {"call", "call, warm", CALL_PARKED, 1},
	[CALL_IN_A_ROW] = {"call-in-a-row", "call, warm, in a row", CALL_PARKED, 1},
	[CALL_PROCESS] = {"process", "fork, exec, wait", CALL_PROCESS, 1},
	[CALL_COLD] = {"call-cold", "call, cold, in a row", CALL_PROCESS, 1},
};

DSO_FUNCTION(nothing)
{
	(void)call;
	return 0;
}

static int call_once(struct worker *worker, struct dso_executor *executor,
		     struct histogram *latencies)
{
	int64_t begin_ns = clock_ns();
	struct dso_thread *thread;
	int r = dso_thread_create(executor, nothing, NULL, 0, &thread);

	if (r == 0)
		r = dso_thread_join(thread, HANG_TIMEOUT, NULL, NULL);
	if (r)
		return worker_fail(worker, r);
	if (latencies)
		histogram_add(latencies, (uint64_t)(clock_ns() - begin_ns) * 1000);
	return 0;
}

/* As the library starts a worker, which takes less than fork(). */
static int process_once(struct worker *worker, struct histogram *latencies)
{
	char nothing_mode[] = CALL_NOTHING;
	char *const arguments[] = {program_invocation_name, nothing_mode, NULL};
	int64_t begin_ns = clock_ns();
	int status = -1;
	pid_t pid;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ) ||
	    waitpid(pid, &status, 0) != pid || status)
		return worker_wrong(worker, "a process that does nothing cannot be started");
	histogram_add(latencies, (uint64_t)(clock_ns() - begin_ns) * 1000);
	return 0;
}

static int warm_round(struct hand_over *hand_over, struct worker *worker,
		      struct dso_executor *executor, struct histogram *latencies)
{
	cpu_set_t allowed;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < WARM && !stopped(); i++) {
		hand_over_pin(hand_over, &allowed);
		r = hand_over_once(hand_over, PARKED_NS, &latencies[CALL_PARKED], NULL);
		hand_over_unpin(&allowed);
		pause_for(PARKED_NS);
		if (r == 0)
			r = call_once(worker, executor, &latencies[CALL_WARM]);
	}
	for (unsigned i = 0; r == 0 && i < WARM && !stopped(); i++)
		r = call_once(worker, executor, &latencies[CALL_IN_A_ROW]);
	return r;
}

/* The first process of a round has had time to start before it. */
static int cold_round(struct worker *worker, struct dso_executor *executor,
		      struct histogram *latencies)
{
	int r = call_once(worker, executor, NULL);

	for (unsigned i = 0; r == 0 && i < COLD && !stopped(); i++)
		r = call_once(worker, executor, &latencies[CALL_COLD]);
	pause_for(SETTLED_NS);
	for (unsigned i = 0; r == 0 && i < COLD && !stopped(); i++)
		r = process_once(worker, &latencies[CALL_PROCESS]);
	return r;
}

static int rounds(struct run *run, struct hand_over *hand_over, struct worker *worker,
		  struct dso_executor *const executors[2], struct histogram *latencies)
{
	int64_t begin_ns = clock_ns();
	int r = call_once(worker, executors[0], NULL);

	while (r == 0 && !stopped() && clock_ns() - begin_ns < run->settings.duration_ns) {
		r = warm_round(hand_over, worker, executors[0], latencies);
		if (r == 0)
			r = cold_round(worker, executors[1], latencies);
		report_progress(begin_ns, run->settings.duration_ns);
	}
	return r;
}

/* Workers wait as this process does. */
static int open_executors(const struct run *run, struct worker *worker,
			  struct dso_executor *ret_executors[2])
{
	static const char *const urls[] = {"process:", "process:?cold"};
	struct dso_executor_params params = {.workers = 1};
	int r = 0;

	setenv("DSO_POLL", poll_name(run->settings.poll), 1);
	setenv("DSO_IO", run->settings.io, 1);
	for (unsigned i = 0; r == 0 && i < 2; i++)
		r = dso_executor_open(worker->session, urls[i], &params, &ret_executors[i]);
	return r ? worker_fail(worker, r) : 0;
}

static int measure(struct run *run, struct worker *worker, struct lane lanes[2],
		   struct figures *figures)
{
	struct dso_executor *executors[2] = {NULL, NULL};
	struct hand_over hand_over;
	int r = open_executors(run, worker, executors);

	if (r == 0) {
		r = hand_over_start(&hand_over, run, &lanes[0], &lanes[1]);
		if (r == 0) {
			r = rounds(run, &hand_over, worker, executors, figures->latencies);
			run->figures = figures;
			hand_over_stop(&hand_over);
		}
	}
	dso_executor_close(executors[0]);
	dso_executor_close(executors[1]);
	return r;
}

int measure_call(struct run *run, struct worker *worker)
{
	static struct figures figures;
	struct lane lanes[2] = {{.error = 0}};
	char name[80];
	int r = 0;

	snprintf(name, sizeof name, "%s.mutex", run->object);
	for (unsigned i = 0; r == 0 && i < 2; i++)
		r = lane_open(&lanes[i], run, name);
	if (r == 0)
		r = measure(run, worker, lanes, &figures);
	for (unsigned i = 0; i < 2; i++) {
		if (*lanes[i].worker.error)
			worker_wrong(worker, "%s", lanes[i].worker.error);
		lane_close(&lanes[i]);
	}
	dso_object_delete(worker->session, name);
	return r;
}

void report_call(const struct run *run, uint64_t errors)
{
	report_rows(run, "call", rows, CALL_ROWS, "every call returned", errors);
}
