/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/reduce_test.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/core/reduce_kernels.h"
#include "tests/runner.h"

__extension__ typedef __int128 i128;
/* 113 bits of mantissa. */
#if LDBL_MANT_DIG == 113
typedef long double wide;
#else
__extension__ typedef __float128 wide;
#endif

/* The result of one element of @n values. */
static uint64_t of_values(enum reduce_operation operation, enum reduce_element element, unsigned n,
			  const uint64_t *values)
{
	struct reduce_vector vectors[CASE_VECTORS] = {{0}};
	uint64_t result;

	for (unsigned i = 0; i < n; i++)
		vectors[i] = (struct reduce_vector){&values[i], 100 + i};
	reduce_range_by(kernels, operation, element, vectors, n, 0, 1, &result);
	return result;
}

#define OF(operation, element, ...)                                          \
	of_values(operation, element, sizeof((uint64_t[]){__VA_ARGS__}) / 8, \
		  (uint64_t[]){__VA_ARGS__})
#define SUM(...)  OF(REDUCE_SUM, REDUCE_DOUBLE, __VA_ARGS__)
#define MEAN(...) OF(REDUCE_MEAN, REDUCE_DOUBLE, __VA_ARGS__)

static const int spreads[] = {0, 5, 18, 20, 22, 26, 30, 34, 36, 38, 44, 52, 60, 110, 400, 1900};
static void sums_are_exact(void)
{
	double out[CASE_LENGTH];

	range(REDUCE_SUM, REDUCE_DOUBLE, out);
	for (size_t i = 0; i < tried.length; i++)
		ck_assert_msg(D(out[i]) == D(expansion_of(&tried, i)),
			      "%s, spread %d, %u vectors, element %zu: %a, not %a", kernels->name,
			      spread, tried.n, i, out[i], expansion_of(&tried, i));
}

START_TEST(a_sum_of_doubles_is_the_exact_sum_rounded_once)
{
	static const int middles[] = {0, -1030, 970};

	for (unsigned kind = 0; kind < LENGTH(middles) * LENGTH(spreads); kind++) {
		middle_exponent = middles[kind % LENGTH(middles)];
		spread = spreads[kind / LENGTH(middles)];
		if (middle_exponent + spread / 2 > 1010)
			continue;
		for (unsigned n = 0; n < LENGTH(numbers); n++) {
			make_case(&tried, numbers[n], 1 + (size_t)lrand48() % CASE_LENGTH,
				  spread_value);
			sums_are_exact();
			cancel();
			sums_are_exact();
		}
	}
}
END_TEST

/* Largest sums on the way, and a least value that has to be there when they are gone. */
START_TEST(the_least_value_is_not_lost_beside_the_largest)
{
	double least = 1 + 0x1p-25 + 0x1p-52;

	for (unsigned kind = 0; kind < 64 * 70; kind++) {
		unsigned half = kind % 64 / 2;
		double largest = ldexp(2 - DBL_EPSILON, (int)kind / 64);

		spread = (int)kind / 64;
		make_case(&tried, 2 * half + 1, 1, spread_value);
		for (unsigned v = 0; v < 2 * half; v++)
			tried.values[v + (kind & 1)][0] =
				D((v < half) ^ (kind >> 1 & 1) ? largest : -largest);
		tried.values[kind & 1 ? 0 : 2 * half][0] = D(least);
		sums_are_exact();
	}
}
END_TEST

START_TEST(a_mean_of_doubles_is_the_rounded_sum_divided)
{
	double out[CASE_LENGTH];

	middle_exponent = 0;
	for (unsigned s = 0; s < LENGTH(spreads); s++) {
		for (unsigned n = 0; n < LENGTH(numbers); n++) {
			spread = spreads[s];
			make_case(&tried, numbers[n], CASE_LENGTH, spread_value);
			range(REDUCE_MEAN, REDUCE_DOUBLE, out);
			for (size_t i = 0; i < tried.length; i++)
				ck_assert_uint_eq(D(out[i]), D(expansion_of(&tried, i) / tried.n));
		}
	}
}
END_TEST

/* What cancels but for a remainder far below. */
START_TEST(what_cancels_leaves_the_remainder)
{
	double tiny = 0x1p-1074;

	ck_assert_uint_eq(SUM(D(1e16), D(1), D(-1e16)), D(1));
	ck_assert_uint_eq(SUM(D(0x1p1000), D(tiny), D(-0x1p1000)), D(tiny));
	ck_assert_uint_eq(SUM(D(DBL_MAX), D(tiny), D(-DBL_MAX), D(tiny)), D(2 * tiny));
	ck_assert_uint_eq(SUM(D(1), D(0x1p-60), D(-1), D(-0x1p-60)), 0);
	ck_assert_uint_eq(SUM(D(3), D(-3)), 0);
	ck_assert_uint_eq(SUM(D(-0x1p-1022), D(0x1p-1023), D(0x1p-1023)), 0);
}
END_TEST

START_TEST(half_way_is_rounded_to_even_and_the_least_more_is_rounded_up)
{
	double half = 0x1p-53, tiny = 0x1p-1074, next = 1 + DBL_EPSILON;

	ck_assert_uint_eq(SUM(D(1), D(half)), D(1));
	ck_assert_uint_eq(SUM(D(1), D(half), D(0)), D(1));
	ck_assert_uint_eq(SUM(D(1), D(half), D(tiny)), D(next));
	ck_assert_uint_eq(SUM(D(1), D(half), D(-tiny)), D(1));
	ck_assert_uint_eq(SUM(D(next), D(half), D(0)), D(next + DBL_EPSILON));
	ck_assert_uint_eq(SUM(D(next), D(half), D(-tiny)), D(next));
	ck_assert_uint_eq(SUM(D(-1), D(-half), D(-tiny)), D(-next));
	ck_assert_uint_eq(SUM(D(1), D(half / 2), D(half / 4), D(half / 4)), D(1));
	ck_assert_uint_eq(SUM(D(1), D(half / 2), D(half / 4), D(half / 4), D(half * half)),
			  D(next));
}
END_TEST

START_TEST(a_sum_overflows_only_where_its_exact_value_does)
{
	double half = 0x1p970, below = nextafter(half, 0);

	ck_assert_uint_eq(SUM(D(1e308), D(1e308), D(-1e308)), D(1e308));
	ck_assert_uint_eq(SUM(D(1e308), D(1e308)), D(INFINITY));
	ck_assert_uint_eq(SUM(D(-1e308), D(-1e308), D(1)), D(-INFINITY));
	ck_assert_uint_eq(SUM(D(DBL_MAX), D(half)), D(INFINITY));
	ck_assert_uint_eq(SUM(D(DBL_MAX), D(below)), D(DBL_MAX));
	ck_assert_uint_eq(SUM(D(DBL_MAX), D(half / 2), D(half / 2)), D(INFINITY));
	ck_assert_uint_eq(SUM(D(DBL_MAX), D(half / 2), D(below / 2)), D(DBL_MAX));
	ck_assert_uint_eq(SUM(D(-DBL_MAX), D(-half), D(0x1p-1074)), D(-DBL_MAX));
	ck_assert_uint_eq(MEAN(D(DBL_MAX), D(DBL_MAX), D(DBL_MAX)), D(DBL_MAX));
	ck_assert_uint_eq(MEAN(D(DBL_MAX), D(DBL_MAX)), D(DBL_MAX));
	ck_assert_uint_eq(MEAN(D(-1e308), D(-1e308), D(-1e308), D(1e308)), D(-0.5e308));
}
END_TEST

START_TEST(nan_and_infinities_come_out_as_ieee_754_has_them_and_nan_has_one_form)
{
	uint64_t nan = UINT64_C(0xfff0000000000001), inf = D(INFINITY), minus = D(-INFINITY);

	for (unsigned zeros = 0; zeros < 3; zeros++) {
		uint64_t values[3][5] = {{inf, D(1)}, {minus, D(DBL_MAX)}, {nan, inf}};

		ck_assert_uint_eq(of_values(REDUCE_SUM, REDUCE_DOUBLE, 2 + zeros, values[0]), inf);
		ck_assert_uint_eq(of_values(REDUCE_MEAN, REDUCE_DOUBLE, 2 + zeros, values[1]),
				  minus);
		ck_assert_uint_eq(of_values(REDUCE_SUM, REDUCE_DOUBLE, 2 + zeros, values[2]),
				  NAN_OUT);
		ck_assert_uint_eq(of_values(REDUCE_VARIANCE, REDUCE_DOUBLE, 2 + zeros, values[0]),
				  NAN_OUT);
	}
	ck_assert_uint_eq(SUM(inf, minus), NAN_OUT);
	ck_assert_uint_eq(SUM(inf, minus, D(0)), NAN_OUT);
	ck_assert_uint_eq(SUM(inf, inf, inf), inf);
	ck_assert_uint_eq(SUM(nan), NAN_OUT);
	ck_assert_uint_eq(SUM(nan, D(1)), NAN_OUT);
	ck_assert_uint_eq(MEAN(nan), NAN_OUT);
	ck_assert_uint_eq(OF(REDUCE_MIN, REDUCE_DOUBLE, D(1), nan, minus), NAN_OUT);
	ck_assert_uint_eq(OF(REDUCE_MAX, REDUCE_DOUBLE, nan | NAN_OUT, inf), NAN_OUT);
	ck_assert_uint_eq(OF(REDUCE_MIN, REDUCE_DOUBLE, D(1), minus), minus);
	ck_assert_uint_eq(OF(REDUCE_MAX, REDUCE_DOUBLE, D(1), inf), inf);
	ck_assert_uint_eq(OF(REDUCE_ARGMIN, REDUCE_DOUBLE, minus, nan, NAN_OUT), 101);
	ck_assert_uint_eq(OF(REDUCE_ARGMAX, REDUCE_DOUBLE, inf, D(1), NAN_OUT), 102);
}
END_TEST

START_TEST(zeros_add_up_to_plus_zero_and_minus_zero_is_less)
{
	uint64_t minus = D(-0.0);

	ck_assert_uint_eq(SUM(minus), 0);
	ck_assert_uint_eq(SUM(minus, minus), 0);
	ck_assert_uint_eq(SUM(minus, minus, minus), 0);
	ck_assert_uint_eq(MEAN(minus, minus), 0);
	ck_assert_uint_eq(MEAN(D(-0x1p-1074), D(0), D(0), D(0)), 0);
	ck_assert_uint_eq(OF(REDUCE_MIN, REDUCE_DOUBLE, D(0), minus), minus);
	ck_assert_uint_eq(OF(REDUCE_MAX, REDUCE_DOUBLE, minus, D(0), minus), D(0));
	ck_assert_uint_eq(OF(REDUCE_ARGMIN, REDUCE_DOUBLE, D(0), minus, minus), 101);
	ck_assert_uint_eq(OF(REDUCE_ARGMAX, REDUCE_DOUBLE, minus, D(0), D(0)), 101);
}
END_TEST

START_TEST(of_equal_values_the_lowest_id_is_given)
{
	uint64_t values[5] = {7, 3, 3, 7, 5}, result;
	struct reduce_vector vectors[5];

	for (unsigned i = 0; i < 5; i++)
		vectors[i] = (struct reduce_vector){&values[i], UINT64_MAX - i};
	reduce_range_by(kernels, REDUCE_ARGMIN, REDUCE_INT64, vectors, 5, 0, 1, &result);
	ck_assert_uint_eq(result, UINT64_MAX - 2);
	reduce_range_by(kernels, REDUCE_ARGMAX, REDUCE_INT64, vectors, 5, 0, 1, &result);
	ck_assert_uint_eq(result, UINT64_MAX - 3);
}
END_TEST

START_TEST(sums_of_int64_wrap_and_their_means_do_not)
{
	uint64_t max = INT64_MAX, min = (uint64_t)INT64_MIN;

	ck_assert_uint_eq(OF(REDUCE_SUM, REDUCE_INT64, max, 1), min);
	ck_assert_uint_eq(OF(REDUCE_SUM, REDUCE_INT64, max, max, max), (uint64_t)INT64_MAX * 3);
	ck_assert_uint_eq(OF(REDUCE_MEAN, REDUCE_INT64, max, max, max), D(0x1p63));
	ck_assert_uint_eq(OF(REDUCE_MEAN, REDUCE_INT64, min, min), D(-0x1p63));
	ck_assert_uint_eq(OF(REDUCE_MEAN, REDUCE_INT64, max, min), D(-0.5));
	ck_assert_uint_eq(OF(REDUCE_MEAN, REDUCE_INT64, 1, 0, 0), D(1.0 / 3));
	ck_assert_uint_eq(OF(REDUCE_MEAN, REDUCE_INT64, (uint64_t)-1, 0, 0), D(-1.0 / 3));
	/* 2^53 + 1/3 and 2^54 + 1 + 1/2: between two doubles. */
	ck_assert_uint_eq(OF(REDUCE_MEAN, REDUCE_INT64, UINT64_C(1) << 53, UINT64_C(1) << 53,
			     (UINT64_C(1) << 53) + 1),
			  D(0x1p53));
	ck_assert_uint_eq(
		OF(REDUCE_MEAN, REDUCE_INT64, (UINT64_C(1) << 54) + 2, (UINT64_C(1) << 54) + 3),
		D(0x1p54 + 4));
	ck_assert_uint_eq(OF(REDUCE_MIN, REDUCE_INT64, max, min, 0), min);
	ck_assert_uint_eq(OF(REDUCE_MAX, REDUCE_INT64, max, min, 0), max);
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_INT64, max, min), D(0x1p126));
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_INT64, max, max, max - 3, max - 3), D(2.25));
}
END_TEST

/* Of @n whole numbers. */
static double variance_of(const int64_t *values, unsigned n)
{
	i128 sum = 0, squares = 0;

	for (unsigned i = 0; i < n; i++) {
		sum += values[i];
		squares += (i128)values[i] * values[i];
	}
	return (double)((wide)(n * squares - sum * sum) / ((wide)n * n));
}

START_TEST(a_variance_is_exact_however_far_the_values_are_from_zero)
{
	for (unsigned round = 0; round < 500; round++) {
		uint64_t whole[8], shifted[8], scaled[8];
		int64_t values[8];
		unsigned n = 1 + (unsigned)lrand48() % 8;
		int scale = (int)(lrand48() % 900) - 450;
		double expected;

		for (unsigned i = 0; i < n; i++) {
			values[i] = mrand48() >> lrand48() % 31;
			whole[i] = (uint64_t)values[i];
			shifted[i] = D(0x1p52 + (double)values[i]);
			scaled[i] = D(ldexp((double)values[i], scale));
		}
		expected = variance_of(values, n);
		ck_assert_uint_eq(of_values(REDUCE_VARIANCE, REDUCE_INT64, n, whole), D(expected));
		ck_assert_uint_eq(of_values(REDUCE_VARIANCE, REDUCE_DOUBLE, n, shifted),
				  D(expected));
		ck_assert_uint_eq(of_values(REDUCE_VARIANCE, REDUCE_DOUBLE, n, scaled),
				  D(ldexp(expected, 2 * scale)));
	}
}
END_TEST

START_TEST(a_variance_spans_all_exponents)
{
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(0x1p512), D(-0x1p512)), D(INFINITY));
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(0x1p511), D(-0x1p511)), D(0x1p1022));
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(DBL_MAX), D(DBL_MAX)), 0);
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(0x1p-537), D(-0x1p-537)),
			  D(0x1p-1074));
	/* Half of the least double is rounded to 0, more of it is not. */
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(0x1p-537), D(-0x1p-537), 0, 0), 0);
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(0x1p-537), D(-0x1p-537), 0), 1);
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(0x1p-1074), 0), 0);
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(5)), 0);
	/* (2^500)^2 / 4 and what 2^-1000 adds: less than can be seen. */
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(0x1p500), D(0x1p-1000)), D(0x1p998));
}
END_TEST

/* (m + 2^-bits)^2: m^2 is half way between two doubles, its upper one is not even. */
START_TEST(a_variance_half_way_is_decided_by_the_least_bit)
{
	double m = 0x1p27 - 1;

	for (int bits = 30; bits < 1074; bits++) {
		ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(2 * m), D(ldexp(-1, -bits))),
				  D(m * m + 2));
		ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(2 * m), D(ldexp(1, -bits))),
				  D(m * m));
	}
	ck_assert_uint_eq(OF(REDUCE_VARIANCE, REDUCE_DOUBLE, D(2 * m), 0), D(m * m));
}
END_TEST

START_TEST(denormals_count)
{
	double out[CASE_LENGTH];

	make_case(&tried, 64, CASE_LENGTH, random_bits);
	for (unsigned v = 0; v < tried.n; v++) {
		for (size_t i = 0; i < tried.length; i++)
			tried.values[v][i] &= UINT64_C(0x801fffffffffffff);
	}
	range(REDUCE_SUM, REDUCE_DOUBLE, out);
	for (size_t i = 0; i < tried.length; i++)
		ck_assert_uint_eq(D(out[i]), D(expansion_of(&tried, i)));
}
END_TEST

START_TEST(minimum_and_maximum_are_those_of_a_search)
{
	int64_t min[CASE_LENGTH], max[CASE_LENGTH];
	double least[CASE_LENGTH];

	make_case(&tried, 65, CASE_LENGTH, random_bits);
	range(REDUCE_MIN, REDUCE_INT64, min);
	range(REDUCE_MAX, REDUCE_INT64, max);
	for (size_t i = 0; i < tried.length; i++) {
		int64_t lo = INT64_MAX, hi = INT64_MIN;

		for (unsigned v = 0; v < tried.n; v++) {
			lo = (int64_t)tried.values[v][i] < lo ? (int64_t)tried.values[v][i] : lo;
			hi = (int64_t)tried.values[v][i] > hi ? (int64_t)tried.values[v][i] : hi;
		}
		ck_assert_int_eq(min[i], lo);
		ck_assert_int_eq(max[i], hi);
	}
	make_case(&tried, 9, CASE_LENGTH, near_value);
	range(REDUCE_MIN, REDUCE_DOUBLE, least);
	for (size_t i = 0; i < tried.length; i++) {
		double lo = INFINITY;

		for (unsigned v = 0; v < tried.n; v++)
			lo = fmin(lo, double_of_bits(tried.values[v][i]));
		ck_assert_uint_eq(D(least[i]), D(lo));
	}
}
END_TEST

START_TEST(of_no_vectors_there_is_what_the_header_says)
{
	static const struct {
		enum reduce_operation operation;
		uint64_t of_int64, of_double;
	} expected[] = {{REDUCE_SUM, 0, 0},
			{REDUCE_COUNT, 0, 0},
			{REDUCE_MEAN, NAN_OUT, NAN_OUT},
			{REDUCE_VARIANCE, NAN_OUT, NAN_OUT},
			{REDUCE_MIN, INT64_MAX, NAN_OUT},
			{REDUCE_MAX, (uint64_t)INT64_MIN, NAN_OUT},
			{REDUCE_ARGMIN, UINT64_MAX, UINT64_MAX},
			{REDUCE_ARGMAX, UINT64_MAX, UINT64_MAX}};

	for (unsigned i = 0; i < LENGTH(expected); i++) {
		enum reduce_operation operation = expected[i].operation;

		ck_assert_uint_eq(of_values(operation, REDUCE_INT64, 0, NULL),
				  expected[i].of_int64);
		ck_assert_uint_eq(of_values(operation, REDUCE_DOUBLE, 0, NULL),
				  expected[i].of_double);
	}
	ck_assert_uint_eq(OF(REDUCE_COUNT, REDUCE_DOUBLE, D(1), NAN_OUT, D(2)), 3);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_sum_of_doubles_is_the_exact_sum_rounded_once,
		the_least_value_is_not_lost_beside_the_largest,
		a_mean_of_doubles_is_the_rounded_sum_divided,
		what_cancels_leaves_the_remainder,
		half_way_is_rounded_to_even_and_the_least_more_is_rounded_up,
		a_sum_overflows_only_where_its_exact_value_does,
		nan_and_infinities_come_out_as_ieee_754_has_them_and_nan_has_one_form,
		zeros_add_up_to_plus_zero_and_minus_zero_is_less,
		of_equal_values_the_lowest_id_is_given,
		sums_of_int64_wrap_and_their_means_do_not,
		a_variance_is_exact_however_far_the_values_are_from_zero,
		a_variance_spans_all_exponents,
		a_variance_half_way_is_decided_by_the_least_bit,
		denormals_count,
		minimum_and_maximum_are_those_of_a_search,
		of_no_vectors_there_is_what_the_header_says,
	};

	return run_for_all_kernels(tests, LENGTH(tests));
}
