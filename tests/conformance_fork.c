/* SPDX-License-Identifier: Apache-2.0 */
/* A child that inherits a session touches nothing of its parent's. */
#include "tests/conformance.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUBMITTED 10

static struct {
	struct dso_session *session;
	struct dso_counter *counter;
	struct dso_register *reg;
	struct dso_memory *memory;
	struct dso_mutex *mutex;
	struct dso_rwlock *rwlock;
	struct dso_semaphore *semaphore;
	struct dso_barrier *barrier;
	struct dso_latch *latch;
	struct dso_condition *condition;
	struct dso_once *once;
	struct dso_future *future;
	struct dso_queue *queue;
	struct dso_map *map;
	struct dso_set *set;
	struct dso_aggregator *aggregator;
} parent;

#define OPEN(type, handle, ...) \
	OK(parent.session,      \
	   dso_##type##_open(parent.session, conformance_name(), __VA_ARGS__, &parent.handle))

static void setup(void)
{
	const struct dso_semaphore_params permits = {.permits = 2};
	const struct dso_barrier_params parties = {.parties = 2};
	const struct dso_latch_params count = {.count = 3};
	const struct dso_aggregator_params vectors = {.length = 1, .contributors = 2};

	parent.session = conformance_open();
	OPEN(counter, counter, NULL);
	OPEN(register, reg, NULL);
	OPEN(memory, memory, NULL);
	OPEN(mutex, mutex, NULL);
	OPEN(rwlock, rwlock, NULL);
	OPEN(semaphore, semaphore, &permits);
	OPEN(barrier, barrier, &parties);
	OPEN(latch, latch, &count);
	OPEN(condition, condition, NULL);
	OPEN(once, once, NULL);
	OPEN(future, future, NULL);
	OPEN(queue, queue, NULL);
	OPEN(map, map, NULL);
	OPEN(set, set, NULL);
	OPEN(aggregator, aggregator, &vectors);
}

static void teardown(void)
{
	dso_close(parent.session);
}

/* Run @child in a forked process; it returns 0 or the line of what went wrong. */
static void in_child(int (*child)(void))
{
	pid_t pid = child_fork();
	int status;

	if (pid == 0) {
		alarm(300); /* a child that hangs does not hang the test */
		_exit(child());
	}
	status = child_status(pid);
	ck_assert_msg(status == 0, "the child failed at line %d, or was killed by a signal",
		      status);
}

#define CHECK(condition)                 \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)
#define REFUSED(call) CHECK((call) == -ENOTCONN)

static int never(const struct dso_stat *stat, void *context)
{
	(void)stat;
	(void)context;
	return 1;
}

static int never_held(const struct dso_hold *hold, void *context)
{
	(void)hold;
	(void)context;
	return 1;
}

static int never_found(const struct dso_finding *finding, void *context)
{
	(void)finding;
	(void)context;
	return 1;
}

static int never_lost(const struct dso_loss *loss, void *context)
{
	(void)loss;
	(void)context;
	_exit(99);
}

static int session_refuses(void)
{
	struct dso_session *s = parent.session;
	struct dso_completion completion;
	struct dso_figure figure;
	struct dso_counter *counter;
	struct dso_server_stat server;
	struct dso_stat stat;
	size_t count;
	int64_t ns;

	REFUSED(dso_ping(s, &ns));
	REFUSED(dso_server_stat(s, &server));
	REFUSED(dso_transport_stat(s, &figure, 1, &count));
	REFUSED(dso_object_delete(s, "x"));
	REFUSED(dso_delete_prefix(s, "x", NULL));
	REFUSED(dso_object_stat(s, "x", &stat));
	REFUSED(dso_object_check(s, "x", never_found, NULL));
	REFUSED(dso_list(s, never, NULL));
	REFUSED(dso_holds(s, never_held, NULL));
	REFUSED(dso_counter_open(s, "x", NULL, &counter));
	CHECK(dso_counter_open(s, "", NULL, &counter) == -EINVAL);
	CHECK(dso_object_delete(s, "") == -EINVAL);
	REFUSED(dso_renew(s, never_lost, NULL));
	REFUSED(dso_flush(s));
	REFUSED(dso_reap(s, &completion, 1, DSO_FOREVER, &count));
	REFUSED(dso_fd(s));
	dso_interrupt(s);
	CHECK(conformance_is(dso_transport(s)));
	CHECK(strstr(dso_error(s), "forked"));
	return 0;
}

static int values_refuse(void)
{
	int64_t value;
	uint64_t word;
	size_t length;
	char text[8] = "text";

	REFUSED(dso_counter_add(parent.counter, 1, &value));
	REFUSED(dso_counter_get(parent.counter, &value));
	REFUSED(dso_counter_set(parent.counter, 1));
	REFUSED(dso_counter_exchange(parent.counter, 1, &value));
	REFUSED(dso_counter_cas(parent.counter, 0, 1, &value));
	REFUSED(dso_counter_wait(parent.counter, INT64_MAX, DSO_FOREVER, &value));
	REFUSED(dso_counter_wait_change(parent.counter, 0, DSO_FOREVER, &value));
	REFUSED(dso_counter_add_submit(parent.counter, 1, 0));
	REFUSED(dso_counter_cas_submit(parent.counter, 0, 1, 0));
	REFUSED(dso_register_get(parent.reg, text, sizeof text, &length, &word));
	REFUSED(dso_register_set(parent.reg, text, sizeof text, &word));
	REFUSED(dso_register_set_if_version(parent.reg, 0, text, sizeof text, &word));
	REFUSED(dso_register_exchange(parent.reg, text, 4, text, 4, &length, &word));
	REFUSED(dso_register_wait(parent.reg, 99, text, 4, DSO_FOREVER, &length, &word));
	REFUSED(dso_register_version(parent.reg, &word));
	REFUSED(dso_register_size(parent.reg, &length));
	REFUSED(dso_memory_read(parent.memory, 0, text, sizeof text));
	REFUSED(dso_memory_write(parent.memory, 0, text, sizeof text));
	REFUSED(dso_memory_cas(parent.memory, 0, 0, 1, &word));
	REFUSED(dso_memory_fetch_add(parent.memory, 0, 1, &word));
	REFUSED(dso_memory_wait(parent.memory, 0, 0, DSO_FOREVER));
	REFUSED(dso_memory_wake(parent.memory, 0, 1, NULL));
	REFUSED(dso_memory_read_submit(parent.memory, 0, text, 8, 0));
	REFUSED(dso_memory_write_submit(parent.memory, 0, text, 8, 0));
	REFUSED(dso_memory_cas_submit(parent.memory, 0, 0, 1, 0));
	REFUSED(dso_memory_fetch_add_submit(parent.memory, 0, 1, 0));
	return 0;
}

/* The parent holds the mutex, a permit, and has begun the once. */
static int gates_refuse(void)
{
	char text[8];
	size_t length;
	uint64_t token;
	uint32_t n;
	int64_t count;
	int flag;

	REFUSED(dso_mutex_lock(parent.mutex, DSO_FOREVER, &token));
	REFUSED(dso_mutex_unlock(parent.mutex));
	REFUSED(dso_mutex_force_unlock(parent.mutex, 1));
	REFUSED(dso_mutex_holder(parent.mutex, &n, &token));
	REFUSED(dso_rwlock_rdlock(parent.rwlock, DSO_FOREVER));
	REFUSED(dso_rwlock_wrlock(parent.rwlock, DSO_FOREVER));
	CHECK(dso_rwlock_unlock(parent.rwlock) == -EPERM);
	REFUSED(dso_condition_wait(parent.condition, parent.mutex, DSO_FOREVER));
	REFUSED(dso_semaphore_acquire(parent.semaphore, 1, DSO_FOREVER));
	REFUSED(dso_semaphore_release(parent.semaphore, 1));
	REFUSED(dso_semaphore_available(parent.semaphore, &n));
	REFUSED(dso_barrier_wait(parent.barrier, DSO_FOREVER, &flag));
	REFUSED(dso_barrier_reset(parent.barrier));
	REFUSED(dso_barrier_stat(parent.barrier, &n, &n, &flag));
	REFUSED(dso_latch_count_down(parent.latch, 1, &count));
	REFUSED(dso_latch_wait(parent.latch, DSO_FOREVER));
	REFUSED(dso_latch_count(parent.latch, &count));
	REFUSED(dso_condition_signal(parent.condition));
	REFUSED(dso_condition_broadcast(parent.condition));
	REFUSED(dso_once_begin(parent.once, DSO_FOREVER, &flag));
	REFUSED(dso_once_done(parent.once));
	REFUSED(dso_future_promise(parent.future));
	REFUSED(dso_future_set(parent.future, "x", 1));
	REFUSED(dso_future_set_error(parent.future, "x"));
	REFUSED(dso_future_get(parent.future, text, sizeof text, DSO_FOREVER, &length));
	REFUSED(dso_future_is_done(parent.future, &flag));
	return 0;
}

static int map_refuses(void)
{
	struct dso_map_item item = {.key = "k", .key_bytes = 1};
	uint64_t word = 0;
	size_t length;
	char text[8];
	int flag;

	REFUSED(dso_map_get(parent.map, "k", 1, text, 8, &length, &word));
	REFUSED(dso_map_wait(parent.map, "k", 1, 0, text, 8, DSO_FOREVER, &length, &word));
	REFUSED(dso_map_put(parent.map, "k", 1, "v", 1, &word));
	REFUSED(dso_map_put_if_absent(parent.map, "k", 1, "v", 1, &word));
	REFUSED(dso_map_replace(parent.map, "k", 1, 1, "v", 1, &word));
	REFUSED(dso_map_merge(parent.map, "k", 1, DSO_APPEND, "v", 1, &word));
	REFUSED(dso_map_remove(parent.map, "k", 1));
	REFUSED(dso_map_contains(parent.map, "k", 1, &flag));
	REFUSED(dso_map_get_many(parent.map, &item, 1));
	REFUSED(dso_map_put_many(parent.map, &item, 1));
	word = 0;
	REFUSED(dso_map_scan(parent.map, &word, NULL, NULL));
	REFUSED(dso_map_size(parent.map, &word));
	REFUSED(dso_map_clear(parent.map));
	return 0;
}

static int collections_refuse(void)
{
	char text[224] = "x";
	struct dso_queue_item item = {.bytes = text, .length_bytes = 1, .bytes_max = sizeof text};
	uint64_t word = 0;
	size_t length;
	int flag;

	REFUSED(dso_queue_push(parent.queue, "x", 1, DSO_FOREVER));
	REFUSED(dso_queue_push_many(parent.queue, &item, 1, DSO_FOREVER, &length));
	REFUSED(dso_queue_pop(parent.queue, text, sizeof text, DSO_FOREVER, &length));
	REFUSED(dso_queue_pop_many(parent.queue, &item, 1, DSO_FOREVER, &length));
	REFUSED(dso_queue_lease(parent.queue, &item, DSO_FOREVER));
	REFUSED(dso_queue_length(parent.queue, &word));
	REFUSED(dso_queue_shutdown(parent.queue));
	REFUSED(dso_set_add(parent.set, "k", 1, &flag));
	REFUSED(dso_set_remove(parent.set, "k", 1, &flag));
	REFUSED(dso_set_contains(parent.set, "k", 1, &flag));
	REFUSED(dso_set_size(parent.set, &word));
	word = 0;
	REFUSED(dso_set_scan(parent.set, &word, NULL, NULL));
	REFUSED(dso_set_clear(parent.set));
	return 0;
}

static int aggregator_refuses(void)
{
	double value = 1;
	uint64_t round;
	uint32_t count;

	REFUSED(dso_aggregator_contribute(parent.aggregator, 0, &value, 8, 0, DSO_FOREVER, &round));
	REFUSED(dso_aggregator_round_wait(parent.aggregator, 1, &value, 8, DSO_FOREVER, &count));
	REFUSED(dso_aggregator_reduce_wait(parent.aggregator, 1, &value, 8, DSO_FOREVER, &count));
	REFUSED(dso_aggregator_all_reduce(parent.aggregator, 0, &value, 8, 0, &value, DSO_FOREVER,
					  &round));
	REFUSED(dso_aggregator_get(parent.aggregator, &value, 8, &round, &count));
	REFUSED(dso_aggregator_finish(parent.aggregator, 0, &round));
	REFUSED(dso_aggregator_reset(parent.aggregator));
	REFUSED(dso_aggregator_stat(parent.aggregator, &round, &count, NULL));
	return 0;
}

static int everything_refuses(void)
{
	int line = session_refuses();

	line = line ? line : values_refuse();
	line = line ? line : map_refuses();
	line = line ? line : collections_refuse();
	line = line ? line : aggregator_refuses();
	return line ? line : gates_refuse();
}

static int handles_close(void)
{
	dso_counter_close(parent.counter);
	dso_mutex_close(parent.mutex);
	dso_semaphore_close(parent.semaphore);
	dso_once_close(parent.once);
	dso_future_close(parent.future);
	dso_queue_close(parent.queue);
	dso_map_close(parent.map);
	dso_set_close(parent.set);
	dso_aggregator_close(parent.aggregator);
	return 0;
}

static int session_closes(void)
{
	dso_close(parent.session);
	return 0;
}

static int reap_refuses(void)
{
	struct dso_completion completions[SUBMITTED];
	size_t count;

	REFUSED(dso_reap(parent.session, completions, SUBMITTED, DSO_SECOND, &count));
	return 0;
}

static int flush_refuses(void)
{
	REFUSED(dso_flush(parent.session));
	return 0;
}

static int grandchild_closes(void)
{
	in_child(everything_refuses);
	in_child(session_closes);
	return session_closes();
}

static int (*const children[])(void) = {everything_refuses, flush_refuses,  reap_refuses,
					handles_close,      session_closes, grandchild_closes};
#define CHILDREN (int)(sizeof children / sizeof *children)

/* What was submitted and not flushed is executed once, by the parent, whatever its child does. */
START_TEST(a_child_executes_nothing_that_its_parent_submitted)
{
	struct dso_completion completions[SUBMITTED];
	size_t total = 0, count;
	int64_t value;
	int mine;

	OK(parent.session, dso_mutex_lock(parent.mutex, DSO_NOWAIT, NULL));
	OK(parent.session, dso_semaphore_acquire(parent.semaphore, 1, DSO_NOWAIT));
	OK(parent.session, dso_once_begin(parent.once, DSO_NOWAIT, &mine));
	for (uint64_t i = 0; i < SUBMITTED; i++)
		OK(parent.session, dso_counter_add_submit(parent.counter, 1, i));
	in_child(children[_i]);
	for (; total < SUBMITTED; total += count) {
		OK(parent.session,
		   dso_reap(parent.session, completions, SUBMITTED - total, DSO_FOREVER, &count));
		for (size_t i = 0; i < count; i++)
			ck_assert_int_eq(completions[i].status, 0);
	}
	OK(parent.session, dso_counter_get(parent.counter, &value));
	ck_assert_int_eq(value, SUBMITTED);
	/* What the parent held it holds still. */
	OK(parent.session, dso_mutex_unlock(parent.mutex));
	OK(parent.session, dso_semaphore_release(parent.semaphore, 1));
	OK(parent.session, dso_once_done(parent.once));
	OK(parent.session, dso_ping(parent.session, NULL));
}
END_TEST

static int arena_is_not_mapped(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	CHECK(maps);
	while (fgets(line, sizeof line, maps))
		CHECK(!strstr(line, "dso-arena"));
	fclose(maps);
	return 0;
}

START_TEST(a_child_does_not_have_the_arena_of_its_parent)
{
	in_child(arena_is_not_mapped);
}
END_TEST

static char name_of_own[64];

/* Over verbs the child of a process that uses rdma-core cannot use it: see dso_open(). */
static int own_session_works(void)
{
	struct dso_session *own;
	struct dso_counter *counter;
	int64_t before;

	if (conformance_is("verbs"))
		return 0;
	CHECK(conformance_dial_another(&own) == 0);
	CHECK(dso_counter_open(own, name_of_own, NULL, &counter) == 0);
	CHECK(dso_counter_add(counter, 10, &before) == 0);
	/* An embedded store is its process's. */
	CHECK(before == (conformance_is("embedded") ? 0 : 1));
	dso_close(parent.session);
	CHECK(dso_counter_add(counter, 10, &before) == 0);
	dso_close(own);
	return 0;
}

START_TEST(a_child_opens_a_session_of_its_own_and_an_embedded_store_of_its_own)
{
	struct dso_counter *counter;
	int64_t value;

	snprintf(name_of_own, sizeof name_of_own, "%s", conformance_name());
	OK(parent.session, dso_counter_open(parent.session, name_of_own, NULL, &counter));
	OK(parent.session, dso_counter_add(counter, 1, NULL));
	in_child(own_session_works);
	OK(parent.session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, conformance_is("embedded") || conformance_is("verbs") ? 1 : 21);
}
END_TEST

/* ---- other threads of the parent ---- */

static _Atomic bool stop;

/* Has every lock of the library now and then: those of its session and of the directory most of the
 * time. */
static void *come_and_go(void *unused)
{
	while (!stop) {
		struct dso_session *session = conformance_open_another();
		struct dso_counter *counter;

		for (int i = 0; i < 200; i++) {
			OK(session, dso_counter_open(session, "come and go", NULL, &counter));
			dso_counter_close(counter);
		}
		dso_close(session);
	}
	return unused;
}

/* It takes the locks that the parent's threads had. */
static int own_session_opens(void)
{
	struct dso_session *own;

	dso_close(parent.session);
	if (conformance_is("verbs"))
		return 0;
	CHECK(conformance_dial_another(&own) == 0);
	dso_close(own);
	return 0;
}

START_TEST(a_child_is_not_kept_by_a_lock_that_another_thread_had_at_the_fork)
{
	pthread_t threads[2];

	stop = false;
	snprintf(name_of_own, sizeof name_of_own, "%s", conformance_name());
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < 40; i++)
		in_child(i % 2 ? values_refuse : own_session_opens);
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

/* The thread sanitizer takes a thread that a child begins for one of the parent's, and ends the
 * child. */
#ifdef __SANITIZE_THREAD__
#define CHILDREN_BEGIN_THREADS 0
#else
#define CHILDREN_BEGIN_THREADS 1
#endif

/* The locks of the address sanitizer's own malloc() stay taken in a child where another thread had
 * them at the fork. */
#ifdef __SANITIZE_ADDRESS__
#define CHILDREN_HAVE_MALLOC 0
#else
#define CHILDREN_HAVE_MALLOC 1
#endif

Suite *conformance_fork_suite(void)
{
	Suite *suite = suite_create("fork");
	TCase *tcase = tcase_create("fork");

	tcase_set_tags(tcase, "fork"); /* of tests/arm64/run */
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_child_executes_nothing_that_its_parent_submitted, 0, CHILDREN);
	tcase_add_test(tcase, a_child_does_not_have_the_arena_of_its_parent);
	if (CHILDREN_BEGIN_THREADS)
		tcase_add_test(tcase,
			       a_child_opens_a_session_of_its_own_and_an_embedded_store_of_its_own);
	if (CHILDREN_BEGIN_THREADS && CHILDREN_HAVE_MALLOC)
		tcase_add_test(tcase,
			       a_child_is_not_kept_by_a_lock_that_another_thread_had_at_the_fork);
	suite_add_tcase(suite, tcase);
	return suite;
}
