/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzzer's bytes as a stream of decisions; behind its end everything is 0. */
#ifndef TESTS_FUZZ_FEED_H
#define TESTS_FUZZ_FEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct feed {
	const uint8_t *at, *end;
};

static inline uint8_t feed8(struct feed *feed)
{
	return feed->at < feed->end ? *feed->at++ : 0;
}

static inline uint16_t feed16(struct feed *feed)
{
	uint8_t high = feed8(feed);

	return (uint16_t)(high << 8 | feed8(feed));
}

static inline uint32_t feed32(struct feed *feed)
{
	uint32_t high = feed16(feed);

	return high << 16 | feed16(feed);
}

static inline uint64_t feed64(struct feed *feed)
{
	uint64_t high = feed32(feed);

	return high << 32 | feed32(feed);
}

/* Something near to an edge. */
static inline int64_t feed_near(struct feed *feed)
{
	return (int8_t)feed8(feed);
}

/* libFuzzer keeps the input that led to an abort. */
#define MUST(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

#endif
