/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is vectorised of reducing, compiled once for each kind of processor from
 * reduce_vectorised.h. All give the same bits. The caller sees to the floating-point
 * environment: rounding to nearest, denormals as they are.
 */
#ifndef LIB_CORE_REDUCE_KERNELS_H
#define LIB_CORE_REDUCE_KERNELS_H

#include "lib/core/reduce.h"

/* Most vectors that are looked at together. */
#define REDUCE_CHUNK 64

/* The same elements of several vectors: a copy that nobody else writes to. */
typedef uint64_t reduce_columns[REDUCE_CHUNK][REDUCE_LANES] __attribute__((aligned(64)));

/* reduce_range() of one operation, for 1 to REDUCE_CHUNK vectors. */
typedef void reduce_kernel(const struct reduce_vector *vectors, unsigned n_vectors, size_t first,
			   size_t count, void *out);

struct reduce_kernels {
	const char *name;
	bool (*runs_here)(void);
	/* NULL: there is none. */
	reduce_kernel *whole[REDUCE_OPERATIONS][REDUCE_ELEMENTS];
	/* Copy @n_lanes elements from @first on; the other lanes are 0. Reads each once. */
	void (*gather)(reduce_columns columns, const struct reduce_vector *vectors,
		       unsigned n_vectors, size_t first, unsigned n_lanes);
	/* The sums of doubles: exactly high + low, and high is the sum rounded. Returns the
	 * lanes, a bit each, of which that cannot be said: *high and *low are anything then. */
	unsigned (*sum_pairs)(reduce_columns columns, unsigned n_vectors, double high[REDUCE_LANES],
			      double low[REDUCE_LANES]);
};

extern const struct reduce_kernels reduce_baseline, reduce_avx2, reduce_avx512;

/* Ends with NULL; the last that runs here is the best, the first runs anywhere. */
extern const struct reduce_kernels *const reduce_kernels[];

/* The best. */
const struct reduce_kernels *reduce_kernels_here(void);

/* reduce_range() and reduce_add() by kernels that are named. */
void reduce_range_by(const struct reduce_kernels *kernels, enum reduce_operation operation,
		     enum reduce_element element, const struct reduce_vector *vectors,
		     unsigned n_vectors, size_t first, size_t count, void *out);
void reduce_add_by(const struct reduce_kernels *kernels, struct reduce_partial *partial,
		   const struct reduce_vector *vectors, unsigned n_vectors, size_t first);

/* For the kernels: the sums (means) of the lanes in @lanes of doubles, of which nothing is
 * known, to @out[lane]. */
void reduce_sum_exactly(reduce_columns columns, unsigned n_vectors, unsigned lanes, double *out);
void reduce_mean_exactly(reduce_columns columns, unsigned n_vectors, unsigned lanes, double *out);

#endif
