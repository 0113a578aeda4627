/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/reduce_exact.h"

#include <assert.h>
#include <string.h>

#define LIMB_BITS     32
#define LIMB_MASK     UINT32_C(0xffffffff)
#define MANTISSA_BITS 52
#define EXPONENT_MASK 0x7ff
#define INFINITY_BITS (UINT64_C(0x7ff) << MANTISSA_BITS)
/* Limbs of a dividend whose quotient has enough bits to be rounded: 128 bits above, 40 of the
 * divisor. */
#define DIVIDEND_LIMBS 5
#define NATURAL_LIMBS  (EXACT_SQUARES_LIMBS + 4)

__extension__ typedef unsigned __int128 u128;

/* A magnitude: limbs of 32 bits, those from n on are 0. */
struct natural {
	unsigned n;
	uint32_t limb[NATURAL_LIMBS];
};

/* value = mantissa * 2^(shift - 1074) */
static uint64_t take_apart(double value, unsigned *shift)
{
	uint64_t bits, exponent, fraction;

	memcpy(&bits, &value, sizeof(bits));
	exponent = bits >> MANTISSA_BITS & EXPONENT_MASK;
	fraction = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
	*shift = exponent ? (unsigned)exponent - 1 : 0;
	return exponent ? fraction | UINT64_C(1) << MANTISSA_BITS : fraction;
}

static bool is_negative(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits >> 63;
}

/* Have limbs @from to @to - 1 in use. */
static void use_limbs(int64_t *limb, unsigned *in_use, unsigned *end, unsigned from, unsigned to)
{
	if (*in_use == *end)
		*in_use = *end = from;
	for (; *in_use > from; --*in_use)
		limb[*in_use - 1] = 0;
	for (; *end < to; ++*end)
		limb[*end] = 0;
}

/* Add @value * 2^@shift, or subtract it. */
static void add_shifted(int64_t *limb, uint64_t value, unsigned shift, bool negative)
{
	u128 moved = (u128)value << shift % LIMB_BITS;
	int64_t sign = negative ? -1 : 1;

	limb += shift / LIMB_BITS;
	limb[0] += sign * (int64_t)((uint64_t)moved & LIMB_MASK);
	limb[1] += sign * (int64_t)((uint64_t)(moved >> LIMB_BITS) & LIMB_MASK);
	limb[2] += sign * (int64_t)(moved >> 2 * LIMB_BITS);
}

static void add_value(struct exact *sum, uint64_t magnitude, unsigned shift, bool negative)
{
	unsigned at = shift / LIMB_BITS;

	if (at < sum->from || at + 3 > sum->to)
		use_limbs(sum->limb, &sum->from, &sum->to, at, at + 3);
	add_shifted(sum->limb, magnitude, shift, negative);
}

static void add_square(struct exact_squares *sum, uint64_t magnitude, unsigned shift)
{
	u128 square = (u128)magnitude * magnitude;
	unsigned at = 2 * shift / LIMB_BITS;

	if (at < sum->from || at + 5 > sum->to)
		use_limbs(sum->limb, &sum->from, &sum->to, at, at + 5);
	add_shifted(sum->limb, (uint64_t)square, 2 * shift, false);
	add_shifted(sum->limb, (uint64_t)(square >> 64), 2 * shift + 64, false);
}

void exact_begin(struct exact *sum)
{
	sum->from = sum->to = 0;
}

void exact_squares_begin(struct exact_squares *sum)
{
	sum->from = sum->to = 0;
}

void exact_add(struct exact *sum, double value)
{
	unsigned shift;
	uint64_t mantissa = take_apart(value, &shift);

	add_value(sum, mantissa, shift, is_negative(value));
}

void exact_squares_add(struct exact_squares *sum, double value)
{
	unsigned shift;
	uint64_t mantissa = take_apart(value, &shift);

	add_square(sum, mantissa, shift);
}

static uint64_t magnitude_of(int64_t value)
{
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

void exact_add_int64(struct exact *sum, int64_t value)
{
	add_value(sum, magnitude_of(value), 0, value < 0);
}

void exact_add_halves(struct exact *sum, int64_t high, uint64_t low)
{
	add_value(sum, magnitude_of(high), 64, high < 0);
	add_value(sum, low, 0, false);
}

void exact_squares_add_int64(struct exact_squares *sum, int64_t value)
{
	add_square(sum, magnitude_of(value), 0);
}

void exact_combine(struct exact *sum, const struct exact *other)
{
	if (other->from < other->to)
		use_limbs(sum->limb, &sum->from, &sum->to, other->from, other->to);
	for (unsigned i = other->from; i < other->to; i++)
		sum->limb[i] += other->limb[i];
}

void exact_squares_combine(struct exact_squares *sum, const struct exact_squares *other)
{
	if (other->from < other->to)
		use_limbs(sum->limb, &sum->from, &sum->to, other->from, other->to);
	for (unsigned i = other->from; i < other->to; i++)
		sum->limb[i] += other->limb[i];
}

static void trim(struct natural *number)
{
	while (number->n > 0 && number->limb[number->n - 1] == 0)
		number->n--;
}

/* Carry through @sign times the limbs. Returns what is left above them: negative if the whole
 * is. */
static int64_t carry_through(struct natural *number, const int64_t *limb, unsigned from,
			     unsigned to, int sign)
{
	int64_t carry = 0;

	memset(number->limb, 0, from * sizeof(number->limb[0]));
	for (unsigned i = from; i < to; i++) {
		int64_t whole = sign * limb[i] + carry;

		number->limb[i] = (uint32_t)((uint64_t)whole & LIMB_MASK);
		/* Rounds down, as a shift of the two's complement does. */
		carry = whole >> LIMB_BITS;
	}
	number->n = to;
	return carry;
}

/* The magnitude of a sum. Returns whether the sum is negative. */
static bool normalise(struct natural *number, const int64_t *limb, unsigned from, unsigned to)
{
	int64_t carry = carry_through(number, limb, from, to, 1);
	bool negative = carry < 0;

	if (negative)
		carry = carry_through(number, limb, from, to, -1);
	number->limb[number->n++] = (uint32_t)((uint64_t)carry & LIMB_MASK);
	number->limb[number->n++] = (uint32_t)((uint64_t)carry >> LIMB_BITS);
	trim(number);
	return negative;
}

static int top_bit(const struct natural *number)
{
	return (int)number->n * LIMB_BITS - 1 - __builtin_clz(number->limb[number->n - 1]);
}

/* Whether any bit below @bit is set. */
static bool has_below(const struct natural *number, int bit)
{
	for (int i = 0; i < bit / LIMB_BITS; i++) {
		if (number->limb[i])
			return true;
	}
	return number->limb[bit / LIMB_BITS] & ((UINT32_C(1) << bit % LIMB_BITS) - 1);
}

/* Bits @bit to @bit + 53, those below 0 and from the end on are 0. */
static uint64_t bits_from(const struct natural *number, int bit)
{
	u128 bits = 0;
	int first = bit < 0 ? 0 : bit / LIMB_BITS;

	for (int i = first + 3; i >= first; i--)
		bits = bits << LIMB_BITS | ((unsigned)i < number->n ? number->limb[i] : 0);
	return (uint64_t)(bit < 0 ? bits << -bit : bits >> (bit - first * LIMB_BITS)) &
	       ((UINT64_C(1) << (MANTISSA_BITS + 2)) - 1);
}

/* @number * 2^@exponent, and a little more if @more, to the nearest double, ties to even. */
static double round_natural(const struct natural *number, int exponent, bool more, bool negative)
{
	uint64_t bits, half;
	int last;
	double value;

	if (number->n == 0)
		return 0;
	if (exponent + top_bit(number) > 1023) {
		bits = INFINITY_BITS;
	} else {
		/* The exponent of the last bit that the double has. */
		last = exponent + top_bit(number) - MANTISSA_BITS;
		if (last < EXACT_UNIT_OF_DOUBLE)
			last = EXACT_UNIT_OF_DOUBLE;
		/* One bit more: it says whether the rest is a half or more. */
		bits = bits_from(number, last - exponent - 1);
		half = bits & 1;
		bits >>= 1;
		if (half && (bits & 1 || more || has_below(number, last - exponent - 1)))
			bits++;
		/* The leading bit of the mantissa counts the exponent up by one. */
		bits += (uint64_t)(last - EXACT_UNIT_OF_DOUBLE) << MANTISSA_BITS;
	}
	bits |= (uint64_t)negative << 63;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* @number / @divisor * 2^@exponent, rounded. @divisor: below 2^41. */
static double round_quotient(const struct natural *number, uint64_t divisor, int exponent,
			     bool negative)
{
	struct natural quotient = {.n = DIVIDEND_LIMBS};
	int lowest = (int)number->n - DIVIDEND_LIMBS;
	uint64_t rest = 0;

	for (int i = DIVIDEND_LIMBS - 1; i >= 0; i--) {
		uint32_t limb = lowest + i >= 0 ? number->limb[lowest + i] : 0;
		u128 part = (u128)rest << LIMB_BITS | limb;

		quotient.limb[i] = (uint32_t)(part / divisor);
		rest = (uint64_t)(part % divisor);
	}
	trim(&quotient);
	return round_natural(&quotient, exponent + lowest * LIMB_BITS,
			     rest || (lowest > 0 && has_below(number, lowest * LIMB_BITS)),
			     negative);
}

double exact_round(const struct exact *sum, int scale)
{
	struct natural number;
	bool negative = normalise(&number, sum->limb, sum->from, sum->to);

	return round_natural(&number, scale + EXACT_UNIT_OF_DOUBLE, false, negative);
}

double exact_mean(const struct exact *sum, uint32_t n)
{
	struct natural number;
	bool negative = normalise(&number, sum->limb, sum->from, sum->to);

	return round_quotient(&number, n, 0, negative);
}

static void multiply_by(struct natural *number, uint32_t factor)
{
	uint64_t carry = 0;

	for (unsigned i = 0; i < number->n; i++) {
		carry += (uint64_t)number->limb[i] * factor;
		number->limb[i] = (uint32_t)carry;
		carry >>= LIMB_BITS;
	}
	number->limb[number->n++] = (uint32_t)carry;
	trim(number);
}

/* @number -= @factor * @other * 2^(32 @at). It is not negative in the end, and may be on the
 * way. */
static void subtract_multiple(struct natural *number, const struct natural *other, uint32_t factor,
			      unsigned at)
{
	uint64_t product = 0;
	int64_t rest = 0;

	for (unsigned i = 0; i + at < number->n; i++) {
		product += i < other->n ? (uint64_t)other->limb[i] * factor : 0;
		rest += (int64_t)number->limb[i + at] - (int64_t)(product & LIMB_MASK);
		number->limb[i + at] = (uint32_t)((uint64_t)rest & LIMB_MASK);
		product >>= LIMB_BITS;
		rest >>= LIMB_BITS;
	}
}

double exact_variance(const struct exact *sum, const struct exact_squares *squares, uint32_t n,
		      int unit)
{
	struct natural total, number;

	/* (n * sum of squares - square of the sum) / n^2; the difference is 0 or more. */
	normalise(&total, sum->limb, sum->from, sum->to);
	normalise(&number, squares->limb, squares->from, squares->to);
	multiply_by(&number, n);
	for (unsigned i = 0; i < total.n; i++) {
		if (total.limb[i])
			subtract_multiple(&number, &total, total.limb[i], i);
	}
	trim(&number);
	return round_quotient(&number, (uint64_t)n * n, 2 * unit, false);
}
