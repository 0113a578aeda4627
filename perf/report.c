/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/run.h"
#include "perf/clock.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static double us(double ps)
{
	return ps / 1e6;
}

static json_t *ns(const struct histogram *histogram, double percent)
{
	return json_real((double)histogram_percentile(histogram, percent) / 1000);
}

/* The keys up to "poll", and their order, are what scripts rely on. */
static void report_json(const struct run *run, uint64_t errors)
{
	const struct settings *settings = &run->settings;
	const struct histogram *latencies = &run->latencies, *baseline = &run->baseline.round_trips;
	json_t *object = json_object();

	json_object_set_new(object, "transport", json_string(run->transport));
	json_object_set_new(object, "op", json_string(settings->operation->name));
	json_object_set_new(object, "size_bytes", json_integer((json_int_t)settings->size_bytes));
	json_object_set_new(object, "depth", json_integer((json_int_t)settings->depth));
	json_object_set_new(object, "sessions", json_integer((json_int_t)settings->sessions));
	json_object_set_new(object, "p50_ns", ns(latencies, 50));
	json_object_set_new(object, "p99_ns", ns(latencies, 99));
	json_object_set_new(object, "p999_ns", ns(latencies, 99.9));
	json_object_set_new(object, "rate_per_s", json_real(run->rate));
	json_object_set_new(object, "baseline_p50_ns",
			    baseline->count ? ns(baseline, 50) : json_null());
	json_object_set_new(object, "baseline_p99_ns",
			    baseline->count ? ns(baseline, 99) : json_null());
	json_object_set_new(object, "poll", json_string(poll_name(settings->poll)));
	json_object_set_new(object, "server_poll", json_string(poll_name(settings->server_poll)));
	json_object_set_new(object, "io", json_string(settings->io));
	json_object_set_new(object, "words", json_integer((json_int_t)settings->words));
	json_object_set_new(object, "operations", json_integer((json_int_t)run->completed));
	json_object_set_new(object, "samples", json_integer((json_int_t)latencies->count));
	json_object_set_new(object, "operations_a_sample", json_integer((json_int_t)run->batch));
	json_object_set_new(object, "errors", json_integer((json_int_t)errors));
	json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(object);
}

/* perftest's columns, and what the row is of. */
static void print_row(uint64_t bytes, uint64_t iterations, const struct histogram *histogram,
		      const char *of)
{
	printf(" %-7ju %-12ju %-12.3f %-12.3f %-16.3f %-12.3f %-13.3f %-20.3f %-22.3f %s\n",
	       (uintmax_t)bytes, (uintmax_t)iterations, us((double)histogram->min),
	       us((double)histogram->max), us((double)histogram_percentile(histogram, 50)),
	       us(histogram_mean(histogram)), us(histogram_deviation(histogram)),
	       us((double)histogram_percentile(histogram, 99)),
	       us((double)histogram_percentile(histogram, 99.9)), of);
}

static void report_text(const struct run *run, uint64_t errors)
{
	const struct settings *settings = &run->settings;
	bool lat = settings->mode == MODE_LAT;

	printf("# %s %s over %s, depth %ju, sessions %ju, words %ju, poll %s, server poll %s%s\n",
	       lat ? "lat" : "rate", settings->operation->name, run->transport,
	       (uintmax_t)settings->depth, (uintmax_t)settings->sessions,
	       (uintmax_t)settings->words, poll_name(settings->poll),
	       poll_name(settings->server_poll), errors ? ", FAILED" : ", every result right");
	if (run->batch > 1)
		printf("# %s: each sample is the mean of %ju operations in a row\n",
		       settings->operation->name, (uintmax_t)run->batch);
	if (!lat)
		printf("# %.6f million operations a second\n", run->rate / 1e6);
	printf(" %-7s %-12s %-12s %-12s %-16s %-12s %-13s %-20s %-22s\n", "#bytes", "#iterations",
	       "t_min[usec]", "t_max[usec]", "t_typical[usec]", "t_avg[usec]", "t_stdev[usec]",
	       "99% percentile[usec]", "99.9% percentile[usec]");
	print_row(settings->size_bytes, lat ? run->latencies.count : run->completed,
		  &run->latencies, settings->operation->name);
	if (run->baseline.round_trips.count)
		print_row(run->baseline.message_bytes, run->baseline.round_trips.count,
			  &run->baseline.round_trips, "tcp ping-pong");
}

void report(const struct run *run, uint64_t errors)
{
	if (run->settings.json)
		report_json(run, errors);
	else
		report_text(run, errors);
}

void report_progress(int64_t begin_ns, int64_t duration_ns)
{
	static int64_t next_ns;
	int64_t now_ns = clock_ns();

	if (now_ns < next_ns || duration_ns < 2 * DSO_SECOND || !isatty(STDERR_FILENO))
		return;
	next_ns = now_ns + DSO_SECOND / 2;
	fprintf(stderr, "\r%.0f of %.0f s ", (double)(now_ns - begin_ns) / 1e9,
		(double)duration_ns / 1e9);
	if (now_ns - begin_ns + DSO_SECOND / 2 >= duration_ns)
		fprintf(stderr, "\r\033[K");
}
