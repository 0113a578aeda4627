/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/map_row.h"

#include <inttypes.h>
#include <stdio.h>

static double us(const struct histogram *histogram, double percent)
{
	return (double)histogram_percentile(histogram, percent) / 1e6;
}

/* What an entry takes, for each byte of its key and value. */
static double times_payload(const struct map_load *load, uint64_t memory_bytes)
{
	char name[WORKLOAD_KEY_BYTES];
	uint64_t payload = 0, present = load->workload.present;

	for (uint64_t key = 0; key < present; key++)
		payload += workload_key(key, name) + load->value_bytes;
	return (double)memory_bytes / (double)payload;
}

void map_row_print_json(const char *system, const struct map_load *load, uint64_t memory_bytes)
{
	printf("{\"system\":\"%s\",\"workload\":\"%c\",\"distribution\":\"%s\",\"keys\":%" PRIu64
	       ",\"value_bytes\":%zu,\"sessions\":%u,\"rate_per_s\":%.6g,\"load_per_s\":%.6g,"
	       "\"read_p50_us\":%.4g,\"read_p99_us\":%.4g,\"write_p50_us\":%.4g,"
	       "\"write_p99_us\":%.4g,\"load_pause_ms\":%.4g,\"missing\":%" PRIu64
	       ",\"memory_bytes\":%" PRIu64 ",\"times_payload\":%.4g}\n",
	       system, load->workload.letter, load->workload.is_uniform ? "uniform" : "zipfian",
	       load->workload.keys, load->value_bytes, load->threads, load->rate, load->load_rate,
	       us(&load->reads, 50), us(&load->reads, 99), us(&load->writes, 50),
	       us(&load->writes, 99), (double)load->load_pause_ns / 1e6, load->missing,
	       memory_bytes, times_payload(load, memory_bytes));
}

void map_row_print_text(const char *system, const struct map_load *load, uint64_t memory_bytes)
{
	printf("# workload %c (%s) over %s: %" PRIu64 " keys, values of %zu bytes, sessions %u\n",
	       load->workload.letter, load->workload.is_uniform ? "uniform" : "zipfian 0.99",
	       system, load->workload.keys, load->value_bytes, load->threads);
	printf("%14.0f operations a second\n", load->rate);
	printf("%14.3f us a read, %.3f us at 99%%\n", us(&load->reads, 50), us(&load->reads, 99));
	if (load->writes.count)
		printf("%14.3f us a write, %.3f us at 99%%\n", us(&load->writes, 50),
		       us(&load->writes, 99));
	printf("%14.0f entries a second loaded, the longest took %.3f ms\n", load->load_rate,
	       (double)load->load_pause_ns / 1e6);
	if (memory_bytes)
		printf("%14.2f bytes of memory for each byte of keys and values\n",
		       times_payload(load, memory_bytes));
}
