/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holders that die or freeze at any moment: deaths TRANSPORT... A victim takes and gives back an
 * object in a loop until it is killed, or stopped for longer than the TTL; others go on taking it
 * all the while. No hold may be lost, none be there twice, and nothing that a fenced victim does
 * later may have an effect. The moments are drawn from a seed (DEATHS_SEED), which is printed;
 * DEATHS_ROUNDS kills and DEATHS_FREEZES an object and transport. DEATHS_KIND: of that one kind
 * alone.
 */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/await.h"
#include "tests/daemon.h"
#include "tests/fsck.h"
#include "tests/holds.h"
#include "tests/runner.h"
#include "tests/transports.h"

/* Longer than anybody waits: what ends a session then is the end of its connection. */
#define KILLS_TTL_MS (600 * 1000)

static struct daemon_process storage;
static int first_kind, kind_count = KINDS;
static int rounds = 12, freezes = 1, ttl_ms = 2000;
static unsigned seed;

static _Atomic uint64_t dead; /* the number of the victim that is known to be */

/* A death is noted within it; somebody may know of it before. */
#define NOTED_NS (60 * DSO_SECOND)

/* Step into @place. Returns 0; -EBUSY when somebody is in; or an errno of the session. @told: that
 * the holder before died. */
static int step_into(struct hand *hand, const struct kind *kind, unsigned place, bool told)
{
	uint64_t before, value;
	int r = dso_memory_cas(hand->memory, INSIDE(place), 0, hand->me, &before);

	if (r || before == 0)
		return r;
	if ((kind->tells && !told) || dead != before)
		return -EBUSY;
	r = dso_memory_cas(hand->memory, INSIDE(place), before, hand->me, &value);
	return r ? r : value == before ? 0 : -EBUSY;
}

/* Be where nobody else is, for a moment. Returns as step_into. */
static int stand_inside(struct hand *hand, const struct kind *kind, bool told)
{
	int64_t begin_ns = clock_now_ns();
	uint64_t before;
	unsigned place = 0;
	int r = step_into(hand, kind, place, told);

	/* Others go from place to place where there are several, and the dead one may not be known
	 * yet. */
	while (r == -EBUSY && (kind->places > 1 || told || !kind->tells) &&
	       clock_now_ns() - begin_ns < NOTED_NS) {
		place = (place + 1) % kind->places;
		r = step_into(hand, kind, place, told);
	}
	if (r)
		return r;
	r = dso_memory_fetch_add(hand->memory, DONE, 1, NULL);
	if (r == 0)
		r = dso_memory_cas(hand->memory, INSIDE(place), hand->me, 0, &before);
	return r ? r : before == hand->me ? 0 : -EBUSY;
}

/* One turn: take, stand inside, give back. */
static int turn(struct hand *hand, const struct kind *kind, int64_t timeout)
{
	int r = kind->take(hand, timeout), s;

	if (r && r != -EOWNERDEAD)
		return r;
	s = stand_inside(hand, kind, r == -EOWNERDEAD);
	return s ? s : kind->give(hand);
}

/* ---- who takes part ---- */

/* Until it dies. It closes @ready_fd when it has begun. @kind: NULL is the barrier, of which it is
 * a party only when it has waited at it. */
static int be_victim(const char *url, const char *transport, const struct kind *kind, uint64_t me,
		     int ready_fd)
{
	struct hand hand = {.me = me};
	int r = open_hand(url, transport, &hand);

	if (r == 0 && !kind)
		r = dso_barrier_wait(hand.barrier, HANG_TIMEOUT, NULL);
	close(ready_fd);
	while (r == 0)
		r = kind ? turn(&hand, kind, HANG_TIMEOUT)
			 : dso_barrier_wait(hand.barrier, HANG_TIMEOUT, NULL);
	/* A frozen one finds its session over when it goes on; anything else is a fault. */
	return r == -ESHUTDOWN || r == -ENOTCONN || r == -ECONNRESET ? 0 : r == -EBUSY ? 3 : 2;
}

struct survivor {
	pthread_t thread;
	bool runs;
	struct hand hand;
	const struct kind *kind;
	_Atomic bool stop;
	_Atomic uint64_t turns;
	_Atomic uint64_t breaks; /* of the barrier */
	_Atomic int result;
	char error[512];
};

static _Atomic uint64_t resets; /* of the barrier */

static void *survive(void *argument)
{
	struct survivor *survivor = argument;

	while (!survivor->stop && survivor->result == 0) {
		int r = turn(&survivor->hand, survivor->kind, HANG_TIMEOUT);

		if (r) {
			snprintf(survivor->error, sizeof survivor->error, "%s",
				 r == -EBUSY ? "two are in where one may be"
					     : dso_error(survivor->hand.session));
			survivor->result = r;
		}
		survivor->turns++;
	}
	return NULL;
}

/* At the barrier, whose reset is waited for when it breaks. */
static void *survive_at_barrier(void *argument)
{
	struct survivor *survivor = argument;

	while (!survivor->stop && survivor->result == 0) {
		int r = dso_barrier_wait(survivor->hand.barrier, HANG_TIMEOUT, NULL);

		if (r == 0) {
			survivor->turns++;
		} else if (r == -ENOTRECOVERABLE) {
			survivor->breaks++;
			while (survivor->breaks > resets && !survivor->stop)
				nap(DSO_MILLISECOND / 5);
		} else {
			snprintf(survivor->error, sizeof survivor->error, "%s",
				 dso_error(survivor->hand.session));
			survivor->result = r;
		}
	}
	return NULL;
}

/* Until @survivor has had more than @turns turns. */
static void until_turn(const struct survivor *survivor, uint64_t turns, const char *what)
{
	AWAIT(survivor->turns > turns || survivor->result);
	ck_assert_msg(survivor->result == 0, "%s: %d, %s", what, survivor->result, survivor->error);
}

/* Until each of the survivors has had a turn. */
static void until_turns(struct survivor *survivors, const char *what)
{
	uint64_t turns[SURVIVORS];

	for (unsigned i = 0; i < SURVIVORS; i++)
		turns[i] = survivors[i].turns;
	for (unsigned i = 0; i < SURVIVORS; i++)
		until_turn(&survivors[i], turns[i], what);
}

/* ---- the tests ---- */

static struct survivor survivors[SURVIVORS];
static uint64_t victims;
static pid_t victim; /* 0: none */

static void start_storaged(int ttl)
{
	char text[24];
	const char *const arguments[] = {"--memory",    "64MiB", "--ttl", text,
					 "--shm-fence", "kill",  NULL};

	snprintf(text, sizeof text, "%dms", ttl);
	daemon_start(&storage, arguments);
	victims = 1000;
	dead = 0;
}

static void setup_for_kills(void)
{
	start_storaged(KILLS_TTL_MS);
}

static void setup_for_freezes(void)
{
	start_storaged(ttl_ms);
}

/* Wait for the victim's end. Returns as child_status(). */
static int bury(void)
{
	int status = victim ? child_status(victim) : 0;

	victim = 0;
	return status;
}

/* A test that failed left its threads and its victim behind: storaged's end is theirs. */
static void teardown(void)
{
	int status = daemon_stop(&storage);

	if (victim)
		kill(victim, SIGKILL);
	bury();
	for (unsigned i = 0; i < SURVIVORS; i++) {
		survivors[i].stop = true;
		if (survivors[i].runs)
			pthread_join(survivors[i].thread, NULL);
		survivors[i].runs = false;
	}
	ck_assert_int_eq(status, 0);
}

static void begin_survivors(const char *transport, const struct kind *kind)
{
	for (unsigned i = 0; i < SURVIVORS; i++) {
		survivors[i] = (struct survivor){.hand.me = 10 + i, .kind = kind};
		ck_assert_msg(open_hand(daemon_url(&storage, transport), transport,
					&survivors[i].hand) == 0,
			      "%s", dso_error(NULL));
		ck_assert_int_eq(pthread_create(&survivors[i].thread, NULL,
						kind ? survive : survive_at_barrier, &survivors[i]),
				 0);
		survivors[i].runs = true;
	}
}

/* Nothing that the dead had is theirs any more, and all counts add up. */
static void look_over(const char *what)
{
	struct dso_session *session;

	ck_assert_msg(dso_open(storage.unix_url, NULL, &session) == 0, "%s: %s", what,
		      dso_error(NULL));
	fsck_until_clean(session);
	dso_close(session);
}

static void end_survivors(const char *what)
{
	for (unsigned i = 0; i < SURVIVORS; i++)
		survivors[i].stop = true;
	for (unsigned i = 0; i < SURVIVORS; i++) {
		pthread_join(survivors[i].thread, NULL);
		survivors[i].runs = false;
		ck_assert_msg(survivors[i].result == 0, "%s: %d, %s", what, survivors[i].result,
			      survivors[i].error);
		dso_close(survivors[i].hand.session);
	}
	look_over(what);
}

/* A program of its own: rdma-core serves no child of a process that uses it. It has begun on
 * return. */
static void begin_victim(const char *transport, const struct kind *kind)
{
	char number[24], me[24], fd[24], byte;
	int ready[2];
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	snprintf(number, sizeof number, "%d", kind ? (int)(kind - kinds) : KINDS);
	snprintf(me, sizeof me, "%llu", (unsigned long long)++victims);
	snprintf(fd, sizeof fd, "%d", ready[1]);
	pid = child_fork();
	if (pid == 0) {
		close(ready[0]);
		execl("/proc/self/exe", "deaths", "--victim", daemon_url(&storage, transport),
		      transport, number, me, fd, NULL);
		_exit(2);
	}
	close(ready[1]);
	ck_assert_int_eq((int)read(ready[0], &byte, 1), 0);
	close(ready[0]);
	victim = pid;
}

START_TEST(a_holder_that_is_killed_leaves_nothing_held)
{
	const char *transport = transports[_i / kind_count];
	const struct kind *kind = &kinds[first_kind + _i % kind_count];
	char what[64];

	snprintf(what, sizeof what, "%s over %s", kind->name, transport);
	begin_survivors(transport, kind);
	for (int round = 0; round < rounds; round++) {
		int status;

		begin_victim(transport, kind);
		nap(rand_r(&seed) % 20 * DSO_MILLISECOND + rand_r(&seed) % 1000000);
		kill(victim, SIGKILL);
		status = bury();
		ck_assert_msg(status == CHILD_KILLED, "%s: the victim ended with %d", what, status);
		dead = victims;
		until_turns(survivors, what);
	}
	end_survivors(what);
}
END_TEST

/* Each of the survivors has seen it break as often as a party died. */
static void until_breaks(uint64_t count, const char *what)
{
	for (unsigned i = 0; i < SURVIVORS; i++) {
		AWAIT(survivors[i].breaks >= count || survivors[i].result);
		ck_assert_msg(survivors[i].result == 0, "%s: %d, %s", what, survivors[i].result,
			      survivors[i].error);
	}
}

START_TEST(a_barrier_breaks_once_for_each_party_that_is_killed)
{
	const char *transport = transports[_i];
	struct hand hand;
	uint64_t turns = 0;
	char what[64];

	snprintf(what, sizeof what, "barrier over %s", transport);
	resets = 0;
	begin_survivors(transport, NULL);
	ck_assert_int_eq(open_hand(daemon_url(&storage, transport), transport, &hand), 0);
	for (int round = 1; round <= rounds; round++) {
		begin_victim(transport, NULL);
		nap(rand_r(&seed) % 20 * DSO_MILLISECOND + rand_r(&seed) % 1000000);
		kill(victim, SIGKILL);
		ck_assert_int_eq(bury(), CHILD_KILLED);
		until_breaks((uint64_t)round, what);
		if (round == rounds)
			break;
		ck_assert_int_eq(dso_barrier_reset(hand.barrier), 0);
		resets++;
	}
	for (unsigned i = 0; i < SURVIVORS; i++)
		turns += survivors[i].turns;
	ck_assert_msg(turns % SURVIVORS == 0, "%s: one crossed it alone", what);
	end_survivors(what);
	for (unsigned i = 0; i < SURVIVORS; i++)
		ck_assert_uint_eq(survivors[i].breaks, rounds);
	dso_close(hand.session);
}
END_TEST

/* Until no more than @count sessions are left. */
static void until_sessions(struct dso_session *session, uint64_t count, const char *what)
{
	struct dso_server_stat stat = {0};
	int r;

	AWAIT((r = dso_server_stat(session, &stat)) != 0 || stat.sessions <= count);
	ck_assert_msg(r == 0, "%s: %s", what, dso_error(session));
}

START_TEST(a_holder_that_is_frozen_is_fenced_and_nothing_of_it_comes_later)
{
	const char *transport = transports[_i / kind_count];
	const struct kind *kind = &kinds[first_kind + _i % kind_count];
	struct dso_options options = {.transport = "tcp", .timeout = HANG_TIMEOUT};
	struct dso_session *observer;
	char what[64];

	snprintf(what, sizeof what, "%s over %s, frozen", kind->name, transport);
	begin_survivors(transport, kind);
	ck_assert_msg(dso_open(daemon_url(&storage, "tcp"), &options, &observer) == 0, "%s",
		      dso_error(NULL));
	for (int round = 0; round < freezes; round++) {
		int status;

		begin_victim(transport, kind);
		nap(20 * DSO_MILLISECOND + rand_r(&seed) % 1000000);
		process_freeze(victim);
		until_sessions(observer, SURVIVORS + 1, what);
		dead = victims;
		until_turns(survivors, what);
		kill(victim, SIGCONT);
		status = bury();
		/* Over shm storaged has killed it. */
		ck_assert_msg(status == CHILD_KILLED || status == 0, "%s: the victim ended with %d",
			      what, status);
		until_turns(survivors, what);
	}
	end_survivors(what);
	dso_close(observer);
}
END_TEST

static void choose_kind(const char *name)
{
	for (int i = 0; name && i < KINDS; i++) {
		if (strcmp(name, kinds[i].name))
			continue;
		first_kind = i;
		kind_count = 1;
	}
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("deaths");
	TCase *tcase = tcase_create("kills");

	if (argc == 7 && !strcmp(argv[1], "--victim"))
		return be_victim(argv[2], argv[3],
				 atoi(argv[4]) < KINDS ? &kinds[atoi(argv[4])] : NULL,
				 strtoull(argv[5], NULL, 10), atoi(argv[6]));
	transports_choose(argc, argv);
	choose_kind(getenv("DEATHS_KIND"));
	rounds = number_of("DEATHS_ROUNDS", rounds);
	freezes = number_of("DEATHS_FREEZES", freezes);
	ttl_ms = number_of("DEATHS_TTL_MS", ttl_ms);
	seed = (unsigned)number_of("DEATHS_SEED", (int)time(NULL));
	printf("# DEATHS_SEED=%u\n", seed);
	tcase_set_timeout(tcase, 1200);
	tcase_add_checked_fixture(tcase, setup_for_kills, teardown);
	tcase_add_loop_test(tcase, a_holder_that_is_killed_leaves_nothing_held, 0,
			    transport_count * kind_count);
	tcase_add_loop_test(tcase, a_barrier_breaks_once_for_each_party_that_is_killed, 0,
			    transport_count);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("freezes");
	tcase_set_timeout(tcase, 1200);
	tcase_add_checked_fixture(tcase, setup_for_freezes, teardown);
	tcase_add_loop_test(tcase, a_holder_that_is_frozen_is_fenced_and_nothing_of_it_comes_later,
			    0, transport_count * kind_count);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
