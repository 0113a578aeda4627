/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log-linear histogram in fixed memory: each power of two is divided into HISTOGRAM_STEPS equal
 * parts, so that a percentile is at most 1/HISTOGRAM_STEPS above the true value. The user chooses
 * the unit.
 */
#ifndef PERF_HISTOGRAM_H
#define PERF_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS  7
#define HISTOGRAM_STEPS      (1u << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_VALUE_BITS 52 /* larger values count as the largest */
#define HISTOGRAM_VALUE_MAX  ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)
#define HISTOGRAM_BUCKETS    ((HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS)

/* Zeroed it is empty. */
struct histogram {
	uint64_t count;
	uint64_t min, max;
	double sum, sum_of_squares;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* Add all values of @from to @histogram. */
void histogram_merge(struct histogram *histogram, const struct histogram *from);

/* The smallest value that is not exceeded by at least @percent (0 to 100) of the values. 0 when
 * empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

double histogram_mean(const struct histogram *histogram);

/* The standard deviation of the values (not of a sample of more). */
double histogram_deviation(const struct histogram *histogram);

#endif
