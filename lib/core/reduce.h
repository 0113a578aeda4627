/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several vectors of int64 or double are reduced to one, element by element.
 *
 * The result depends on the values and the ids alone: neither on the order of the vectors, nor
 * on how they were grouped into partial results, nor on the processor, nor on the rounding mode,
 * the treatment of denormals or the exception masks of the calling thread, which are as they
 * were when a call returns.
 *
 *   operation       of doubles                              of int64
 *   sum             double: the exact sum, rounded once     int64: modulo 2^64
 *   mean            double: the exact sum, rounded once,    double: the exact mean, rounded
 *                   divided by their number, rounded        once
 *   variance        double: the exact one, rounded once     double: the same
 *   min, max        double                                  int64
 *   argmin, argmax  uint64: the lowest id of the vectors    the same
 *                   that have the minimum or maximum
 *   count           int64: the number of vectors            the same
 *
 * The variance is that of a population: the mean of the squares of the distances from the mean.
 * Rounded: to the nearest double, ties to even; a sum of 2^1024 - 2^970 or more is infinity.
 * What is on the way does not overflow: the sum of 1e308, 1e308 and -1e308 is 1e308, and the
 * mean of finite values is finite.
 * NaN and infinities: a NaN among the values makes sum, mean, variance, min and max NaN;
 * infinities of both signs make sum and mean NaN, those of one sign that infinity; the variance
 * is NaN with any infinity. argmin and argmax give the lowest id whose value is NaN, if there is
 * any. Every NaN that comes out is 0x7ff8000000000000.
 * Zeros: a sum, mean or variance of zero is +0. For min, max, argmin and argmax, -0 is less than
 * +0.
 * Of no vectors: sum and count are 0; min, max, mean and variance of doubles NaN, and so are
 * mean and variance of int64; min and max of int64 are INT64_MAX and INT64_MIN; argmin and
 * argmax UINT64_MAX.
 *
 * Vectors may lie where somebody else writes: each element is read once.
 */
#ifndef LIB_CORE_REDUCE_H
#define LIB_CORE_REDUCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most vectors in one result. */
#define REDUCE_VECTORS_MAX (1u << 20)

enum reduce_operation {
	REDUCE_SUM,
	REDUCE_MIN,
	REDUCE_MAX,
	REDUCE_MEAN,
	REDUCE_VARIANCE,
	REDUCE_COUNT,
	REDUCE_ARGMIN,
	REDUCE_ARGMAX,
	REDUCE_OPERATIONS
};

enum reduce_element { REDUCE_INT64, REDUCE_DOUBLE, REDUCE_ELEMENTS };

struct reduce_vector {
	/* Of int64_t or double, aligned to 8 bytes. */
	const void *values;
	/* Looked at by argmin and argmax. */
	uint64_t id;
};

/*
 * Reduce elements @first to @first + @count - 1 of the vectors to @out[0 .. @count - 1], 8 bytes
 * each. @out overlaps no vector. Takes 40 KiB of stack. How long it takes: about what reading
 * @count * @n_vectors elements takes, see docs/measurements.md; a caller in a loop that others
 * wait for calls it with a part at a time.
 */
void reduce_range(enum reduce_operation operation, enum reduce_element element,
		  const struct reduce_vector *vectors, unsigned n_vectors, size_t first,
		  size_t count, void *out);

/* Whether the results are doubles, or else int64 (argmin and argmax: uint64). */
bool reduce_gives_double(enum reduce_operation operation, enum reduce_element element);

/*
 * The same in parts. A partial result has up to REDUCE_LANES elements of some vectors, and parts
 * that have different vectors can be combined. What comes out is what reduce_range() gives of
 * all the vectors together.
 */
#define REDUCE_LANES 16

struct reduce_partial;

/* For any operation; the caller may put it anywhere that is aligned to 64 bytes. */
size_t reduce_partial_bytes(void);
void reduce_begin(struct reduce_partial *partial, enum reduce_operation operation,
		  enum reduce_element element, unsigned n_lanes);
/* Elements @first to @first + n_lanes - 1 of each vector. */
void reduce_add(struct reduce_partial *partial, const struct reduce_vector *vectors,
		unsigned n_vectors, size_t first);
/* @other, of the same operation, element and n_lanes, is as it was. */
void reduce_combine(struct reduce_partial *partial, const struct reduce_partial *other);
/* n_lanes elements of 8 bytes. The partial is as it was: more can be added. */
void reduce_finish(const struct reduce_partial *partial, void *out);

#endif
