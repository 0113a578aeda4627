/* SPDX-License-Identifier: Apache-2.0 */
/* What a wait returns whose session ends meanwhile: -ENOTCONN and -ESHUTDOWN say that nothing was
 * done. */
#include "tests/await.h"
#include "tests/ends.h"
#include "tests/transports.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static struct dso_session *session, *observer;
static struct dso_barrier *barrier, *seen_barrier;
static struct dso_condition *condition;
static struct dso_mutex *mutex, *seen_mutex, *held;
static struct dso_latch *latch;
static uint64_t first_token;
static bool breakable[256];

static bool has_arrived(void *context)
{
	uint32_t waiting;

	(void)context;
	ck_assert_int_eq(dso_barrier_stat(seen_barrier, NULL, &waiting, NULL), 0);
	return waiting == 1;
}

static int wait_at_barrier(void)
{
	return dso_barrier_wait(barrier, DSO_FOREVER, NULL);
}

static void until_arrived(void)
{
	ends_until(has_arrived, NULL, "a party arrives");
}

static int wait_for_signal(void)
{
	int r = dso_mutex_lock(mutex, DSO_NOWAIT, NULL);

	return r ? r : dso_condition_wait(condition, mutex, DSO_FOREVER);
}

static bool is_unlocked(void *context)
{
	uint64_t token;
	uint32_t owner;

	(void)context;
	ck_assert_int_eq(dso_mutex_holder(seen_mutex, &owner, &token), 0);
	return owner == 0 && token > first_token;
}

static void until_unlocked(void)
{
	ends_until(is_unlocked, NULL, "the waiter unlocks");
}

static int wait_for_lock(void)
{
	return dso_mutex_lock(held, DSO_FOREVER, NULL);
}

static int wait_for_latch(void)
{
	return dso_latch_wait(latch, DSO_FOREVER);
}

/* These have no effect that could be seen: their wait may be over before it began. */
static void until_anything(void)
{
}

static const struct wait {
	int (*call)(void);
	void (*until_begun)(void);
	bool has_effect;
	int error_behind; /* where it begins behind the end of the observer's session, too */
} waits[] = {
	{wait_at_barrier, until_arrived, true, 0},
	{wait_for_signal, until_unlocked, true, 0},
	{wait_for_lock, until_anything, false, -EOWNERDEAD},
	{wait_for_latch, until_anything, false, 0},
};
#define WAITS (sizeof waits / sizeof *waits)

static void break_connections(void)
{
	for (int fd = 0; fd < 256; fd++)
		if (breakable[fd])
			shutdown(fd, SHUT_RDWR);
}

static void drain_storaged(void)
{
	kill(storage.pid, SIGTERM);
}

static const struct end {
	void (*end)(void);
	int error_later; /* of every call behind it */
} ends[] = {{break_connections, -ENOTCONN}, {drain_storaged, -ESHUTDOWN}};

static void open_all(const char *transport)
{
	struct dso_barrier_params parties = {.parties = 2};
	struct dso_latch_params count = {.count = 1};
	int before[256];

	for (int fd = 0; fd < 256; fd++)
		before[fd] = fcntl(fd, F_GETFD);
	session = ends_open(transport, 0);
	for (int fd = 0; fd < 256; fd++)
		breakable[fd] = before[fd] < 0 && fcntl(fd, F_GETFD) >= 0;
	observer = ends_open("tcp", 0);
	ck_assert_int_eq(dso_barrier_open(session, "b", &parties, &barrier), 0);
	ck_assert_int_eq(dso_barrier_open(observer, "b", &parties, &seen_barrier), 0);
	ck_assert_int_eq(dso_condition_open(session, "c", NULL, &condition), 0);
	ck_assert_int_eq(dso_latch_open(session, "l", &count, &latch), 0);
	mutex = ends_mutex(session, "m");
	seen_mutex = ends_mutex(observer, "m");
	ck_assert_int_eq(dso_mutex_holder(seen_mutex, NULL, &first_token), 0);
	held = ends_mutex(session, "h");
	ck_assert_int_eq(dso_mutex_lock(ends_mutex(observer, "h"), DSO_NOWAIT, NULL), 0);
}

static void *call(void *argument)
{
	const struct wait *wait = argument;

	return (void *)(intptr_t)wait->call();
}

START_TEST(a_wait_that_had_an_effect_does_not_say_that_nothing_was_done)
{
	const struct wait *wait = &waits[_i % WAITS];
	const struct end *end = &ends[_i / WAITS % 2];
	pthread_t thread;
	void *result;
	int r;

	ends_start(NULL);
	open_all(transports[_i / WAITS / 2]);
	pthread_create(&thread, NULL, call, (void *)(intptr_t)wait);
	wait->until_begun();
	end->end();
	pthread_join(thread, &result);
	r = (int)(intptr_t)result;
	ck_assert_msg(r == -ECONNRESET || (!wait->has_effect && r == end->error_later) ||
			      (wait->error_behind && r == wait->error_behind),
		      "wait %d over %s: %d, %s", _i % (int)WAITS, transports[_i / WAITS / 2], r,
		      dso_error(session));
	/* A mutex that the end of the observer has freed is taken before this end is known. */
	AWAIT(dso_latch_count(latch, NULL));
	ck_assert_int_eq(dso_latch_count(latch, NULL), end->error_later);
	ck_assert_int_eq(dso_ping(session, NULL), end->error_later);
	dso_close(session);
	dso_close(observer);
	if (end->end == drain_storaged)
		ends_reap();
	else
		ends_stop();
}
END_TEST

Suite *ends_waits_suite(void)
{
	Suite *suite = suite_create("waits");
	TCase *tests = tcase_create("waits");

	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, a_wait_that_had_an_effect_does_not_say_that_nothing_was_done, 0,
			    transport_count * 2 * WAITS);
	suite_add_tcase(suite, tests);
	return suite;
}
