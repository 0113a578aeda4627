/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what clients see of objects that they call at the same time is linearizable:
 * linearizability TRANSPORT... For each object and transport LIN_ROUNDS short histories are
 * recorded and checked, and as many in which one of the clients is killed. What clients do is drawn
 * from LIN_SEED, which is printed; given again, it draws the same as far as the same is returned.
 * LIN_OBJECT is the one object to try.
 */
#include <check.h>
#include <dso/dso.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/clock.h"
#include "tests/daemon.h"
#include "tests/linearizability/faults.h"
#include "tests/linearizability/round.h"
#include "tests/runner.h"
#include "tests/transports.h"

#define BUDGET       (1 << 18) /* configurations of a history */
#define FAULT_ROUNDS 200       /* in which a fault must be found */

static struct daemon_process storage;
static unsigned rounds = 10, seed;

/* What may lose a client, over what. */
static struct {
	const struct object_kind *kind;
	const char *transport;
} mortals[TRANSPORTS_MAX * OBJECT_KIND_COUNT];
static int mortal_count;

static bool is_embedded(const char *transport)
{
	return !strcmp(transport, "embedded");
}

static const char *url_of(const char *transport)
{
	return is_embedded(transport) ? "embedded:linearizability"
				      : daemon_url(&storage, transport);
}

/* What was tried, to see that it was something. */
struct figures {
	size_t operations, overlapping, unknown, configurations;
};

static void count_operations(const struct history *history, struct figures *figures)
{
	figures->operations += history->count;
	for (size_t i = 0; i < history->count; i++) {
		const struct operation *one = &history->operations[i];
		bool overlapping = false;

		for (size_t j = 0; j < history->count; j++)
			overlapping |= history->operations[j].client != one->client &&
				       operations_overlap(one, &history->operations[j]);
		figures->overlapping += overlapping;
		figures->unknown += !one->known;
	}
}

/* Run it, and say what is wrong with it where @what is given. */
static enum verdict run_and_check(const struct round *round, const char *what,
				  struct figures *figures)
{
	struct history history;
	struct report report;

	round_run(round, &history);
	history_check(round->kind->specification, &history, BUDGET, &report);
	count_operations(&history, figures);
	figures->configurations += report.configurations;
	if (what && report.verdict != LINEARIZABLE) {
		printf("# %s, LIN_SEED=%u\n", what, seed);
		history_print(stdout, round->kind->specification, &history, &report);
	}
	return report.verdict;
}

/* Of round @number of @what. */
static unsigned seed_of(const char *what, unsigned number)
{
	unsigned hash = seed;

	while (*what)
		hash = (hash ^ (unsigned char)*what++) * 16777619u;
	return (hash ^ number) * 16777619u;
}

static void run_rounds(const struct object_kind *kind, const char *transport, bool deadly)
{
	int64_t begin_ns = clock_now_ns();
	struct figures figures = {0};
	unsigned failures = 0, i;
	const char *only = getenv("LIN_OBJECT");
	char what[96];

	if (only && strcmp(only, kind->specification->name))
		return;
	snprintf(what, sizeof what, "%s over %s%s", kind->specification->name, transport,
		 deadly ? ", one is killed" : "");
	round_hands_begin(url_of(transport), transport);
	for (i = 0; i < rounds && failures == 0; i++) {
		struct round round = {
			.kind = kind,
			.clients = kind->clients ? kind->clients : 3 + i % 3,
			.seed = seed_of(what, i),
			.deadly = deadly,
		};

		failures += run_and_check(&round, what, &figures) != LINEARIZABLE;
	}
	round_hands_end();
	printf("# %s: %u histories of %zu operations, %zu of them beside others, %zu unknown; %zu "
	       "configurations, %lld ms\n",
	       what, i, figures.operations, figures.overlapping, figures.unknown,
	       figures.configurations, (long long)((clock_now_ns() - begin_ns) / DSO_MILLISECOND));
	ck_assert_msg(failures == 0, "%s: a history is not linearizable, LIN_SEED=%u", what, seed);
}

START_TEST(what_clients_see_is_linearizable)
{
	run_rounds(object_kinds[_i % OBJECT_KIND_COUNT], transports[_i / OBJECT_KIND_COUNT], false);
}
END_TEST

START_TEST(what_clients_see_is_linearizable_when_one_is_killed)
{
	run_rounds(mortals[_i].kind, mortals[_i].transport, true);
}
END_TEST

/* It is the harness that is at fault, between the call and the record. */
START_TEST(a_fault_is_found)
{
	const char *transport = transports[0];
	const struct fault *fault = &faults[_i];
	struct figures figures = {0};
	bool found = false;
	unsigned i;

	round_hands_begin(url_of(transport), transport);
	for (i = 0; i < FAULT_ROUNDS && !found; i++) {
		struct round round = {
			.kind = fault->kind,
			.clients = 4,
			.seed = seed_of(fault->sentence, i),
			.fault = fault->perform,
		};

		found = run_and_check(&round, NULL, &figures) == NOT_LINEARIZABLE;
	}
	round_hands_end();
	ck_assert_msg(found, "this is not found: %s", fault->sentence);
	printf("# found in round %u: %s\n", i, fault->sentence);
}
END_TEST

static void setup(void)
{
	/* No session is to end for its silence, however loaded the machine is. */
	static const char *const arguments[] = {"--memory", "64MiB", "--ttl", "60s", NULL};

	daemon_start(&storage, arguments);
}

static void teardown(void)
{
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

/* An embedded store goes with its process. */
static void list_mortals(void)
{
	for (int i = 0; i < transport_count * OBJECT_KIND_COUNT; i++) {
		const struct object_kind *kind = object_kinds[i % OBJECT_KIND_COUNT];
		const char *transport = transports[i / OBJECT_KIND_COUNT];

		if (!kind->mortal || is_embedded(transport))
			continue;
		mortals[mortal_count].kind = kind;
		mortals[mortal_count++].transport = transport;
	}
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("linearizability");
	TCase *tcase = tcase_create("linearizability");

	round_be_victim(argc, argv);
	transports_choose(argc, argv);
	list_mortals();
	rounds = (unsigned)number_of("LIN_ROUNDS", (int)rounds);
	seed = (unsigned)number_of("LIN_SEED", (int)time(NULL));
	printf("# LIN_SEED=%u\n", seed);
	tcase_set_timeout(tcase, 600);
	tcase_add_unchecked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, what_clients_see_is_linearizable, 0,
			    transport_count * OBJECT_KIND_COUNT);
	tcase_add_loop_test(tcase, what_clients_see_is_linearizable_when_one_is_killed, 0,
			    mortal_count);
	tcase_add_loop_test(tcase, a_fault_is_found, 0, (int)fault_count);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
