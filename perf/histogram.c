/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/histogram.h"

#include <math.h>

/* Values below HISTOGRAM_STEPS have buckets of their own; above, the leading bits name the
 * bucket. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	return (shift + 1) * HISTOGRAM_STEPS + ((unsigned)(value >> shift) & (HISTOGRAM_STEPS - 1));
}

/* The largest value of a bucket. */
static uint64_t bucket_top(unsigned bucket)
{
	unsigned shift;

	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	shift = bucket / HISTOGRAM_STEPS - 1;
	return ((uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	if (value > HISTOGRAM_VALUE_MAX)
		value = HISTOGRAM_VALUE_MAX;
	if (histogram->count == 0 || value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->count++;
	histogram->sum += (double)value;
	histogram->sum_of_squares += (double)value * (double)value;
	histogram->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
	if (from->count == 0)
		return;
	if (histogram->count == 0 || from->min < histogram->min)
		histogram->min = from->min;
	if (from->max > histogram->max)
		histogram->max = from->max;
	histogram->count += from->count;
	histogram->sum += from->sum;
	histogram->sum_of_squares += from->sum_of_squares;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	uint64_t rank = (uint64_t)ceil((double)histogram->count * percent / 100);
	uint64_t seen = 0;

	if (rank == 0)
		return histogram->min;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen < rank)
			continue;
		/* The last one is known exactly. */
		return bucket_top(i) < histogram->max ? bucket_top(i) : histogram->max;
	}
	return histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->count ? histogram->sum / (double)histogram->count : 0;
}

double histogram_deviation(const struct histogram *histogram)
{
	double mean = histogram_mean(histogram), variance;

	if (histogram->count == 0)
		return 0;
	variance = histogram->sum_of_squares / (double)histogram->count - mean * mean;
	return variance > 0 ? sqrt(variance) : 0;
}
