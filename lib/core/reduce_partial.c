/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/reduce.h"

#include <assert.h>
#include <string.h>

#include "lib/core/reduce_environment.h"
#include "lib/core/reduce_exact.h"
#include "lib/core/reduce_kernels.h"

#define EXPONENT_BITS UINT64_C(0x7ff0000000000000)
#define NAN_BITS      UINT64_C(0x7ff8000000000000)
#define SIGN_BIT      (UINT64_C(1) << 63)
/* The sum of up to 2^20 doubles times 2^-32 is below the largest double. */
#define MEAN_SCALE 32

__extension__ typedef __int128 i128;

/* What is not finite, a bit each. */
enum { HAS_NAN = 1, HAS_INFINITY = 2, HAS_MINUS_INFINITY = 4 };

struct reduce_partial {
	enum reduce_operation operation;
	enum reduce_element element;
	unsigned n_lanes;
	uint32_t n_vectors;
	/* sum and mean of doubles: high + low, but for the lanes that have a bit in @spilled:
	 * these are in @sums. */
	double high[REDUCE_LANES], low[REDUCE_LANES];
	unsigned spilled;
	uint8_t not_finite[REDUCE_LANES];
	/* min, max, argmin, argmax: the value as an integer in the order that counts, the least
	 * is selected; and its id. */
	int64_t rank[REDUCE_LANES];
	uint64_t id[REDUCE_LANES];
	/* sum and mean of int64. */
	i128 whole[REDUCE_LANES];
	/* variance too. */
	struct exact sums[REDUCE_LANES];
	struct exact_squares squares[REDUCE_LANES];
};

/* What an operation does with a partial. */
struct verbs {
	void (*begin)(struct reduce_partial *partial);
	/* vectors[i] has the id of columns[i]. */
	void (*add)(const struct reduce_kernels *kernels, struct reduce_partial *partial,
		    reduce_columns columns, const struct reduce_vector *vectors,
		    unsigned n_vectors);
	void (*combine)(struct reduce_partial *partial, const struct reduce_partial *other);
	/* The bits of the result of a lane. */
	uint64_t (*finish)(const struct reduce_partial *partial, unsigned lane);
};

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static double double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static bool is_finite(uint64_t bits)
{
	return (bits & EXPONENT_BITS) != EXPONENT_BITS;
}

static uint8_t kind_of(uint64_t bits)
{
	if ((bits & ~SIGN_BIT) > EXPONENT_BITS)
		return HAS_NAN;
	return bits & SIGN_BIT ? HAS_MINUS_INFINITY : HAS_INFINITY;
}

/* The sum of what is not finite. */
static uint64_t sum_not_finite(uint8_t kinds)
{
	if (kinds == HAS_INFINITY)
		return EXPONENT_BITS;
	return kinds == HAS_MINUS_INFINITY ? SIGN_BIT | EXPONENT_BITS : NAN_BITS;
}

/* Of a finite sum. A mean that is rounded to 0 is +0. */
static double mean_of(const struct exact *sum, uint32_t n)
{
	double rounded = exact_round(sum, 0);

	if (is_finite(bits_of(rounded)))
		return rounded / n + 0.0;
	return exact_round(sum, -MEAN_SCALE) / n * (double)(INT64_C(1) << MEAN_SCALE);
}

/* Values to an exact sum of a lane, or to what is not finite. */
static void add_exactly(struct exact *sum, uint8_t *not_finite, reduce_columns columns,
			unsigned n_vectors, unsigned lane)
{
	for (unsigned i = 0; i < n_vectors; i++) {
		if (is_finite(columns[i][lane]))
			exact_add(sum, double_of(columns[i][lane]));
		else
			*not_finite |= kind_of(columns[i][lane]);
	}
}

/* The sum or the mean of a lane. */
static uint64_t result_of(const struct exact *sum, uint8_t not_finite, bool mean, uint32_t n)
{
	if (not_finite)
		return sum_not_finite(not_finite);
	return bits_of(mean ? mean_of(sum, n) : exact_round(sum, 0));
}

static void lanes_exactly(reduce_columns columns, unsigned n_vectors, unsigned lanes, bool mean,
			  double *out)
{
	for (; lanes; lanes &= lanes - 1) {
		unsigned lane = (unsigned)__builtin_ctz(lanes);
		uint8_t not_finite = 0;
		struct exact sum;
		uint64_t result;

		exact_begin(&sum);
		add_exactly(&sum, &not_finite, columns, n_vectors, lane);
		result = result_of(&sum, not_finite, mean, n_vectors);
		memcpy(&out[lane], &result, sizeof(result));
	}
}

void reduce_sum_exactly(reduce_columns columns, unsigned n_vectors, unsigned lanes, double *out)
{
	lanes_exactly(columns, n_vectors, lanes, false, out);
}

void reduce_mean_exactly(reduce_columns columns, unsigned n_vectors, unsigned lanes, double *out)
{
	lanes_exactly(columns, n_vectors, lanes, true, out);
}

/* Sum and mean of doubles. */

static void sums_begin(struct reduce_partial *partial)
{
	memset(partial->high, 0, sizeof(partial->high));
	memset(partial->low, 0, sizeof(partial->low));
	memset(partial->not_finite, 0, sizeof(partial->not_finite));
	partial->spilled = 0;
}

/* Have a lane in fixed point. */
static void spill(struct reduce_partial *partial, unsigned lane)
{
	if (partial->spilled >> lane & 1)
		return;
	partial->spilled |= 1u << lane;
	exact_begin(&partial->sums[lane]);
	exact_add(&partial->sums[lane], partial->high[lane]);
	exact_add(&partial->sums[lane], partial->low[lane]);
}

/* *a + b, rounded, to *a, and what was rounded off to *b. */
static void two_sum(double *a, double *b)
{
	double sum = *a + *b, part = sum - *a;

	*b = (*a - (sum - part)) + (*b - part);
	*a = sum;
}

/* Add high + low to a lane. */
static void sums_put(struct reduce_partial *partial, unsigned lane, double high, double low)
{
	double top = partial->high[lane], rest = partial->low[lane], sum_high = high, sum_low = low;

	if (!(partial->spilled >> lane & 1)) {
		two_sum(&top, &sum_high);
		two_sum(&rest, &sum_low);
		two_sum(&rest, &sum_high);
		two_sum(&top, &rest);
		/* It is exact if nothing is left over. Where something overflowed, there is a
		 * NaN. */
		if (sum_high == 0 && sum_low == 0 && is_finite(bits_of(rest))) {
			partial->high[lane] = top;
			partial->low[lane] = rest;
			return;
		}
		spill(partial, lane);
	}
	exact_add(&partial->sums[lane], high);
	exact_add(&partial->sums[lane], low);
}

static void sums_add(const struct reduce_kernels *kernels, struct reduce_partial *partial,
		     reduce_columns columns, const struct reduce_vector *vectors,
		     unsigned n_vectors)
{
	double high[REDUCE_LANES], low[REDUCE_LANES];
	unsigned wrong = kernels->sum_pairs(columns, n_vectors, high, low);

	for (unsigned lane = 0; lane < partial->n_lanes; lane++) {
		if (!(wrong >> lane & 1)) {
			sums_put(partial, lane, high[lane], low[lane]);
			continue;
		}
		spill(partial, lane);
		add_exactly(&partial->sums[lane], &partial->not_finite[lane], columns, n_vectors,
			    lane);
	}
}

static void sums_combine(struct reduce_partial *partial, const struct reduce_partial *other)
{
	for (unsigned lane = 0; lane < partial->n_lanes; lane++) {
		partial->not_finite[lane] |= other->not_finite[lane];
		if (other->spilled >> lane & 1) {
			spill(partial, lane);
			exact_combine(&partial->sums[lane], &other->sums[lane]);
		} else {
			sums_put(partial, lane, other->high[lane], other->low[lane]);
		}
	}
}

static uint64_t sums_finish(const struct reduce_partial *partial, unsigned lane)
{
	bool mean = partial->operation == REDUCE_MEAN;

	if (mean && partial->n_vectors == 0)
		return NAN_BITS;
	if (partial->spilled >> lane & 1)
		return result_of(&partial->sums[lane], partial->not_finite[lane], mean,
				 partial->n_vectors);
	return bits_of(mean ? partial->high[lane] / partial->n_vectors + 0.0 : partial->high[lane]);
}

/* Sum and mean of int64. */

static void wholes_begin(struct reduce_partial *partial)
{
	memset(partial->whole, 0, sizeof(partial->whole));
}

static void wholes_add(const struct reduce_kernels *kernels, struct reduce_partial *partial,
		       reduce_columns columns, const struct reduce_vector *vectors,
		       unsigned n_vectors)
{
	for (unsigned i = 0; i < n_vectors; i++) {
		for (unsigned lane = 0; lane < partial->n_lanes; lane++)
			partial->whole[lane] += (int64_t)columns[i][lane];
	}
}

static void wholes_combine(struct reduce_partial *partial, const struct reduce_partial *other)
{
	for (unsigned lane = 0; lane < partial->n_lanes; lane++)
		partial->whole[lane] += other->whole[lane];
}

static uint64_t wholes_sum(const struct reduce_partial *partial, unsigned lane)
{
	return (uint64_t)partial->whole[lane];
}

static uint64_t wholes_mean(const struct reduce_partial *partial, unsigned lane)
{
	i128 sum = partial->whole[lane];
	struct exact exact;

	if (partial->n_vectors == 0)
		return NAN_BITS;
	/* The high half counts 2^64; it is small, and the low half is never negative. */
	exact_begin(&exact);
	exact_add_halves(&exact, (int64_t)(sum >> 64), (uint64_t)sum);
	return bits_of(exact_mean(&exact, partial->n_vectors));
}

/* Variance. */

static void variance_begin(struct reduce_partial *partial)
{
	memset(partial->not_finite, 0, sizeof(partial->not_finite));
	for (unsigned lane = 0; lane < partial->n_lanes; lane++) {
		exact_begin(&partial->sums[lane]);
		exact_squares_begin(&partial->squares[lane]);
	}
}

static void variance_add_double(struct reduce_partial *partial, unsigned lane, uint64_t bits)
{
	if (!is_finite(bits)) {
		partial->not_finite[lane] |= kind_of(bits);
		return;
	}
	exact_add(&partial->sums[lane], double_of(bits));
	exact_squares_add(&partial->squares[lane], double_of(bits));
}

static void variance_add(const struct reduce_kernels *kernels, struct reduce_partial *partial,
			 reduce_columns columns, const struct reduce_vector *vectors,
			 unsigned n_vectors)
{
	for (unsigned lane = 0; lane < partial->n_lanes; lane++) {
		for (unsigned i = 0; i < n_vectors; i++) {
			if (partial->element == REDUCE_DOUBLE) {
				variance_add_double(partial, lane, columns[i][lane]);
				continue;
			}
			exact_add_int64(&partial->sums[lane], (int64_t)columns[i][lane]);
			exact_squares_add_int64(&partial->squares[lane], (int64_t)columns[i][lane]);
		}
	}
}

static void variance_combine(struct reduce_partial *partial, const struct reduce_partial *other)
{
	for (unsigned lane = 0; lane < partial->n_lanes; lane++) {
		partial->not_finite[lane] |= other->not_finite[lane];
		exact_combine(&partial->sums[lane], &other->sums[lane]);
		exact_squares_combine(&partial->squares[lane], &other->squares[lane]);
	}
}

static uint64_t variance_finish(const struct reduce_partial *partial, unsigned lane)
{
	if (partial->n_vectors == 0 || partial->not_finite[lane])
		return NAN_BITS;
	return bits_of(
		exact_variance(&partial->sums[lane], &partial->squares[lane], partial->n_vectors,
			       partial->element == REDUCE_DOUBLE ? EXACT_UNIT_OF_DOUBLE : 0));
}

/* Minimum and maximum, and whose it is. */

/* Of a NaN: before everything. */
static int64_t rank_of(const struct reduce_partial *partial, uint64_t bits)
{
	bool greatest = partial->operation == REDUCE_MAX || partial->operation == REDUCE_ARGMAX;
	int64_t order = (int64_t)bits;

	if (partial->element == REDUCE_DOUBLE) {
		if ((bits & ~SIGN_BIT) > EXPONENT_BITS)
			return INT64_MIN;
		order = (int64_t)(bits & SIGN_BIT ? bits ^ ~SIGN_BIT : bits);
	}
	/* One's complement turns the order round. */
	return greatest ? ~order : order;
}

static void select_begin(struct reduce_partial *partial)
{
	for (unsigned lane = 0; lane < REDUCE_LANES; lane++) {
		partial->rank[lane] = INT64_MAX;
		partial->id[lane] = UINT64_MAX;
	}
}

static void select_put(struct reduce_partial *partial, unsigned lane, int64_t rank, uint64_t id)
{
	if (rank < partial->rank[lane] || (rank == partial->rank[lane] && id < partial->id[lane])) {
		partial->rank[lane] = rank;
		partial->id[lane] = id;
	}
}

static void select_add(const struct reduce_kernels *kernels, struct reduce_partial *partial,
		       reduce_columns columns, const struct reduce_vector *vectors,
		       unsigned n_vectors)
{
	for (unsigned i = 0; i < n_vectors; i++) {
		for (unsigned lane = 0; lane < partial->n_lanes; lane++)
			select_put(partial, lane, rank_of(partial, columns[i][lane]),
				   vectors[i].id);
	}
}

static void select_combine(struct reduce_partial *partial, const struct reduce_partial *other)
{
	for (unsigned lane = 0; lane < partial->n_lanes; lane++)
		select_put(partial, lane, other->rank[lane], other->id[lane]);
}

static uint64_t select_value(const struct reduce_partial *partial, unsigned lane)
{
	int64_t rank = partial->rank[lane];
	uint64_t order = (uint64_t)(partial->operation == REDUCE_MAX ? ~rank : rank);

	if (partial->element == REDUCE_INT64)
		return order;
	if (rank == INT64_MIN || rank == INT64_MAX)
		return NAN_BITS;
	return order & SIGN_BIT ? order ^ ~SIGN_BIT : order;
}

static uint64_t select_id(const struct reduce_partial *partial, unsigned lane)
{
	return partial->id[lane];
}

static void count_begin(struct reduce_partial *partial)
{
}

static void count_add(const struct reduce_kernels *kernels, struct reduce_partial *partial,
		      reduce_columns columns, const struct reduce_vector *vectors,
		      unsigned n_vectors)
{
}

static void count_combine(struct reduce_partial *partial, const struct reduce_partial *other)
{
}

static uint64_t count_finish(const struct reduce_partial *partial, unsigned lane)
{
	return partial->n_vectors;
}

#define SUMS                                                    \
	{                                                       \
		sums_begin, sums_add, sums_combine, sums_finish \
	}
#define WHOLES(of)                                           \
	{                                                    \
		wholes_begin, wholes_add, wholes_combine, of \
	}
#define VARIANCE                                                                \
	{                                                                       \
		variance_begin, variance_add, variance_combine, variance_finish \
	}
#define SELECT(of)                                           \
	{                                                    \
		select_begin, select_add, select_combine, of \
	}
#define COUNT                                                       \
	{                                                           \
		count_begin, count_add, count_combine, count_finish \
	}

static const struct verbs verbs[REDUCE_OPERATIONS][REDUCE_ELEMENTS] = {
	[REDUCE_SUM] = {WHOLES(wholes_sum), SUMS},
	[REDUCE_MEAN] = {WHOLES(wholes_mean), SUMS},
	[REDUCE_VARIANCE] = {VARIANCE, VARIANCE},
	[REDUCE_MIN] = {SELECT(select_value), SELECT(select_value)},
	[REDUCE_MAX] = {SELECT(select_value), SELECT(select_value)},
	[REDUCE_ARGMIN] = {SELECT(select_id), SELECT(select_id)},
	[REDUCE_ARGMAX] = {SELECT(select_id), SELECT(select_id)},
	[REDUCE_COUNT] = {COUNT, COUNT},
};

static const struct verbs *verbs_of(const struct reduce_partial *partial)
{
	return &verbs[partial->operation][partial->element];
}

static bool has_vectors(const struct reduce_vector *vectors, unsigned n_vectors)
{
	for (unsigned i = 0; i < n_vectors; i++) {
		if (!vectors[i].values || (uintptr_t)vectors[i].values % 8)
			return false;
	}
	return n_vectors <= REDUCE_VECTORS_MAX;
}

size_t reduce_partial_bytes(void)
{
	return sizeof(struct reduce_partial);
}

bool reduce_gives_double(enum reduce_operation operation, enum reduce_element element)
{
	if (operation == REDUCE_MEAN || operation == REDUCE_VARIANCE)
		return true;
	return element == REDUCE_DOUBLE &&
	       (operation == REDUCE_SUM || operation == REDUCE_MIN || operation == REDUCE_MAX);
}

void reduce_begin(struct reduce_partial *partial, enum reduce_operation operation,
		  enum reduce_element element, unsigned n_lanes)
{
	assert(operation < REDUCE_OPERATIONS && element < REDUCE_ELEMENTS &&
	       n_lanes <= REDUCE_LANES);
	partial->operation = operation;
	partial->element = element;
	partial->n_lanes = n_lanes;
	partial->n_vectors = 0;
	verbs_of(partial)->begin(partial);
}

static void add_chunks(const struct reduce_kernels *kernels, struct reduce_partial *partial,
		       const struct reduce_vector *vectors, unsigned n_vectors, size_t first)
{
	reduce_columns columns;

	for (unsigned done = 0; done < n_vectors; done += REDUCE_CHUNK) {
		unsigned n = n_vectors - done < REDUCE_CHUNK ? n_vectors - done : REDUCE_CHUNK;

		kernels->gather(columns, vectors + done, n, first, partial->n_lanes);
		verbs_of(partial)->add(kernels, partial, columns, vectors + done, n);
	}
	partial->n_vectors += n_vectors;
}

void reduce_add_by(const struct reduce_kernels *kernels, struct reduce_partial *partial,
		   const struct reduce_vector *vectors, unsigned n_vectors, size_t first)
{
	__typeof__(environment_enter()) before = environment_enter();

	assert(has_vectors(vectors, n_vectors));
	assert(n_vectors <= REDUCE_VECTORS_MAX - partial->n_vectors);
	add_chunks(kernels, partial, vectors, n_vectors, first);
	environment_leave(before);
}

void reduce_add(struct reduce_partial *partial, const struct reduce_vector *vectors,
		unsigned n_vectors, size_t first)
{
	reduce_add_by(reduce_kernels_here(), partial, vectors, n_vectors, first);
}

void reduce_combine(struct reduce_partial *partial, const struct reduce_partial *other)
{
	__typeof__(environment_enter()) before = environment_enter();

	assert(partial->operation == other->operation && partial->element == other->element &&
	       partial->n_lanes == other->n_lanes);
	assert(other->n_vectors <= REDUCE_VECTORS_MAX - partial->n_vectors);
	verbs_of(partial)->combine(partial, other);
	partial->n_vectors += other->n_vectors;
	environment_leave(before);
}

static void finish(const struct reduce_partial *partial, uint64_t *out)
{
	for (unsigned lane = 0; lane < partial->n_lanes; lane++)
		out[lane] = verbs_of(partial)->finish(partial, lane);
}

void reduce_finish(const struct reduce_partial *partial, void *out)
{
	__typeof__(environment_enter()) before = environment_enter();

	finish(partial, out);
	environment_leave(before);
}

/* By a partial of REDUCE_LANES elements after another. */
static void range_by_partials(const struct reduce_kernels *kernels, enum reduce_operation operation,
			      enum reduce_element element, const struct reduce_vector *vectors,
			      unsigned n_vectors, size_t first, size_t count, uint64_t *out)
{
	struct reduce_partial partial;

	for (size_t at = 0; at < count; at += REDUCE_LANES) {
		size_t n = count - at < REDUCE_LANES ? count - at : REDUCE_LANES;

		reduce_begin(&partial, operation, element, (unsigned)n);
		add_chunks(kernels, &partial, vectors, n_vectors, first + at);
		finish(&partial, out + at);
	}
}

void reduce_range_by(const struct reduce_kernels *kernels, enum reduce_operation operation,
		     enum reduce_element element, const struct reduce_vector *vectors,
		     unsigned n_vectors, size_t first, size_t count, void *out)
{
	__typeof__(environment_enter()) before = environment_enter();

	assert(operation < REDUCE_OPERATIONS && element < REDUCE_ELEMENTS);
	assert(has_vectors(vectors, n_vectors));
	if (n_vectors > 0 && n_vectors <= REDUCE_CHUNK && kernels->whole[operation][element])
		kernels->whole[operation][element](vectors, n_vectors, first, count, out);
	else
		range_by_partials(kernels, operation, element, vectors, n_vectors, first, count,
				  out);
	environment_leave(before);
}

void reduce_range(enum reduce_operation operation, enum reduce_element element,
		  const struct reduce_vector *vectors, unsigned n_vectors, size_t first,
		  size_t count, void *out)
{
	reduce_range_by(reduce_kernels_here(), operation, element, vectors, n_vectors, first, count,
			out);
}
