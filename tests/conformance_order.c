/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which others see the operations of a session. */
#include "tests/conformance.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define ROUNDS_NEAR 5000
#define ROUNDS_FAR  500
#define WORDS_APART 64 /* bytes: each word in a line of its own */

static struct dso_session *session;
static struct dso_memory *memory;
static char name[64];
static unsigned rounds;
static bool is_near; /* this processor executes the operations itself */

static void setup(void)
{
	strcpy(name, conformance_name());
	session = conformance_open();
	OK(session, dso_memory_open(session, name, NULL, &memory));
	is_near = conformance_is("shm") || conformance_is("embedded");
	rounds = is_near ? ROUNDS_NEAR : ROUNDS_FAR;
}

static void teardown(void)
{
	dso_close(session);
}

/* One of two sessions, each with a thread. */
struct side {
	pthread_t thread;
	uint64_t mine, theirs; /* offsets */
	uint64_t *seen;        /* of the other's word, in each round */
};

static struct dso_memory *memory_in(struct dso_session *in)
{
	struct dso_memory *own;

	OK(in, dso_memory_open(in, name, NULL, &own));
	return own;
}

static _Atomic uint64_t arrived;

/* Wait for the other side. A barrier that sleeps would let one of them go long before the other. */
static void arrive(uint64_t round)
{
	arrived++;
	for (unsigned looks = 1; arrived < 2 * round; looks++)
		if (looks % 64 == 0)
			sched_yield();
}

/* Write the round's number to the own word, and read the other's behind that. */
static void *write_and_read(void *argument)
{
	struct side *side = argument;
	struct dso_session *own = conformance_open();
	struct dso_memory *words = memory_in(own);

	for (uint64_t round = 1; round <= rounds; round++) {
		arrive(round);
		OK(own, dso_memory_write(words, side->mine, &round, 8));
		if (is_near)
			OK(own, dso_memory_fetch_add(words, side->mine + 8, 1, NULL));
		OK(own, dso_memory_read(words, side->theirs, &side->seen[round], 8));
	}
	dso_close(own);
	return NULL;
}

START_TEST(of_two_that_write_and_then_read_one_sees_what_the_other_wrote)
{
	static uint64_t seen[2][ROUNDS_NEAR + 1];
	struct side sides[2] = {{.mine = 0, .theirs = WORDS_APART, .seen = seen[0]},
				{.mine = WORDS_APART, .theirs = 0, .seen = seen[1]}};

	arrived = 0;
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&sides[i].thread, NULL, write_and_read, &sides[i]),
				 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(sides[i].thread, NULL);
	for (uint64_t round = 1; round <= rounds; round++)
		ck_assert_msg(seen[0][round] >= round || seen[1][round] >= round,
			      "round %ju: %ju and %ju", (uintmax_t)round, (uintmax_t)seen[0][round],
			      (uintmax_t)seen[1][round]);
}
END_TEST

/* Number after number: the value, and behind it the word that says that it is there. */
static void *write_value_and_word(void *unused)
{
	struct dso_session *own = conformance_open();
	struct dso_memory *words = memory_in(own);

	for (uint64_t number = 1; number <= rounds; number++) {
		OK(own, dso_memory_write_submit(words, WORDS_APART, &number, 8, 0));
		OK(own, dso_memory_write(words, 0, &number, 8));
		OK(own, dso_reap(own, &(struct dso_completion){0}, 1, DSO_FOREVER, NULL));
	}
	dso_close(own);
	return unused;
}

START_TEST(a_session_that_sees_a_write_sees_the_one_before_it)
{
	uint64_t word = 0, value;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, write_value_and_word, NULL), 0);
	while (word < rounds) {
		OK(session, dso_memory_read(memory, 0, &word, 8));
		OK(session, dso_memory_read(memory, WORDS_APART, &value, 8));
		ck_assert_uint_ge(value, word);
	}
	pthread_join(thread, NULL);
}
END_TEST

Suite *conformance_order_suite(void)
{
	Suite *suite = suite_create("order");
	TCase *tcase = tcase_create("order");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, of_two_that_write_and_then_read_one_sees_what_the_other_wrote);
	tcase_add_test(tcase, a_session_that_sees_a_write_sees_the_one_before_it);
	suite_add_tcase(suite, tcase);
	return suite;
}
