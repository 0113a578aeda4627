/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producers and consumers of a queue that are killed at any moment: queue_deaths TRANSPORT... Each
 * is a process, which is begun again after its death; others are frozen for a while. What they have
 * pushed and popped they note in memory that they share. No limit here is shorter than that of a
 * hang.
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
#include "tests/fsck.h"
#include "tests/runner.h"
#include "tests/transports.h"

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define PRODUCERS    3
#define CONSUMERS    3
#define ITEMS_MAX    200000 /* of a producer */

static struct daemon_process storage;

/* What the processes note. */
struct notes {
	/* items of each producer that a push has begun with; those that were pushed, and how often
	 * they were popped */
	_Atomic uint32_t begun[PRODUCERS];
	_Atomic uint8_t pushed[PRODUCERS][ITEMS_MAX], popped[PRODUCERS][ITEMS_MAX];
	_Atomic uint64_t count;
	_Atomic bool stop;      /* producers push no more */
	_Atomic bool any_order; /* sessions end: items may come late */
};
static struct notes *notes;

/* With no @capacity it is there. */
static struct dso_queue *queue_in(const char *transport, uint64_t capacity,
				  enum dso_queue_kind kind, struct dso_session **ret_session)
{
	struct dso_options options = {.transport = transport};
	struct dso_queue_params params = {
		.capacity = capacity, .item_bytes = 100, .kind = (uint16_t)kind};
	struct dso_queue *queue;

	if (dso_open(daemon_url(&storage, transport), &options, ret_session))
		_exit(90);
	if (dso_queue_open(*ret_session, "queue", capacity ? &params : NULL, &queue))
		_exit(91);
	return queue;
}

static void produce(const char *transport, unsigned number)
{
	struct dso_session *session;
	struct dso_queue *queue = queue_in(transport, 0, DSO_QUEUE_ANY, &session);

	while (!atomic_load(&notes->stop)) {
		uint32_t item[25] = {number, atomic_fetch_add(&notes->begun[number], 1),
				     (uint32_t)getpid()};

		if (item[1] >= ITEMS_MAX)
			break;
		if (dso_queue_push(queue, item, sizeof item, HANG_TIMEOUT))
			_exit(92);
		atomic_store(&notes->pushed[number][item[1]], 1);
	}
	dso_close(session);
}

/* Of one life of a producer the items come in order. */
static void check_order(const uint32_t item[25])
{
	static uint32_t last[PRODUCERS], process[PRODUCERS];
	uint32_t producer = item[0];

	if (process[producer] == item[2] && item[1] <= last[producer] &&
	    !atomic_load(&notes->any_order))
		_exit(96);
	last[producer] = item[1];
	process[producer] = item[2];
}

static void consume(const char *transport, bool leases)
{
	struct dso_session *session;
	struct dso_queue *queue = queue_in(transport, 0, DSO_QUEUE_ANY, &session);
	uint32_t bytes[25];
	int r;

	for (;;) {
		struct dso_queue_item item = {.bytes = bytes, .bytes_max = sizeof bytes};
		size_t count;

		r = leases ? dso_queue_lease(queue, &item, HANG_TIMEOUT)
			   : dso_queue_pop_many(queue, &item, 1, HANG_TIMEOUT, &count);
		if (r)
			break;
		if (item.length_bytes != sizeof bytes || bytes[0] >= PRODUCERS ||
		    bytes[1] >= ITEMS_MAX)
			_exit(93);
		check_order(bytes);
		atomic_fetch_add(&notes->popped[bytes[0]][bytes[1]], 1);
		atomic_fetch_add(&notes->count, 1);
		if (leases && dso_queue_acknowledge(queue, item.ticket))
			_exit(94);
	}
	if (r != -EPIPE)
		_exit(95);
	dso_close(session);
}

/* Number @who: the producers, and then the consumers. */
static pid_t begin(const char *transport, unsigned who, bool leases)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		if (who < PRODUCERS)
			produce(transport, who);
		else
			consume(transport, leases);
		_exit(0);
	}
	return pid;
}

/* What befalls one of them. */
struct fate {
	unsigned count; /* of the processes, the first ones: it may befall them */
	bool is_frozen; /* for a while, and else killed */
	bool leases;
	enum dso_queue_kind kind;
};

static void freeze(pid_t pid)
{
	kill(pid, SIGSTOP);
	nap(rand() % 5000000);
	kill(pid, SIGCONT);
}

static void die(const char *transport, pid_t *pid, unsigned who, bool leases)
{
	int status = child_kill(*pid);

	ck_assert_msg(status == CHILD_KILLED, "%u ended with %d", who, status);
	*pid = begin(transport, who, leases);
}

/* One meets its fate a few items later than the one before, @times times. Returns how many
 * consumers did. */
static unsigned meet(const char *transport, pid_t *pids, unsigned times, const struct fate *fate)
{
	unsigned consumers = 0;

	for (unsigned i = 0; i < times; i++) {
		unsigned who = (unsigned)rand() % fate->count;
		uint64_t until = atomic_load(&notes->count) + (unsigned)rand() % 40;

		AWAIT(atomic_load(&notes->count) >= until);
		nap(rand() % 300000);
		if (fate->is_frozen)
			freeze(pids[who]);
		else
			die(transport, &pids[who], who, fate->leases);
		consumers += who >= PRODUCERS;
	}
	return consumers;
}

static void end(const pid_t *pids, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(child_status(pids[i]), 0);
}

/* How many items were pushed and not popped, and none twice that was not leased. */
static unsigned count_lost(bool leases)
{
	unsigned lost = 0;

	for (unsigned producer = 0; producer < PRODUCERS; producer++) {
		for (uint32_t i = 0; i < atomic_load(&notes->begun[producer]) && i < ITEMS_MAX;
		     i++) {
			unsigned times = atomic_load(&notes->popped[producer][i]);

			ck_assert_msg(leases || times <= 1, "item %u of %u %u times", i, producer,
				      times);
			/* A push that was not over may have been none. */
			lost += times == 0 && atomic_load(&notes->pushed[producer][i]);
		}
	}
	return lost;
}

static void run(const char *transport, uint64_t capacity, const struct fate *fate)
{
	pid_t pids[PRODUCERS + CONSUMERS];
	struct dso_session *session;
	struct dso_queue *queue = queue_in(transport, capacity, fate->kind, &session);
	unsigned consumers, lost;
	bool are_kept = fate->leases || fate->is_frozen;

	notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	ck_assert_ptr_ne(notes, MAP_FAILED);
	notes->any_order = !fate->is_frozen;
	for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++)
		pids[i] = begin(transport, i, fate->leases);
	consumers = meet(transport, pids, (unsigned)number_of("QUEUE_DEATHS", 30), fate);
	atomic_store(&notes->stop, true);
	end(pids, PRODUCERS);
	ck_assert_int_eq(dso_queue_shutdown(queue), 0);
	end(pids + PRODUCERS, CONSUMERS);
	lost = count_lost(fate->leases);
	ck_assert_msg(lost <= (are_kept ? 0 : consumers), "%u items are lost with %u consumers",
		      lost, consumers);
	munmap(notes, sizeof *notes);
	dso_queue_close(queue);
	fsck_until_clean(session);
	ck_assert_int_eq(dso_object_delete(session, "queue"), 0);
	dso_close(session);
}

static const uint64_t capacities[] = {1, 5, 200};
#define CAPACITIES 3

static void run_number(int number, const struct fate *fate)
{
	run(transports[number / CAPACITIES], capacities[number % CAPACITIES], fate);
}

START_TEST(a_producer_or_consumer_that_is_killed_stops_nobody_and_loses_one_item_at_most)
{
	run_number(_i, &(struct fate){.count = PRODUCERS + CONSUMERS});
}
END_TEST

START_TEST(no_item_is_lost_that_is_leased_by_who_is_killed)
{
	run_number(_i, &(struct fate){.count = PRODUCERS + CONSUMERS, .leases = true});
}
END_TEST

START_TEST(a_producer_or_consumer_that_is_frozen_for_a_while_loses_and_reorders_nothing)
{
	run_number(_i, &(struct fate){.count = PRODUCERS + CONSUMERS, .is_frozen = true});
}
END_TEST

START_TEST(a_rendezvous_goes_on_when_either_side_is_killed)
{
	run_number(_i,
		   &(struct fate){.count = PRODUCERS + CONSUMERS, .kind = DSO_QUEUE_RENDEZVOUS});
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
	const TTest *const all[] = {
		a_producer_or_consumer_that_is_killed_stops_nobody_and_loses_one_item_at_most,
		no_item_is_lost_that_is_leased_by_who_is_killed,
		a_producer_or_consumer_that_is_frozen_for_a_while_loses_and_reorders_nothing,
		a_rendezvous_goes_on_when_either_side_is_killed,
	};
	Suite *suite = suite_create("queue_deaths");
	TCase *tests = tcase_create("queue_deaths");

	transports_choose(argc, argv);
	tcase_set_timeout(tests, 600);
	tcase_add_unchecked_fixture(tests, setup, teardown);
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		tcase_add_loop_test(tests, all[i], 0, transport_count * CAPACITIES);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
