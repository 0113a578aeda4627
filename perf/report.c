/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/rows.h"
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
static json_t *result(const struct run *run, const char *op, uint64_t sessions,
		      const struct histogram *latencies, double rate)
{
	const struct settings *settings = &run->settings;
	const struct histogram *baseline = &run->baseline.round_trips;
	json_t *object = json_object();

	json_object_set_new(object, "transport", json_string(run->transport));
	json_object_set_new(object, "op", json_string(op));
	json_object_set_new(object, "size_bytes", json_integer((json_int_t)settings->size_bytes));
	json_object_set_new(object, "depth", json_integer((json_int_t)settings->depth));
	json_object_set_new(object, "sessions", json_integer((json_int_t)sessions));
	json_object_set_new(object, "p50_ns", ns(latencies, 50));
	json_object_set_new(object, "p99_ns", ns(latencies, 99));
	json_object_set_new(object, "p999_ns", ns(latencies, 99.9));
	json_object_set_new(object, "rate_per_s", json_real(rate));
	json_object_set_new(object, "baseline_p50_ns",
			    baseline->count ? ns(baseline, 50) : json_null());
	json_object_set_new(object, "baseline_p99_ns",
			    baseline->count ? ns(baseline, 99) : json_null());
	json_object_set_new(object, "poll", json_string(poll_name(settings->poll)));
	json_object_set_new(object, "server_poll", json_string(poll_name(settings->server_poll)));
	json_object_set_new(object, "io", json_string(settings->io));
	return object;
}

static void print_json(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(object);
}

static void report_json(const struct run *run, uint64_t errors)
{
	const struct settings *settings = &run->settings;
	const char *op = settings->mode == MODE_BARRIER     ? "barrier"
			 : settings->mode == MODE_ALLREDUCE ? "allreduce"
							    : opcode_names[settings->opcode];
	json_t *object = result(run, op, settings->sessions, &run->latencies, run->rate);

	json_object_set_new(object, "words", json_integer((json_int_t)settings->words));
	json_object_set_new(object, "operations", json_integer((json_int_t)run->completed));
	json_object_set_new(object, "samples", json_integer((json_int_t)run->latencies.count));
	json_object_set_new(object, "operations_a_sample", json_integer((json_int_t)run->batch));
	if (settings->mode == MODE_ALLREDUCE)
		json_object_set_new(object, "elements",
				    json_integer((json_int_t)settings->elements));
	json_object_set_new(object, "errors", json_integer((json_int_t)errors));
	print_json(object);
}

/* perftest's columns, and the operation of the row. */
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

static void print_head(void)
{
	printf(" %-7s %-12s %-12s %-12s %-16s %-12s %-13s %-20s %-22s\n", "#bytes", "#iterations",
	       "t_min[usec]", "t_max[usec]", "t_typical[usec]", "t_avg[usec]", "t_stdev[usec]",
	       "99% percentile[usec]", "99.9% percentile[usec]");
}

static void report_barrier_text(const struct run *run, uint64_t errors)
{
	printf("# barrier of %ju sessions over %s, crossed %ju times%s\n",
	       (uintmax_t)run->settings.sessions, run->transport, (uintmax_t)run->completed,
	       errors ? ", FAILED" : ", nobody ahead of the others, one last a round");
	printf("# %.3f ms a crossing\n", 1e3 / run->rate);
	print_head();
	print_row(8, run->latencies.count, &run->latencies, "a party's wait");
}

static void report_allreduce_text(const struct run *run, uint64_t errors)
{
	printf("# allreduce of %ju doubles by %ju sessions over %s, %ju rounds%s\n",
	       (uintmax_t)run->settings.elements, (uintmax_t)run->settings.sessions, run->transport,
	       (uintmax_t)run->completed, errors ? ", FAILED" : ", sums at both ends right");
	printf("# %.3f us a round\n", 1e6 / run->rate);
	print_head();
	print_row(run->settings.elements * sizeof(double), run->latencies.count, &run->latencies,
		  "contribution to result");
}

static void report_text(const struct run *run, uint64_t errors)
{
	const struct settings *settings = &run->settings;
	bool lat = settings->mode == MODE_LAT;

	if (settings->mode == MODE_BARRIER) {
		report_barrier_text(run, errors);
		return;
	}
	if (settings->mode == MODE_ALLREDUCE) {
		report_allreduce_text(run, errors);
		return;
	}
	printf("# %s %s over %s, depth %ju, sessions %ju, words %ju, poll %s, server poll %s%s\n",
	       lat ? "lat" : "rate", opcode_names[settings->opcode], run->transport,
	       (uintmax_t)settings->depth, (uintmax_t)settings->sessions,
	       (uintmax_t)settings->words, poll_name(settings->poll),
	       poll_name(settings->server_poll), errors ? ", FAILED" : ", every result right");
	if (run->batch > 1)
		printf("# %s: each sample is the mean of %ju operations in a row\n",
		       opcode_names[settings->opcode], (uintmax_t)run->batch);
	if (!lat)
		printf("# %.6f million operations a second\n", run->rate / 1e6);
	print_head();
	print_row(settings->size_bytes, lat ? run->latencies.count : run->completed,
		  &run->latencies, opcode_names[settings->opcode]);
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

/* ---- rows ---- */

/* How many in a second. */
static double rate_of(const struct figures *figures, unsigned row)
{
	double took_ns = (double)figures->took_ns[row];

	/* Alone: one at a time. */
	return took_ns > 0 ? (double)figures->done[row] * 1e9 / took_ns
			   : 1e12 / histogram_mean(&figures->latencies[row]);
}

/* Compare by the time that it takes, or, where it is a rate, by the number in a second. */
static double times_compared(const struct figures *figures, unsigned row, unsigned with)
{
	if (figures->took_ns[row] > 0)
		return rate_of(figures, row) / rate_of(figures, with);
	return (double)histogram_percentile(&figures->latencies[row], 50) /
	       (double)histogram_percentile(&figures->latencies[with], 50);
}

static uint64_t bytes_of(const struct run *run, const struct row *row)
{
	return row->is_of_items ? run->settings.item_bytes : run->settings.size_bytes;
}

static void report_row_json(const struct run *run, const struct row *rows, unsigned row,
			    uint64_t errors)
{
	const struct figures *figures = run->figures;
	const struct histogram *latencies = &figures->latencies[row];
	uint64_t sessions = rows[row].sessions ? rows[row].sessions : run->settings.sessions;
	json_t *object = result(run, rows[row].op, sessions, latencies, rate_of(figures, row));

	json_object_set_new(object, "size_bytes",
			    json_integer((json_int_t)bytes_of(run, &rows[row])));
	json_object_set_new(object, "samples", json_integer((json_int_t)latencies->count));
	json_object_set_new(object, "compared_with", json_string(rows[rows[row].compared].op));
	json_object_set_new(object, "times_compared",
			    json_real(times_compared(figures, row, rows[row].compared)));
	json_object_set_new(object, "errors", json_integer((json_int_t)errors));
	print_json(object);
}

static void report_row_text(const struct run *run, const struct row *rows, unsigned row)
{
	const struct figures *figures = run->figures;
	const struct histogram *latencies = &figures->latencies[row];
	unsigned with = rows[row].compared;
	char of[128];
	int n = snprintf(of, sizeof of, "%s", rows[row].text);

	if (figures->took_ns[row] > 0)
		n += snprintf(of + n, sizeof of - (size_t)n, ": %.6f million a second",
			      rate_of(figures, row) / 1e6);
	if (with != row)
		snprintf(of + n, sizeof of - (size_t)n, " (%.2f x %s)",
			 times_compared(figures, row, with), rows[with].text);
	print_row(bytes_of(run, &rows[row]),
		  latencies->count ? latencies->count : figures->done[row], latencies, of);
}

void report_rows(const struct run *run, const char *mode, const struct row *rows, unsigned count,
		 const char *promise, uint64_t errors)
{
	const struct settings *settings = &run->settings;
	const struct figures *figures = run->figures;

	if (!figures)
		return;
	if (!settings->json) {
		printf("# %s over %s, sessions %ju, poll %s, server poll %s, %s\n", mode,
		       run->transport, (uintmax_t)settings->sessions, poll_name(settings->poll),
		       poll_name(settings->server_poll), errors ? "FAILED" : promise);
		print_head();
	}
	for (unsigned row = 0; row < count; row++) {
		if (figures->latencies[row].count == 0 && figures->took_ns[row] == 0)
			continue;
		if (settings->json)
			report_row_json(run, rows, row, errors);
		else
			report_row_text(run, rows, row);
	}
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
