/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/workload.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define ZIPFIAN_THETA 0.99

/* In a hundred. Where they do not add up the rest are inserts. */
static const struct {
	char letter;
	unsigned reads, updates, modifies;
} mixes[] = {
	{'A', 50, 50, 0}, {'B', 95, 5, 0}, {'C', 100, 0, 0}, {'D', 95, 0, 0}, {'F', 50, 0, 50}};

static uint64_t draw(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return *state >> 11;
}

/* From 0 on, below 1. */
static double draw_part(uint64_t *state)
{
	return (double)draw(state) / (double)(UINT64_C(1) << 53);
}

static uint64_t fnv(uint64_t number)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < 8; i++, number >>= 8)
		hash = (hash ^ (number & 255)) * UINT64_C(0x100000001b3);
	return hash;
}

static double zeta(uint64_t n, double theta)
{
	double sum = 0;

	for (uint64_t i = 1; i <= n; i++)
		sum += 1 / pow((double)i, theta);
	return sum;
}

bool workload_begin(struct workload *workload, char letter, bool is_uniform, uint64_t keys)
{
	double theta = ZIPFIAN_THETA;
	bool is_there = false;

	for (unsigned i = 0; i < sizeof mixes / sizeof *mixes; i++)
		is_there |= mixes[i].letter == letter;
	workload->letter = letter;
	workload->is_uniform = is_uniform;
	workload->keys = keys;
	workload->present = keys;
	workload->theta = theta;
	workload->zeta = zeta(keys, theta);
	workload->alpha = 1 / (1 - theta);
	workload->eta =
		(1 - pow(2.0 / (double)keys, 1 - theta)) / (1 - zeta(2, theta) / workload->zeta);
	return is_there;
}

/* How popular: 0 the most. */
static uint64_t draw_rank(const struct workload *workload, uint64_t *state)
{
	double u = draw_part(state), uz = u * workload->zeta;
	uint64_t rank;

	if (workload->is_uniform)
		return draw(state) % workload->keys;
	if (uz < 1)
		return 0;
	if (uz < 1 + pow(0.5, workload->theta))
		return 1;
	rank = (uint64_t)((double)workload->keys *
			  pow(workload->eta * u - workload->eta + 1, workload->alpha));
	return rank < workload->keys ? rank : workload->keys - 1;
}

static enum workload_operation draw_operation(const struct workload *workload, uint64_t *state)
{
	unsigned lot = (unsigned)(draw(state) % 100), i = 0;

	while (mixes[i].letter != workload->letter)
		i++;
	if (lot < mixes[i].reads)
		return WORKLOAD_READ;
	if (lot < mixes[i].reads + mixes[i].updates)
		return WORKLOAD_UPDATE;
	return lot < mixes[i].reads + mixes[i].updates + mixes[i].modifies ? WORKLOAD_MODIFY
									   : WORKLOAD_INSERT;
}

enum workload_operation workload_next(struct workload *workload, uint64_t *state, uint64_t *ret_key)
{
	enum workload_operation operation = draw_operation(workload, state);
	uint64_t rank;

	if (operation == WORKLOAD_INSERT) {
		*ret_key = atomic_fetch_add(&workload->present, 1);
		return operation;
	}
	rank = draw_rank(workload, state);
	/* The very last ones may be under way yet. */
	*ret_key = workload->letter == 'D' ? atomic_load(&workload->present) - 1 - rank
		   : workload->is_uniform  ? rank
					   : fnv(rank) % workload->keys;
	return operation;
}

unsigned workload_key(uint64_t number, char name[WORKLOAD_KEY_BYTES])
{
	return (unsigned)snprintf(name, WORKLOAD_KEY_BYTES, "user%" PRIu64, fnv(number) >> 1);
}
