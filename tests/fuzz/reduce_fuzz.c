/* SPDX-License-Identifier: Apache-2.0 */
/* Any vectors, operation and grouping: all kernels, whole and in parts, give the same bits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/reduce_kernels.h"
#include "tests/fuzz/feed.h"

#define VECTORS 80
#define LENGTH  19

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static uint64_t values[VECTORS][LENGTH];
static struct reduce_vector vectors[VECTORS];

/* Near to each other, with few bits, the negative of one before, or anything. */
static uint64_t feed_value(struct feed *feed, uint64_t before)
{
	uint8_t kind = feed8(feed);

	switch (kind % 4) {
	case 0:
		return before ^ UINT64_C(1) << 63;
	case 1:
		return (uint64_t)(1023 - 32 + (kind >> 2)) << 52 | feed16(feed);
	case 2:
		return (uint64_t)feed16(feed) << 48 | (kind >> 2);
	default:
		return feed64(feed);
	}
}

static void in_parts(struct feed *feed, const struct reduce_kernels *kernels, unsigned kind,
		     unsigned n, uint64_t *out)
{
	static struct reduce_partial *whole, *part;
	unsigned cut = n ? feed8(feed) % n : 0;

	if (!whole) {
		whole = aligned_alloc(64, (reduce_partial_bytes() + 63) / 64 * 64);
		part = aligned_alloc(64, (reduce_partial_bytes() + 63) / 64 * 64);
	}
	reduce_begin(whole, kind / 2, kind % 2, REDUCE_LANES);
	reduce_begin(part, kind / 2, kind % 2, REDUCE_LANES);
	reduce_add_by(kernels, whole, vectors + cut, n - cut, 0);
	reduce_add_by(kernels, part, vectors, cut, 0);
	reduce_combine(whole, part);
	reduce_finish(whole, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct feed feed = {bytes, bytes + count};
	unsigned kind = feed8(&feed) % (2 * REDUCE_OPERATIONS), n = feed8(&feed) % (VECTORS + 1);
	uint64_t expected[LENGTH], out[LENGTH], before = 0;

	for (unsigned v = 0; v < n; v++) {
		vectors[v] = (struct reduce_vector){values[v], feed8(&feed)};
		for (unsigned i = 0; i < LENGTH; i++)
			before = values[v][i] = feed_value(&feed, before);
	}
	for (unsigned k = 0; reduce_kernels[k]; k++) {
		if (!reduce_kernels[k]->runs_here())
			continue;
		reduce_range_by(reduce_kernels[k], kind / 2, kind % 2, vectors, n, 0, LENGTH,
				k ? out : expected);
		if (k && memcmp(out, expected, sizeof(out)) != 0)
			abort();
		in_parts(&feed, reduce_kernels[k], kind, n, out);
		if (memcmp(out, expected, REDUCE_LANES * sizeof(*out)) != 0)
			abort();
	}
	return 0;
}
