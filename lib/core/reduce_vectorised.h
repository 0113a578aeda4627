/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels, in vectors of WIDTH elements. A file that includes this is compiled for one kind
 * of processor and defines:
 *
 *   KERNELS, NAME, RUNS_HERE   of struct reduce_kernels
 *   WIDTH                      2, 4 or 8
 *   ABREAST                    vectors whose chains of additions go side by side
 *   GREATER(a, b), LESS(a, b)  the greater, the lesser of two doubles, b if a is NaN
 *   ANY(bits)                  whether any bit is set in a vector
 *
 * A sum of doubles is exact before it is rounded once. Each lane tries three ways, the next
 * where one does not do:
 *
 * 1. In halves (sum_halves). Each value is cut into its upper 26 bits and its lower 27, and
 *    the halves are added up apart. With n <= 2^L values whose exponents are e to E: an upper
 *    half is a multiple of 2^(e - 25), their sum below 2^(E + 1 + L); a lower half is a multiple
 *    of 2^(e - 52), their sum below 2^(E - 25 + L). A double holds both sums, and all on the
 *    way, if E - e <= 26 - L. Then their sum is the only one that rounds. E and e are those of
 *    the largest and of the least magnitude but 0.
 * 2. In two accumulators (deposit), after the largest magnitude is known. A value x is added
 *    to an accumulator of 1.5 * 2^p, so large that the unit of its last place stays the same
 *    whatever is added. So what is added is x rounded to a multiple of that unit, and the
 *    difference is exact; it goes to a second accumulator of a smaller unit the same way. This
 *    is the extraction of S. M. Rump, T. Ogita, S. Oishi, "Accurate floating-point summation
 *    part I", SIAM J. Sci. Comput. 31 (2008), with running accumulators as J. Demmel, H. D.
 *    Nguyen, "Parallel reproducible summation", IEEE Trans. Computers 64 (2015), have them.
 *    Unlike theirs, the result is not that of a fixed number of bins: where what the second
 *    accumulator does not take is 0 for every x, both together are the exact sum. With n <= 2^L
 *    values below 2^(E + 1), L = 6: p = E + L + 3, and the sum is below 2^(p - 2). The first
 *    unit is 2^(p - 52), a difference is at most half of it, and their sum 2^(p - 53 + L). So
 *    the second accumulator is 1.5 * 2^(p - 51 + L), and its unit 2^(E + 2 L - 100) = 2^(E -
 *    88), of which every double of at least 2^(E - 36) is a multiple.
 * 3. In fixed point (reduce_exact.h): a lane whose exponents are further apart, or with a
 *    NaN, an infinity, or a value near the largest double.
 */
#include "lib/core/reduce_kernels.h"

#include <string.h>

#define VECTORS       (REDUCE_LANES / WIDTH)
#define CHUNK_BITS    6
#define HEADROOM      (CHUNK_BITS + 3)
#define MANTISSA_BITS 52
#define ONE(bit)      (INT64_C(1) << (bit))
#define MAGNITUDE     INT64_MAX
#define EXPONENT      (INT64_C(0x7ff) << MANTISSA_BITS)
#define NAN_BITS      INT64_C(0x7ff8000000000000)
/* Of a lane whose values are smaller: its second unit is 2^-1074 then, of which every double is
 * a multiple. */
#define LEAST_LARGEST 0x1p-986
#define MOST_LARGEST  0x1p1012

/* A half has 26 bits of the mantissa, or 27. */
#define UPPER_HALF (-ONE(27))
/* How far apart the exponents of values may be. */
#define SPREAD(n) (ONE(MANTISSA_BITS) * (26 - bits_of_number(n)))

static_assert(REDUCE_CHUNK == 1 << CHUNK_BITS, "the headroom is for a chunk");
static_assert(VECTORS % ABREAST == 0, "all lanes take part");

typedef double doubles __attribute__((vector_size(WIDTH * 8)));
typedef int64_t words __attribute__((vector_size(WIDTH * 8)));
/* As they lie in the vectors of others. */
typedef double doubles_there __attribute__((vector_size(WIDTH * 8), aligned(8), may_alias));
typedef int64_t words_there __attribute__((vector_size(WIDTH * 8), aligned(8), may_alias));

/* A column, in vectors. */
typedef doubles column[VECTORS];

/* The least b with n <= 2^b. */
static inline int bits_of_number(unsigned n)
{
	return n > 1 ? 32 - __builtin_clz(n - 1) : 0;
}

static inline const char *element_at(const struct reduce_vector *vector, size_t at)
{
	return (const char *)vector->values + at * 8;
}

static void gather_some(reduce_columns columns, const struct reduce_vector *vectors,
			unsigned n_vectors, size_t first, unsigned n_lanes)
{
	memset(columns, 0, n_vectors * sizeof(columns[0]));
	for (unsigned i = 0; i < n_vectors; i++) {
		const volatile uint64_t *from = (const void *)element_at(&vectors[i], first);

		for (unsigned lane = 0; lane < n_lanes; lane++)
			columns[i][lane] = from[lane];
	}
}

static void gather_all(reduce_columns columns, const struct reduce_vector *vectors,
		       unsigned n_vectors, size_t first)
{
	for (unsigned i = 0; i < n_vectors; i++) {
		const volatile words_there *from = (const void *)element_at(&vectors[i], first);
		words *to = (void *)columns[i];

		for (unsigned v = 0; v < VECTORS; v++)
			to[v] = from[v];
	}
}

static void gather(reduce_columns columns, const struct reduce_vector *vectors, unsigned n_vectors,
		   size_t first, unsigned n_lanes)
{
	if (n_lanes == REDUCE_LANES)
		gather_all(columns, vectors, n_vectors, first);
	else
		gather_some(columns, vectors, n_vectors, first, n_lanes);
}

/* Add @n values of the lanes of ABREAST vectors. high + low is the exact sum of the lanes where
 * *wrong is 0. */
static inline void deposit(column *values, unsigned n, unsigned from, column largest, doubles *high,
			   doubles *low, words *wrong)
{
	doubles base1[ABREAST], base2[ABREAST], sum1[ABREAST], sum2[ABREAST];
	words rest[ABREAST];

	for (unsigned v = 0; v < ABREAST; v++) {
		words exponent = (words)largest[from + v] & EXPONENT;

		rest[v] = (words)(largest[from + v] > MOST_LARGEST);
		base1[v] = (doubles)(exponent + (HEADROOM * ONE(MANTISSA_BITS) + ONE(51)));
		base2[v] = (doubles)((words)base1[v] - (51 - CHUNK_BITS) * ONE(MANTISSA_BITS));
		sum1[v] = base1[v];
		sum2[v] = base2[v];
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned v = 0; v < ABREAST; v++) {
			doubles value = values[i][from + v], before = sum1[v], difference;

			sum1[v] += value;
			difference = value - (sum1[v] - before);
			before = sum2[v];
			sum2[v] += difference;
			rest[v] |= (words)(difference - (sum2[v] - before));
		}
	}
	for (unsigned v = 0; v < ABREAST; v++) {
		doubles a = sum1[v] - base1[v], b = sum2[v] - base2[v], part;

		/* What high is short of a + b: D. E. Knuth's two-sum. */
		high[v] = a + b;
		part = high[v] - a;
		low[v] = (a - (high[v] - part)) + (b - part);
		wrong[v] = rest[v] & MAGNITUDE;
	}
}

static inline unsigned lanes_of(const words *wrong)
{
	unsigned lanes = 0;

	for (unsigned lane = 0; lane < REDUCE_LANES; lane++)
		lanes |= (unsigned)(wrong[lane / WIDTH][lane % WIDTH] != 0) << lane;
	return lanes;
}

/* The sums of the columns. Returns the lanes in which they are not known. */
static inline unsigned sum_columns(column *values, unsigned n, column largest, doubles *high,
				   doubles *low)
{
	words wrong[VECTORS], any = {0};

	for (unsigned v = 0; v < VECTORS; v += ABREAST)
		deposit(values, n, v, largest, high + v, low + v, wrong + v);
	for (unsigned v = 0; v < VECTORS; v++)
		any |= wrong[v];
	return ANY(any) ? lanes_of(wrong) : 0;
}

static unsigned sum_pairs(reduce_columns columns, unsigned n_vectors, double high[REDUCE_LANES],
			  double low[REDUCE_LANES])
{
	doubles highs[VECTORS], lows[VECTORS];
	column *values = (void *)columns, largest;
	unsigned wrong;

	for (unsigned v = 0; v < VECTORS; v++)
		largest[v] = (doubles){0} + LEAST_LARGEST;
	for (unsigned i = 0; i < n_vectors; i++) {
		for (unsigned v = 0; v < VECTORS; v++)
			largest[v] =
				GREATER((doubles)((words)values[i][v] & MAGNITUDE), largest[v]);
	}
	wrong = sum_columns(values, n_vectors, largest, highs, lows);
	memcpy(high, highs, sizeof(highs));
	memcpy(low, lows, sizeof(lows));
	return wrong;
}

/* Sums (means) of columns whose halves do not do. */
static __attribute__((noinline)) void sum_further(reduce_columns columns, unsigned n_vectors,
						  bool mean, double *out)
{
	double high[REDUCE_LANES], low[REDUCE_LANES];
	unsigned wrong = sum_pairs(columns, n_vectors, high, low);

	for (unsigned lane = 0; lane < REDUCE_LANES; lane++)
		out[lane] = mean ? high[lane] / n_vectors + 0.0 : high[lane];
	if (wrong && mean)
		reduce_mean_exactly(columns, n_vectors, wrong, out);
	else if (wrong)
		reduce_sum_exactly(columns, n_vectors, wrong, out);
}

/* The sums of ABREAST vectors of lanes, by halves. Copies the values to @values. */
static inline void sum_halves(column *values, const struct reduce_vector *vectors, unsigned n,
			      size_t at, unsigned from, doubles *high, words *wrong)
{
	doubles upper[ABREAST], lower[ABREAST], largest[ABREAST], least[ABREAST];

	for (unsigned v = 0; v < ABREAST; v++) {
		upper[v] = lower[v] = largest[v] = (doubles){0};
		least[v] = (doubles){0} + MOST_LARGEST;
	}
	for (unsigned i = 0; i < n; i++) {
		const volatile doubles_there *there = (const void *)element_at(&vectors[i], at);

		for (unsigned v = 0; v < ABREAST; v++) {
			doubles value = there[from + v], half;
			words magnitude = (words)value & MAGNITUDE;

			values[i][from + v] = value;
			half = (doubles)((words)value & UPPER_HALF);
			upper[v] += half;
			lower[v] += value - half;
			largest[v] = GREATER((doubles)magnitude, largest[v]);
			/* 0 becomes NaN. */
			least[v] = LESS((doubles)(magnitude - 1), least[v]);
		}
	}
	for (unsigned v = 0; v < ABREAST; v++) {
		words apart = (words)largest[v] - (words)least[v];

		high[v] = upper[v] + lower[v];
		wrong[v] = (words)(apart >= SPREAD(n)) | (words)(largest[v] > MOST_LARGEST) |
			   (words)(high[v] != high[v]);
	}
}

/* Sums (means) of REDUCE_LANES doubles. */
static inline void sum_lanes(const struct reduce_vector *vectors, unsigned n_vectors, size_t at,
			     bool mean, double *out)
{
	reduce_columns columns;
	column *values = (void *)columns;
	doubles high[VECTORS];
	words wrong[VECTORS], any = {0};
	doubles_there *to = (void *)out;

	for (unsigned v = 0; v < VECTORS; v += ABREAST)
		sum_halves(values, vectors, n_vectors, at, v, high + v, wrong + v);
	for (unsigned v = 0; v < VECTORS; v++)
		any |= wrong[v];
	for (unsigned v = 0; v < VECTORS; v++)
		to[v] = mean ? high[v] / (double)n_vectors + 0.0 : high[v];
	if (ANY(any))
		sum_further(columns, n_vectors, mean, out);
}

/* One vector, or two: one addition rounds once. */
static inline void sum_one_or_two(const struct reduce_vector *vectors, unsigned n_vectors,
				  size_t at, double *out)
{
	const volatile doubles_there *a = (const void *)element_at(&vectors[0], at);
	const volatile doubles_there *b = (const void *)element_at(&vectors[n_vectors - 1], at);
	doubles_there *to = (void *)out;

	for (unsigned v = 0; v < VECTORS; v++) {
		doubles sum = a[v];
		words is_nan;

		if (n_vectors == 2)
			sum += b[v];
		is_nan = (words)(sum != sum);
		/* A sum of zeros is +0. */
		sum += 0.0;
		to[v] = (doubles)(((words)sum & ~is_nan) | (NAN_BITS & is_nan));
	}
}

/* The vectors of the last elements, which are fewer than REDUCE_LANES, with zeros behind. */
static inline void pad(struct reduce_vector *padded, reduce_columns columns,
		       const struct reduce_vector *vectors, unsigned n_vectors, size_t at,
		       unsigned n_lanes)
{
	gather_some(columns, vectors, n_vectors, at, n_lanes);
	for (unsigned i = 0; i < n_vectors; i++)
		padded[i].values = columns[i];
}

/* A kernel that goes through all lanes by LANES(vectors, n_vectors, at, out). */
#define KERNEL(name, type, LANES)                                                               \
	static void name(const struct reduce_vector *vectors, unsigned n_vectors, size_t first, \
			 size_t count, void *to)                                                \
	{                                                                                       \
		struct reduce_vector padded[REDUCE_CHUNK];                                      \
		reduce_columns columns;                                                         \
		type *out = to, last[REDUCE_LANES];                                             \
		size_t at = 0;                                                                  \
                                                                                                \
		for (; at + REDUCE_LANES <= count; at += REDUCE_LANES)                          \
			LANES(vectors, n_vectors, first + at, out + at);                        \
		if (at == count)                                                                \
			return;                                                                 \
		pad(padded, columns, vectors, n_vectors, first + at, (unsigned)(count - at));   \
		LANES(padded, n_vectors, 0, last);                                              \
		memcpy(out + at, last, (count - at) * sizeof(*out));                            \
	}

#define SUM_LANES(vectors, n, at, out)  sum_lanes(vectors, n, at, false, out)
#define MEAN_LANES(vectors, n, at, out) sum_lanes(vectors, n, at, true, out)
#define SUM_OF_ONE(vectors, n, at, out) sum_one_or_two(vectors, 1, at, out)
#define SUM_OF_TWO(vectors, n, at, out) sum_one_or_two(vectors, 2, at, out)

KERNEL(sum_of_one, double, SUM_OF_ONE)
KERNEL(sum_of_two, double, SUM_OF_TWO)
KERNEL(sum_of_many, double, SUM_LANES)
KERNEL(mean_doubles, double, MEAN_LANES)

static void sum_doubles(const struct reduce_vector *vectors, unsigned n_vectors, size_t first,
			size_t count, void *out)
{
	reduce_kernel *kernel = n_vectors == 1   ? sum_of_one
				: n_vectors == 2 ? sum_of_two
						 : sum_of_many;

	kernel(vectors, n_vectors, first, count, out);
}

/* Integers whose order is that of the doubles, -0 before +0, and back: the other way round is
 * the same. */
static inline void turn(words *bits)
{
	*bits ^= (words)(*bits < 0) & MAGNITUDE;
}

/* Where the order has no place for NaN: as the least of all, if @least, or as the greatest. */
static inline void to_order(words *bits, bool least)
{
	words is_nan = (words)((*bits & MAGNITUDE) > EXPONENT);

	turn(bits);
	*bits = (*bits & ~is_nan) | ((least ? INT64_MIN : INT64_MAX) & is_nan);
}

static inline void from_order(words *bits)
{
	words is_nan;

	turn(bits);
	is_nan = (words)((*bits & MAGNITUDE) > EXPONENT);
	*bits = (*bits & ~is_nan) | (NAN_BITS & is_nan);
}

static inline void select_lanes(const struct reduce_vector *vectors, unsigned n_vectors, size_t at,
				bool least, bool of_doubles, int64_t *out)
{
	words selected[VECTORS];
	words_there *to = (void *)out;

	for (unsigned v = 0; v < VECTORS; v++)
		selected[v] = (words){0} + (least ? INT64_MAX : INT64_MIN);
	for (unsigned i = 0; i < n_vectors; i++) {
		const volatile words_there *from = (const void *)element_at(&vectors[i], at);

		for (unsigned v = 0; v < VECTORS; v++) {
			words value = from[v], better;

			if (of_doubles)
				to_order(&value, least);
			better = (words)(least ? value < selected[v] : value > selected[v]);
			selected[v] = (value & better) | (selected[v] & ~better);
		}
	}
	for (unsigned v = 0; v < VECTORS; v++) {
		if (of_doubles)
			from_order(&selected[v]);
		to[v] = selected[v];
	}
}

#define MIN_INT64(vectors, n, at, out)   select_lanes(vectors, n, at, true, false, out)
#define MAX_INT64(vectors, n, at, out)   select_lanes(vectors, n, at, false, false, out)
#define MIN_DOUBLES(vectors, n, at, out) select_lanes(vectors, n, at, true, true, out)
#define MAX_DOUBLES(vectors, n, at, out) select_lanes(vectors, n, at, false, true, out)

KERNEL(min_int64, int64_t, MIN_INT64)
KERNEL(max_int64, int64_t, MAX_INT64)
KERNEL(min_doubles, int64_t, MIN_DOUBLES)
KERNEL(max_doubles, int64_t, MAX_DOUBLES)

static inline void sum_int64_lanes(const struct reduce_vector *vectors, unsigned n_vectors,
				   size_t at, int64_t *out)
{
	typedef uint64_t naturals __attribute__((vector_size(WIDTH * 8)));
	naturals sum[VECTORS] = {0};
	words_there *to = (void *)out;

	for (unsigned i = 0; i < n_vectors; i++) {
		const volatile words_there *from = (const void *)element_at(&vectors[i], at);

		for (unsigned v = 0; v < VECTORS; v++)
			sum[v] += (naturals)from[v];
	}
	for (unsigned v = 0; v < VECTORS; v++)
		to[v] = (words)sum[v];
}

KERNEL(sum_int64, int64_t, sum_int64_lanes)

const struct reduce_kernels KERNELS = {
	.name = NAME,
	.runs_here = RUNS_HERE,
	.whole = {[REDUCE_SUM] = {sum_int64, sum_doubles},
		  [REDUCE_MEAN] = {NULL, mean_doubles},
		  [REDUCE_MIN] = {min_int64, min_doubles},
		  [REDUCE_MAX] = {max_int64, max_doubles}},
	.gather = gather,
	.sum_pairs = sum_pairs,
};
