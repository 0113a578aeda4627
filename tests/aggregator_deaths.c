/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contributors of an aggregator that are killed at any moment: aggregator_deaths TRANSPORT... Each
 * is a process, which is begun again after its death, as another run of the same function. What
 * they have got they note in memory that they share. No limit here is shorter than that of a hang.
 */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/await.h"
#include "tests/clock.h"
#include "tests/daemon.h"
#include "tests/runner.h"
#include "tests/transports.h"
#include "tests/fsck.h"

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define CONTRIBUTORS 3
#define LENGTH       1500
#define ROUNDS_MAX   200000

static struct daemon_process storage;

/* What the processes note. */
struct notes {
	/* of each round what the runs of its contributors add up to, + 1 */
	_Atomic uint32_t sums[ROUNDS_MAX];
	_Atomic uint64_t count; /* results that somebody got */
	_Atomic bool stop;
	_Atomic uint64_t last; /* the round that is the last one then; 0: it is not known yet */
};
static struct notes *notes;

static struct dso_aggregator *aggregator_in(const char *transport, uint32_t flags,
					    struct dso_session **ret_session)
{
	struct dso_options options = {.transport = transport};
	struct dso_aggregator_params params = {
		.length = LENGTH, .contributors = CONTRIBUTORS, .flags = flags};
	struct dso_aggregator *aggregator;

	if (dso_open(daemon_url(&storage, transport), &options, ret_session))
		_exit(90);
	if (dso_aggregator_open(*ret_session, "aggregator", &params, &aggregator))
		_exit(91);
	return aggregator;
}

/* Every element but for what is its own is the sum of the runs. Everybody has to see the same. */
static void note_result(uint64_t round, const double *result)
{
	double runs = result[0] - 1e6 * 3 - (double)round * CONTRIBUTORS;
	uint32_t nothing = 0, sum = (uint32_t)runs + 1;

	for (unsigned i = 0; i < LENGTH; i++)
		if (result[i] - (double)i * CONTRIBUTORS != result[0])
			_exit(92);
	if (runs < 0 || runs != (double)(uint32_t)runs)
		_exit(93);
	if (!atomic_compare_exchange_strong(&notes->sums[round], &nothing, sum) && nothing != sum)
		_exit(94);
	atomic_fetch_add(&notes->count, 1);
}

/* The run @run of contributor @id takes part until it is the last round. The last round is the one
 * after the next that contributor 0 begins when it is to stop, so that all know it in time. */
static void take_part(const char *transport, uint32_t id, unsigned run)
{
	struct dso_session *session;
	struct dso_aggregator *aggregator =
		aggregator_in(transport, DSO_AGGREGATOR_RETRIES, &session);
	double values[LENGTH], result[LENGTH];
	uint64_t round;

	if (dso_aggregator_stat(aggregator, &round, NULL, NULL))
		_exit(95);
	for (;; round++) {
		uint64_t nothing = 0;
		uint32_t contributors;
		int r;

		if (round >= ROUNDS_MAX)
			_exit(96);
		if (id == 0 && atomic_load(&notes->stop))
			atomic_compare_exchange_strong(&notes->last, &nothing, round + 2);
		if (atomic_load(&notes->last) && round > atomic_load(&notes->last))
			break;
		for (unsigned i = 0; i < LENGTH; i++)
			values[i] = i + 1e6 * id + (double)round + run;
		r = dso_aggregator_contribute(aggregator, id, values, sizeof values, round,
					      HANG_TIMEOUT, NULL);
		/* The run before may have contributed, and the round be over. */
		if (r && r != -EALREADY)
			_exit(97);
		r = dso_aggregator_round_wait(aggregator, round, result, sizeof result,
					      HANG_TIMEOUT, &contributors);
		if (r == -ENODATA)
			continue;
		if (r)
			_exit(98);
		if (contributors != CONTRIBUTORS)
			_exit(99);
		note_result(round, result);
	}
	dso_close(session);
}

static pid_t begin(const char *transport, uint32_t id, unsigned run)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		take_part(transport, id, run);
		_exit(0);
	}
	return pid;
}

static void await_death(pid_t pid)
{
	ck_assert_int_eq(child_kill(pid), CHILD_KILLED);
}

static void await_end(pid_t pid)
{
	ck_assert_int_eq(child_status(pid), 0);
}

START_TEST(a_contributor_that_is_killed_and_run_again_counts_once_in_every_round)
{
	const char *transport = transports[_i];
	unsigned deaths = (unsigned)number_of("AGGREGATOR_DEATHS", 60);
	pid_t pids[CONTRIBUTORS];
	struct dso_session *session;

	notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	ck_assert_ptr_ne(notes, MAP_FAILED);
	aggregator_in(transport, DSO_AGGREGATOR_RETRIES, &session);
	for (uint32_t id = 0; id < CONTRIBUTORS; id++)
		pids[id] = begin(transport, id, 0);
	for (unsigned i = 1; i <= deaths; i++) {
		uint32_t who = (uint32_t)rand() % CONTRIBUTORS;
		uint64_t until = atomic_load(&notes->count) + (unsigned)rand() % 20;

		AWAIT(atomic_load(&notes->count) >= until);
		nap(rand() % 300000);
		await_death(pids[who]);
		pids[who] = begin(transport, who, i);
	}
	atomic_store(&notes->stop, true);
	for (uint32_t id = 0; id < CONTRIBUTORS; id++)
		await_end(pids[id]);
	munmap(notes, sizeof *notes);
	ck_assert_int_eq(dso_object_delete(session, "aggregator"), 0);
	dso_close(session);
}
END_TEST

/* Contribute for @id, and then wait for the end of the round, which does not come. */
static void wait_in_vain(const char *transport, uint32_t id)
{
	struct dso_session *session;
	struct dso_aggregator *aggregator = aggregator_in(transport, 0, &session);
	double values[LENGTH] = {0}, result[LENGTH];
	int r = dso_aggregator_all_reduce(aggregator, id, values, sizeof values, 0, result,
					  HANG_TIMEOUT, NULL);

	dso_close(session);
	_exit(r == -ENOTRECOVERABLE ? 0 : 80);
}

static void until_contributed(struct dso_aggregator *aggregator, uint32_t expected)
{
	uint32_t contributed;

	do
		ck_assert_int_eq(dso_aggregator_stat(aggregator, NULL, &contributed, NULL), 0);
	while (contributed != expected);
}

START_TEST(a_contributor_that_dies_breaks_the_round_for_all_until_a_reset)
{
	const char *transport = transports[_i];
	struct dso_session *session;
	struct dso_aggregator *aggregator = aggregator_in(transport, 0, &session);
	double values[LENGTH] = {0};
	pid_t pids[2];
	uint64_t round;

	for (unsigned n = 1; n < 4; n++) {
		for (uint32_t id = 0; id < 2; id++) {
			pids[id] = child_fork();
			if (pids[id] == 0)
				wait_in_vain(transport, id);
		}
		until_contributed(aggregator, 2);
		await_death(pids[n % 2]);
		await_end(pids[(n + 1) % 2]);
		ck_assert_int_eq(dso_aggregator_contribute(aggregator, 2, values, sizeof values, 0,
							   HANG_TIMEOUT, NULL),
				 -ENOTRECOVERABLE);
		ck_assert_int_eq(dso_aggregator_reset(aggregator), 0);
		for (uint32_t id = 0; id < CONTRIBUTORS; id++)
			ck_assert_int_eq(dso_aggregator_contribute(aggregator, id, values,
								   sizeof values, 0, HANG_TIMEOUT,
								   &round),
					 0);
		ck_assert_uint_eq(round, 2 * n);
		ck_assert_int_eq(dso_aggregator_round_wait(aggregator, round, values, sizeof values,
							   HANG_TIMEOUT, NULL),
				 0);
	}
	dso_aggregator_close(aggregator);
	fsck_until_clean(session);
	ck_assert_int_eq(dso_object_delete(session, "aggregator"), 0);
	dso_close(session);
}
END_TEST

static void setup(void)
{
	const char *const arguments[] = {"--memory", "64MiB", "--domain", "cpu",
					 "--ttl",    "60m",   NULL};

	daemon_start(&storage, arguments);
}

static void teardown(void)
{
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("aggregator_deaths");
	TCase *tests = tcase_create("aggregator_deaths");

	transports_choose(argc, argv);
	tcase_set_timeout(tests, 600);
	tcase_add_unchecked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests,
			    a_contributor_that_is_killed_and_run_again_counts_once_in_every_round,
			    0, transport_count);
	tcase_add_loop_test(tests, a_contributor_that_dies_breaks_the_round_for_all_until_a_reset,
			    0, transport_count);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
