/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact sums of doubles and of their squares, in fixed point of arbitrary range: the small
 * superaccumulator of R. M. Neal, "Fast exact summation using small and large
 * superaccumulators", arXiv 1505.05571 (2015). A limb has 32 bits of the sum and 32 for carries,
 * so that REDUCE_VECTORS_MAX values, and more, are added without one. No floating-point
 * operation takes part, but for the last division of a mean.
 */
#ifndef LIB_CORE_REDUCE_EXACT_H
#define LIB_CORE_REDUCE_EXACT_H

#include <stdbool.h>
#include <stdint.h>

/* Values have bits from 2^-1074 to 2^1023, squares from 2^-2148 to 2^2047, and 2^32 of them 32
 * more. */
#define EXACT_LIMBS         68
#define EXACT_SQUARES_LIMBS 134

/* The exponent of the unit in which doubles are counted. */
#define EXACT_UNIT_OF_DOUBLE (-1074)

/* Limbs @from to @to - 1 are in use, the others are 0 and have any content. */
struct exact {
	unsigned from, to;
	/* The weight of bit 0 of limb 0 is a unit: 2^-1074 for doubles, 1 for int64. */
	int64_t limb[EXACT_LIMBS];
};

/* The same, in the square of that unit. No limb is negative. */
struct exact_squares {
	unsigned from, to;
	int64_t limb[EXACT_SQUARES_LIMBS];
};

void exact_begin(struct exact *sum);
void exact_squares_begin(struct exact_squares *sum);

/* A finite double. */
void exact_add(struct exact *sum, double value);
void exact_squares_add(struct exact_squares *sum, double value);
void exact_add_int64(struct exact *sum, int64_t value);
/* high * 2^64 + low */
void exact_add_halves(struct exact *sum, int64_t high, uint64_t low);
void exact_squares_add_int64(struct exact_squares *sum, int64_t value);

void exact_combine(struct exact *sum, const struct exact *other);
void exact_squares_combine(struct exact_squares *sum, const struct exact_squares *other);

/* The sum times 2^@scale, where scale is 0 or less, rounded to the nearest double, ties to even.
 * Of doubles. */
double exact_round(const struct exact *sum, int scale);
/* The sum divided by @n, rounded the same. Of int64. */
double exact_mean(const struct exact *sum, uint32_t n);
/* The variance of @n values, rounded the same. @unit: the exponent of the unit,
 * EXACT_UNIT_OF_DOUBLE or 0. */
double exact_variance(const struct exact *sum, const struct exact_squares *squares, uint32_t n,
		      int unit);

#endif
