/* SPDX-License-Identifier: Apache-2.0 */
/* Values to reduce, and what has to come out by other ways of computing it. */
#ifndef LIB_CORE_REDUCE_TEST_H
#define LIB_CORE_REDUCE_TEST_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/reduce_kernels.h"
#include "tests/runner.h"

#define CASE_VECTORS 200
#define CASE_LENGTH  53

/* Some vectors of one length. */
struct reduce_case {
	unsigned n;
	size_t length;
	struct reduce_vector vectors[CASE_VECTORS];
	uint64_t values[CASE_VECTORS][CASE_LENGTH];
};

static inline uint64_t bits_of_double(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline double double_of_bits(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline uint64_t random_bits(void)
{
	return (uint64_t)mrand48() << 32 | (uint32_t)mrand48();
}

static inline void make_case(struct reduce_case *made, unsigned n, size_t length,
			     uint64_t (*value)(void))
{
	made->n = n;
	made->length = length;
	for (unsigned v = 0; v < n; v++) {
		made->vectors[v] = (struct reduce_vector){made->values[v], v};
		for (size_t i = 0; i < length; i++)
			made->values[v][i] = value();
	}
}

/*
 * The sum rounded once, where no partial sum overflows: J. R. Shewchuk, "Adaptive precision
 * floating-point arithmetic and fast robust geometric predicates", Discrete Comput. Geom. 18
 * (1997), as an expansion that grows; then from its largest part down until something is rounded
 * off, and to even by the sign of the next part.
 */
static inline double expansion_sum(const double *values, unsigned n)
{
	double parts[2200], sum = 0, rest = 0;
	unsigned n_parts = 0;

	for (unsigned i = 0; i < n; i++) {
		double value = values[i];
		unsigned kept = 0;

		for (unsigned part = 0; part < n_parts; part++) {
			double total = value + parts[part], other = total - value;

			rest = (value - (total - other)) + (parts[part] - other);
			if (rest != 0)
				parts[kept++] = rest;
			value = total;
		}
		parts[kept++] = value;
		n_parts = kept;
	}
	rest = 0;
	while (n_parts > 0 && rest == 0) {
		double total = sum + parts[--n_parts], other = total - sum;

		rest = parts[n_parts] - other;
		sum = total;
	}
	if (n_parts > 0 &&
	    ((rest < 0 && parts[n_parts - 1] < 0) || (rest > 0 && parts[n_parts - 1] > 0))) {
		double twice = 2 * rest, total = sum + twice;

		if (total - sum == twice)
			sum = total;
	}
	return sum + 0.0;
}

/* Of an element of the case. */
static inline double expansion_of(const struct reduce_case *tried, size_t element)
{
	double values[CASE_VECTORS];

	for (unsigned v = 0; v < tried->n; v++)
		values[v] = double_of_bits(tried->values[v][element]);
	return expansion_sum(values, tried->n);
}

#define NAN_OUT  UINT64_C(0x7ff8000000000000)
#define D(value) bits_of_double(value)

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct reduce_case tried;
/* Which kernels a test is run with. */
static const struct reduce_kernels *kernels;

static void range(enum reduce_operation operation, enum reduce_element element, void *out)
{
	reduce_range_by(kernels, operation, element, tried.vectors, tried.n, 0, tried.length, out);
}

static inline void shuffle(void)
{
	for (unsigned i = tried.n; i > 1; i--) {
		unsigned j = (unsigned)lrand48() % i;
		struct reduce_vector other = tried.vectors[j];

		tried.vectors[j] = tried.vectors[i - 1];
		tried.vectors[i - 1] = other;
	}
}

/* Have most values there with both signs, so that a sum is what is left of the others, however
 * small. */
static inline void cancel(void)
{
	for (unsigned v = 1; v < tried.n; v += 2) {
		for (size_t i = 0; i < tried.length; i++) {
			if (lrand48() % 16)
				tried.values[v][i] = tried.values[v - 1][i] ^ UINT64_C(1) << 63;
		}
	}
	shuffle();
}

static int spread, middle_exponent;

/* Exponents within @spread around @middle_exponent, some zeros, some with few bits. */
static inline uint64_t spread_value(void)
{
	double bits = lrand48() % 4 ? drand48() + 0.5 : 1 + (double)(lrand48() % 8) / 8;
	double value = ldexp(bits, middle_exponent + (int)(lrand48() % (spread + 1)) - spread / 2);

	if (lrand48() % 16 == 0)
		value = 0;
	return D(mrand48() < 0 ? -value : value);
}

static const unsigned numbers[] = {1, 2, 3, 4, 7, 8, 16, 33, 63, 64, 65, 128, 129, 200};

/* Any value: most are far from each other; some are NaN or infinite. */
static inline uint64_t any_value(void)
{
	static const uint64_t special[] = {0, UINT64_C(1) << 63, NAN_OUT,
					   UINT64_C(0x7ff0000000000000),
					   UINT64_C(0xfff0000000000000)};

	return lrand48() % 500 ? random_bits() : special[lrand48() % 5];
}

static inline uint64_t near_value(void)
{
	return D(drand48() - 0.5);
}

static inline uint64_t large_value(void)
{
	return D((drand48() - 0.5) * DBL_MAX);
}

/* Few values, so that there are ties. */
static inline uint64_t small_whole(void)
{
	return (uint64_t)(mrand48() % 4);
}

/* Fixtures have no argument. */
static void setup(unsigned which)
{
	kernels = reduce_kernels[which];
	srand48(number_of("SEED", 1));
}

static void setup_first(void)
{
	setup(0);
}

static void setup_second(void)
{
	setup(1);
}

static void setup_third(void)
{
	setup(2);
}

static const SFun setups[] = {setup_first, setup_second, setup_third};

static inline void add_tests(Suite *suite, unsigned which, const TTest *const *tests, size_t n)
{
	TCase *cases = tcase_create(reduce_kernels[which]->name);

	tcase_add_checked_fixture(cases, setups[which], NULL);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
}

/* Everything once for each kind of processor that this one can be. Returns the exit status. */
static inline int run_for_all_kernels(const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create("reduce");

	for (unsigned i = 0; reduce_kernels[i]; i++) {
		if (reduce_kernels[i]->runs_here())
			add_tests(suite, i, tests, n);
	}
	return run_suite_forked(suite);
}

#endif
