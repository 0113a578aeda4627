/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reduce-speed - what a reproducible sum of doubles takes beside a plain one, in turns within
 * one run. Prints a table.
 *
 *   reduce-speed [ROUNDS]
 *
 * The plain sum is the faster of two, compiled for the same processor: vector after vector in
 * blocks that stay in the first cache, and all vectors side by side with the sums in registers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/core/reduce_kernels.h"

#define BLOCK       1024
#define VECTORS_MAX 64
#define ROUNDS_MAX  1000
/* Elements that are summed in one measurement, so that it is longer than what disturbs it. */
#define ELEMENTS 4000000

typedef void sum_function(const struct reduce_vector *vectors, unsigned n, size_t count,
			  double *out);

/* Of one kind of processor. */
#define PLAIN(kind, width, target)                                                              \
	typedef double kind##_doubles __attribute__((vector_size(width * 8), aligned(8)));      \
	target static void blocks_##kind(const struct reduce_vector *vectors, unsigned n,       \
					 size_t count, double *out)                             \
	{                                                                                       \
		for (size_t from = 0; from < count; from += BLOCK) {                            \
			size_t to = from + BLOCK < count ? from + BLOCK : count;                \
			const double *restrict a = vectors[0].values;                           \
			const double *restrict b = vectors[1].values;                           \
			double *restrict sum = out;                                             \
                                                                                                \
			for (size_t i = from; i < to; i++)                                      \
				sum[i] = a[i] + b[i];                                           \
			for (unsigned v = 2; v < n; v++) {                                      \
				const double *restrict c = vectors[v].values;                   \
                                                                                                \
				for (size_t i = from; i < to; i++)                              \
					sum[i] += c[i];                                         \
			}                                                                       \
		}                                                                               \
	}                                                                                       \
	target static void abreast_##kind(const struct reduce_vector *vectors, unsigned n,      \
					  size_t count, double *out)                            \
	{                                                                                       \
		size_t at = 0;                                                                  \
                                                                                                \
		for (; at + 4 * width <= count; at += 4 * width) {                              \
			kind##_doubles sum[4] = {{0}};                                          \
                                                                                                \
			for (unsigned v = 0; v < n; v++) {                                      \
				const kind##_doubles *from =                                    \
					(const void *)((const double *)vectors[v].values + at); \
				for (unsigned i = 0; i < 4; i++)                                \
					sum[i] += from[i];                                      \
			}                                                                       \
			memcpy(out + at, sum, sizeof(sum));                                     \
		}                                                                               \
		for (; at < count; at++) {                                                      \
			out[at] = 0;                                                            \
			for (unsigned v = 0; v < n; v++)                                        \
				out[at] += ((const double *)vectors[v].values)[at];             \
		}                                                                               \
	}

PLAIN(baseline, 2, )
#if defined(__x86_64__)
PLAIN(avx2, 4, __attribute__((target("avx2"))))
PLAIN(avx512, 8, __attribute__((target("avx512f,prefer-vector-width=512"))))
#endif

/* As reduce_kernels[]. */
static sum_function *const plain[][2] = {
	{blocks_baseline, abreast_baseline},
#if defined(__x86_64__)
	{blocks_avx2, abreast_avx2},
	{blocks_avx512, abreast_avx512},
#endif
};

/* Of this thread alone: others have the processors too. */
static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

struct setting {
	unsigned kernels, n_vectors, rounds;
	size_t count;
	struct reduce_vector vectors[VECTORS_MAX];
	double *out;
};

/* Nanoseconds of one sum by @way: 0 and 1 plain, 2 reproducible. */
static double time_one(const struct setting *setting, unsigned way)
{
	size_t times = ELEMENTS / (setting->count * setting->n_vectors) + 1;
	int64_t begin_ns = cpu_ns();

	for (size_t i = 0; i < times; i++) {
		if (way < 2)
			plain[setting->kernels][way](setting->vectors, setting->n_vectors,
						     setting->count, setting->out);
		else
			reduce_range_by(reduce_kernels[setting->kernels], REDUCE_SUM, REDUCE_DOUBLE,
					setting->vectors, setting->n_vectors, 0, setting->count,
					setting->out);
	}
	return (double)(cpu_ns() - begin_ns) / (double)times;
}

static void measure(const struct setting *setting)
{
	double ns[3][ROUNDS_MAX], ratios[ROUNDS_MAX], medians[3];
	unsigned faster;

	for (unsigned round = 0; round < setting->rounds; round++) {
		for (unsigned way = 0; way < 3; way++)
			ns[way][round] = time_one(setting, way);
	}
	for (unsigned round = 0; round < setting->rounds; round++)
		ratios[round] =
			ns[2][round] / (ns[0][round] < ns[1][round] ? ns[0][round] : ns[1][round]);
	for (unsigned way = 0; way < 3; way++)
		medians[way] = median(ns[way], setting->rounds);
	faster = medians[1] < medians[0];
	printf("| %s | %zu | %u | %.1f (%s) | %.1f | %.2f |\n",
	       reduce_kernels[setting->kernels]->name, setting->count, setting->n_vectors,
	       medians[faster] / 1e3, faster ? "abreast" : "in blocks", medians[2] / 1e3,
	       median(ratios, setting->rounds));
	fflush(stdout);
}

static double *make_vector(size_t count)
{
	double *values = aligned_alloc(64, (count * sizeof(double) + 63) / 64 * 64);

	if (!values)
		exit(1);
	for (size_t i = 0; i < count; i++)
		values[i] = (drand48() + drand48() + drand48() - 1.5);
	return values;
}

int main(int argc, char **argv)
{
	static const size_t counts[] = {2500, 2000000};
	static const unsigned numbers[] = {2, 8, 64};
	struct setting setting = {.rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 15};

	if (setting.rounds < 1 || setting.rounds > ROUNDS_MAX)
		return 2;
	printf("| kernels | elements | vectors | plain, us | reproducible, us | ratio "
	       "|\n|---|---|---|---|---|---|\n");
	for (unsigned c = 0; c < 2; c++) {
		setting.count = counts[c];
		setting.out = make_vector(setting.count);
		for (unsigned v = 0; v < VECTORS_MAX; v++)
			setting.vectors[v] = (struct reduce_vector){make_vector(setting.count), v};
		for (unsigned n = 0; n < 3; n++) {
			setting.n_vectors = numbers[n];
			for (setting.kernels = 0; reduce_kernels[setting.kernels];
			     setting.kernels++) {
				if (reduce_kernels[setting.kernels]->runs_here())
					measure(&setting);
			}
		}
		free(setting.out);
		for (unsigned v = 0; v < VECTORS_MAX; v++)
			free((void *)setting.vectors[v].values);
	}
	return 0;
}
