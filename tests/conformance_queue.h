/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of a queue share: items that are numbers. */
#ifndef TESTS_CONFORMANCE_QUEUE_H
#define TESTS_CONFORMANCE_QUEUE_H

#include "tests/conformance_pair.h"

/* The tests that look at the memory of the queue, and write to it. */
TCase *conformance_queue_behind(void);
TCase *conformance_queue_nonsense(void);

/* Those of a rendezvous. */
TCase *conformance_queue_rendezvous(void);

static inline struct dso_queue *queue_in(struct dso_session *in, uint64_t capacity,
					 uint32_t item_bytes)
{
	const struct dso_queue_params params = {.capacity = capacity, .item_bytes = item_bytes};
	struct dso_queue *queue;

	OK(in, dso_queue_open(in, name, &params, &queue));
	return queue;
}

static inline int push(struct dso_queue *queue, uint64_t number, int64_t timeout)
{
	return dso_queue_push(queue, &number, sizeof number, timeout);
}

static inline int pop(struct dso_queue *queue, uint64_t *number, int64_t timeout)
{
	size_t length = 0;
	int r = dso_queue_pop(queue, number, sizeof *number, timeout, &length);

	if (r == 0)
		ck_assert_uint_eq(length, sizeof *number);
	return r;
}

static inline void pops(struct dso_queue *queue, uint64_t expected)
{
	uint64_t number = ~expected;

	OK(other, pop(queue, &number, DSO_NOWAIT));
	ck_assert_uint_eq(number, expected);
}

static inline uint64_t length_of(struct dso_queue *queue)
{
	uint64_t length = ~UINT64_C(0);

	ck_assert_int_eq(dso_queue_length(queue, &length), 0);
	return length;
}

static inline uint64_t leases(struct dso_queue *queue, uint64_t expected, uint32_t deliveries)
{
	uint64_t number = 0;
	struct dso_queue_item item = {.bytes = &number, .bytes_max = sizeof number};

	ck_assert_int_eq(dso_queue_lease(queue, &item, DSO_NOWAIT), 0);
	ck_assert_uint_eq(item.length_bytes, sizeof number);
	ck_assert_uint_eq(number, expected);
	ck_assert_uint_eq(item.deliveries, deliveries);
	return item.ticket;
}

#endif
