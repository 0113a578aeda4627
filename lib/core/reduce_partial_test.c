/* SPDX-License-Identifier: Apache-2.0 */
/* Partial results, and what else must not change a bit. */
#include "lib/core/reduce_test.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

static struct reduce_partial *new_partial(void)
{
	return aligned_alloc(64, (reduce_partial_bytes() + 63) / 64 * 64);
}

/* Elements from @first on of vectors @from to @to - 1, cut into partial results in any way. */
static void in_parts(struct reduce_partial *partial, enum reduce_operation operation,
		     enum reduce_element element, unsigned n_lanes, size_t first, unsigned from,
		     unsigned to)
{
	unsigned middle = from + (unsigned)lrand48() % (to - from + 1);
	struct reduce_partial *other;

	reduce_begin(partial, operation, element, n_lanes);
	if (to - from < 2 || lrand48() % 3 == 0) {
		reduce_add_by(kernels, partial, tried.vectors + from, middle - from, first);
		reduce_add_by(kernels, partial, tried.vectors + middle, to - middle, first);
		return;
	}
	other = new_partial();
	in_parts(partial, operation, element, n_lanes, first, from, middle);
	in_parts(other, operation, element, n_lanes, first, middle, to);
	reduce_combine(partial, other);
	free(other);
}

static void same_in_parts(enum reduce_operation operation, enum reduce_element element)
{
	struct reduce_partial *partial = new_partial();
	uint64_t whole[CASE_LENGTH], part[REDUCE_LANES];
	size_t first = (size_t)lrand48() % tried.length;
	unsigned n_lanes = 1 + (unsigned)lrand48() % REDUCE_LANES;

	if (n_lanes > tried.length - first)
		n_lanes = (unsigned)(tried.length - first);
	range(operation, element, whole);
	for (unsigned round = 0; round < 3; round++) {
		shuffle();
		in_parts(partial, operation, element, n_lanes, first, 0, tried.n);
		reduce_finish(partial, part);
		for (unsigned lane = 0; lane < n_lanes; lane++)
			ck_assert_msg(part[lane] == whole[first + lane],
				      "%s, operation %u, element %u, %u vectors: %lx, not %lx",
				      kernels->name, operation, element, tried.n, part[lane],
				      whole[first + lane]);
	}
	free(partial);
}

START_TEST(order_and_grouping_change_no_bit_of_any_result)
{
	static uint64_t (*const values[])(void) = {any_value,   random_bits, near_value,
						   large_value, small_whole, spread_value};

	middle_exponent = 0;
	for (unsigned kind = 0; kind < 2 * LENGTH(values); kind++) {
		for (unsigned n = 0; n < LENGTH(numbers); n++) {
			spread = n % 2 ? 60 : 110;
			make_case(&tried, numbers[n], CASE_LENGTH, values[kind / 2]);
			if (kind % 2)
				cancel();
			for (unsigned operation = 0; operation < REDUCE_OPERATIONS; operation++) {
				same_in_parts(operation, REDUCE_INT64);
				same_in_parts(operation, REDUCE_DOUBLE);
			}
		}
	}
}
END_TEST

START_TEST(all_kernels_give_the_same_bits)
{
	uint64_t here[CASE_LENGTH], there[CASE_LENGTH];

	for (unsigned n = 0; n < LENGTH(numbers); n++) {
		make_case(&tried, numbers[n], CASE_LENGTH, n % 2 ? any_value : near_value);
		for (unsigned kind = 0; kind < 2 * REDUCE_OPERATIONS; kind++) {
			range(kind / 2, kind % 2, here);
			reduce_range_by(&reduce_baseline, kind / 2, kind % 2, tried.vectors,
					tried.n, 0, tried.length, there);
			ck_assert_mem_eq(here, there, sizeof(here));
		}
	}
}
END_TEST

/* What a thread may have: rounding another way, denormals taken for 0, traps. */
static unsigned long set_strange_environment(int rounding)
{
	fesetround(rounding);
#if defined(__x86_64__)
	/* FTZ and DAZ; and inexact and denormal trap. */
	__builtin_ia32_ldmxcsr((__builtin_ia32_stmxcsr() | 0x8040) & ~0x1100u);
	return __builtin_ia32_stmxcsr();
#elif defined(__aarch64__)
	unsigned long control;

	/* FZ. */
	__asm__ volatile("mrs %0, fpcr" : "=r"(control));
	control |= 1ul << 24;
	__asm__ volatile("msr fpcr, %0" ::"r"(control));
	return control;
#else
	return (unsigned long)fegetround();
#endif
}

static unsigned long environment_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_stmxcsr();
#elif defined(__aarch64__)
	unsigned long control;

	__asm__ volatile("mrs %0, fpcr" : "=r"(control));
	return control;
#else
	return (unsigned long)fegetround();
#endif
}

START_TEST(the_threads_rounding_denormals_and_traps_change_no_bit_and_stay_as_they_are)
{
	static const int roundings[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
	uint64_t usual[CASE_LENGTH], strange[CASE_LENGTH], parts[REDUCE_LANES];
	struct reduce_partial *partial = new_partial(), *other = new_partial();
	unsigned long set, after;
	fenv_t before;

	fegetenv(&before);
	for (unsigned kind = 0; kind < 8 * 4 * 2; kind++) {
		enum reduce_operation operation = kind / 8;

		make_case(&tried, kind % 2 ? 130 : 5, CASE_LENGTH,
			  kind % 3 ? near_value : any_value);
		for (size_t i = 0; kind % 8 == 1 && i < tried.length; i++)
			tried.values[0][i] &= UINT64_C(0x801fffffffffffff);
		range(operation, REDUCE_DOUBLE, usual);
		set = set_strange_environment(roundings[kind % 4]);
		range(operation, REDUCE_DOUBLE, strange);
		reduce_begin(partial, operation, REDUCE_DOUBLE, REDUCE_LANES);
		reduce_begin(other, operation, REDUCE_DOUBLE, REDUCE_LANES);
		reduce_add_by(kernels, partial, tried.vectors, 2, 0);
		reduce_add_by(kernels, other, tried.vectors + 2, tried.n - 2, 0);
		reduce_combine(partial, other);
		reduce_finish(partial, parts);
		after = environment_now();
		fesetenv(&before);
		ck_assert_uint_eq(after, set);
		ck_assert_mem_eq(usual, strange, sizeof(usual));
		ck_assert_mem_eq(usual, parts, sizeof(parts));
	}
	free(partial);
	free(other);
}
END_TEST

START_TEST(nothing_beside_the_elements_is_read_or_written)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 6 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct reduce_vector vectors[3];

	ck_assert_ptr_ne(memory, MAP_FAILED);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(mprotect(memory + 2 * i * page, page, PROT_READ | PROT_WRITE), 0);
		vectors[i] = (struct reduce_vector){memory + 2 * i * page, i};
	}
	for (size_t count = 0; count < 70; count++) {
		for (unsigned kind = 0; kind < 2 * REDUCE_OPERATIONS; kind++) {
			uint64_t out[80];

			memset(out, 0xa5, sizeof(out));
			reduce_range_by(kernels, kind / 2, kind % 2, vectors, 1 + kind % 3,
					page / 8 - count, count, out + 5);
			for (size_t i = 0; i < 80; i++)
				ck_assert(i >= 5 && i < 5 + count
						  ? out[i] != UINT64_C(0xa5a5a5a5a5a5a5a5)
						  : out[i] == UINT64_C(0xa5a5a5a5a5a5a5a5));
		}
	}
	munmap(memory, 6 * page);
}
END_TEST

START_TEST(as_many_vectors_as_allowed_give_an_exact_result)
{
	struct reduce_vector *vectors = calloc(REDUCE_VECTORS_MAX, sizeof(*vectors));
	double values[3] = {DBL_MAX, 0x1p1010, 0x1.fffffffffffffp-1}, result;

	ck_assert_ptr_nonnull(vectors);
	for (unsigned kind = 0; kind < 3; kind++) {
		for (unsigned i = 0; i < REDUCE_VECTORS_MAX; i++)
			vectors[i].values = &values[kind];
		reduce_range_by(kernels, REDUCE_MEAN, REDUCE_DOUBLE, vectors, REDUCE_VECTORS_MAX, 0,
				1, &result);
		ck_assert_uint_eq(D(result), D(values[kind]));
		reduce_range_by(kernels, REDUCE_VARIANCE, REDUCE_DOUBLE, vectors,
				REDUCE_VECTORS_MAX, 0, 1, &result);
		ck_assert_uint_eq(D(result), 0);
	}
	reduce_range_by(kernels, REDUCE_SUM, REDUCE_DOUBLE, vectors, REDUCE_VECTORS_MAX, 0, 1,
			&result);
	ck_assert_uint_eq(D(result), D(values[2] * REDUCE_VECTORS_MAX));
	free(vectors);
}
END_TEST

/* DBL_MAX as a sum that is known to be exact, and half a unit more in two rests. */
START_TEST(a_partial_sum_that_rounds_to_infinity_comes_back)
{
	struct reduce_partial *partial = new_partial();
	struct reduce_vector vectors[64];
	double large = 0x1p1012, short_of_it = 0x1p1012 - 0x1p971, half = 0x1p969, result;

	reduce_begin(partial, REDUCE_SUM, REDUCE_DOUBLE, 1);
	for (unsigned chunk = 0; chunk < 64; chunk++) {
		for (unsigned i = 0; i < 64; i++)
			vectors[i].values = chunk + i ? &large : &short_of_it;
		reduce_add_by(kernels, partial, vectors, 64, 0);
	}
	reduce_finish(partial, &result);
	ck_assert_uint_eq(D(result), D(DBL_MAX));
	vectors[0].values = &half;
	reduce_add_by(kernels, partial, vectors, 1, 0);
	reduce_finish(partial, &result);
	ck_assert_uint_eq(D(result), D(DBL_MAX));
	reduce_add_by(kernels, partial, vectors, 1, 0);
	reduce_finish(partial, &result);
	ck_assert_uint_eq(D(result), D(INFINITY));
	half = -half;
	reduce_add_by(kernels, partial, vectors, 1, 0);
	reduce_finish(partial, &result);
	ck_assert_uint_eq(D(result), D(DBL_MAX));
	free(partial);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_partial_sum_that_rounds_to_infinity_comes_back,
		order_and_grouping_change_no_bit_of_any_result,
		all_kernels_give_the_same_bits,
		the_threads_rounding_denormals_and_traps_change_no_bit_and_stay_as_they_are,
		nothing_beside_the_elements_is_read_or_written,
		as_many_vectors_as_allowed_give_an_exact_result,
	};

	return run_for_all_kernels(tests, LENGTH(tests));
}
