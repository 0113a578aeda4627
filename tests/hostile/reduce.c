/* SPDX-License-Identifier: Apache-2.0 */
/* REDUCE: of what is no round, and of an aggregator in whose words a client wrote anything. */
#include "tests/hostile/hostile.h"

#include <stdlib.h>
#include <string.h>

#define CONTRIBUTORS 3
#define LENGTH       40
#define ROUNDS       2000

struct opened {
	uint32_t handle;
	uint64_t offset;
};

static struct opened open_aggregator(int fd)
{
	struct {
		struct control_open open;
		char name[3];
	} body = {.open = {.type = le16_of(OBJECT_AGGREGATOR),
			   .flags = CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS,
			   .name_bytes = sizeof body.name},
		  .name = "agg"};
	le64_t *parameter = body.open.parameters.parameter;
	struct control_opened opened;
	struct message reply;

	parameter[AGGREGATOR_PARAMETER_LENGTH] = le64_of(LENGTH);
	parameter[AGGREGATOR_PARAMETER_KIND] =
		le64_of(AGGREGATOR_KIND(AGGREGATOR_SUM, AGGREGATOR_DOUBLE));
	parameter[AGGREGATOR_PARAMETER_CONTRIBUTORS] = le64_of(CONTRIBUTORS);
	ck_assert_uint_eq(call(fd, CONTROL_OPEN, &body, sizeof body, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	return (struct opened){le32_get(opened.handle), le64_get(opened.offset)};
}

static unsigned reduce(int fd, uint32_t handle, uint64_t round, struct message *reply)
{
	struct control_reduce ask = {.handle = le32_of(handle), .round = le64_of(round)};

	return call(fd, CONTROL_REDUCE, &ask, sizeof ask, reply);
}

START_TEST(what_is_no_round_of_an_aggregator_is_not_reduced)
{
	static const uint64_t rounds[] = {0, 1, 2, UINT64_C(1) << 40, UINT64_MAX};
	struct client client;
	struct message reply;
	struct control_opened counter;
	struct control_reduced reduced;
	struct opened opened;

	START();
	client = client_new();
	opened = open_aggregator(client.fd);
	ck_assert_uint_eq(try_open(client.fd, OBJECT_COUNTER, "counter", 7, 0, &reply), WIRE_OK);
	memcpy(&counter, reply.body, sizeof counter);
	ck_assert_uint_eq(reduce(client.fd, le32_get(counter.handle), 1, &reply), WIRE_TYPE);
	ck_assert_uint_eq(reduce(client.fd, opened.handle + 99, 1, &reply), WIRE_STALE);
	/* Nobody has contributed: the first round goes on. */
	for (unsigned i = 0; i < sizeof rounds / sizeof *rounds; i++) {
		ck_assert_uint_eq(reduce(client.fd, opened.handle, rounds[i], &reply), WIRE_OK);
		memcpy(&reduced, reply.body, sizeof reduced);
		ck_assert_uint_eq(aggregator_round(le64_get(reduced.word)), 1);
	}
	finish();
}
END_TEST

/* A value for a word of the aggregator that is near to what it could be. */
static uint64_t any_value(unsigned *state)
{
	uint64_t round = (uint64_t)rand_r(state) % 4, middle = (uint64_t)rand_r(state) % 12;

	if (rand_r(state) % 8 == 0)
		return (uint64_t)rand_r(state) << 33 ^ (uint64_t)rand_r(state) << 11;
	return round << 24 | middle << 8 | (uint64_t)(rand_r(state) % 4);
}

START_TEST(an_aggregator_with_garbage_in_its_words_harms_nobody)
{
	uint64_t words = aggregator_id_offset(CONTRIBUTORS, CONTRIBUTORS) / 8;
	struct client client;
	struct message reply;
	struct opened opened;
	unsigned state = 7;
	uint8_t *arena;

	START();
	client = client_new();
	opened = open_aggregator(client.fd);
	arena = map_arena(&client);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned status;

		for (uint64_t at = AGGREGATOR_ROUND_OFFSET / 8; at < words; at++) {
			le64_t word = le64_of(any_value(&state));

			if (rand_r(&state) % 2)
				memcpy(arena + opened.offset + 8 * at, &word, sizeof word);
		}
		status = reduce(client.fd, opened.handle, i % 4, &reply);
		ck_assert_msg(status == WIRE_OK || status == WIRE_DEVICE, "%u", status);
	}
	finish();
}
END_TEST

TCase *reduce_tests(void)
{
	TCase *tests = tcase_create("reduce");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, what_is_no_round_of_an_aggregator_is_not_reduced);
	tcase_add_test(tests, an_aggregator_with_garbage_in_its_words_harms_nobody);
	return tests;
}
