/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/allreduce.h"
#include "perf/barrier.h"
#include "perf/call.h"
#include "perf/queue.h"
#include "perf/error.h"
#include "perf/hostile.h"
#include "perf/lock.h"
#include "perf/entry.h"
#include "perf/map.h"
#include "perf/run.h"
#include "perf/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

atomic_bool run_stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	atomic_store_explicit(&run_stopped, true, memory_order_relaxed);
}

static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = stop};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int measure_operations(struct run *run, struct worker *worker)
{
	int r = places_fill(worker);

	if (r == 0)
		r = run->settings.mode == MODE_LAT ? measure_latency(run, worker)
						   : measure_rate(run, worker);
	return r ? r : places_check(worker, run->completed, run->additions);
}

static void report_if_any(const struct run *run, uint64_t errors)
{
	if (run->completed)
		report(run, errors);
}

static const struct {
	/* Returns 0, or a negative errno with worker->error or after telling stderr. */
	int (*measure)(struct run *run, struct worker *worker);
	void (*report)(const struct run *run, uint64_t errors);
} modes[] = {
	[MODE_LAT] = {measure_operations, report_if_any},
	[MODE_RATE] = {measure_operations, report_if_any},
	[MODE_LOCK] = {measure_lock, report_lock},
	[MODE_BARRIER] = {measure_barrier, report_if_any},
	[MODE_QUEUE] = {measure_queue, report_queue},
	[MODE_ALLREDUCE] = {measure_allreduce, report_if_any},
	[MODE_MAP] = {measure_map, report_map},
	[MODE_ENTRY] = {measure_entry, report_entry},
	[MODE_CALL] = {measure_call, report_call},
};

static int measure_and_report(struct run *run)
{
	struct worker worker = {0};
	int r = worker_open(&worker, &run->settings, run->url, run->object, run->patterns, 0);

	if (r == 0) {
		snprintf(run->transport, sizeof run->transport, "%s",
			 dso_transport(worker.session));
		r = modes[run->settings.mode].measure(run, &worker);
	}
	if (r)
		report_error("", *worker.error ? worker.error : strerror(-r));
	modes[run->settings.mode].report(run, r != 0);
	if (worker.memory)
		dso_object_delete(worker.session, run->object);
	worker_close(&worker);
	return r;
}

/* Sessions have some descriptors each; storaged inherits the limit. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int start(struct run *run)
{
	const struct settings *settings = &run->settings;
	int r;

	snprintf(run->object, sizeof run->object, "dso-perf.%d.%" PRIx64, (int)getpid(),
		 (uint64_t)clock_ns());
	run->patterns = patterns_new(settings);
	if (!run->patterns) {
		fprintf(stderr, "dso-perf: out of memory\n");
		return -ENOMEM;
	}
	/* Before any thread begins, because it forks. */
	r = baseline_start(&run->baseline, settings);
	if (r)
		return r;
	run->url = settings->url;
	if (!strcmp(settings->transport, "embedded"))
		run->url = "embedded:dso-perf";
	if (run->url)
		return 0;
	r = daemon_start(&run->daemon, settings);
	run->url = daemon_url(&run->daemon, settings);
	return r;
}

int main(int argc, char **argv)
{
	static struct run run = {.daemon.output = -1, .baseline.socket = -1};
	int r;

	dso_function_main(argc, argv);
	if (argc == 2 && !strcmp(argv[1], CALL_NOTHING))
		return EXIT_SUCCESS;
	if (argc > 1 && !strcmp(argv[1], "hostile"))
		return hostile_main(argc, argv);
	settings_parse(argc, argv, &run.settings);
	catch_signals();
	allow_descriptors();
	if (run.settings.mode == MODE_ECHO)
		return baseline_serve(&run.settings) ? EXIT_FAILURE : EXIT_SUCCESS;
	r = start(&run);
	if (r == 0)
		r = measure_and_report(&run);
	baseline_stop(&run.baseline);
	daemon_stop(&run.daemon);
	free(run.patterns);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "dso-perf: cannot write to stdout: %s\n", strerror(errno));
		r = -EIO;
	}
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
