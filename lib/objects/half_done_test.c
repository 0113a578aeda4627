/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls in the middle of which their session ends, before each single operation. A call that says
 * by -ENOTCONN or -ESHUTDOWN that nothing was done has changed nothing, and its handle holds
 * nothing by it.
 */
#include "lib/objects/object.h"
#include "lib/objects/rivals_test.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <stdio.h>
#include <xxhash.h>

static char name[16]; /* of the object; a new one each time */

static int end_at_limit(struct steered *steered, const struct op *op)
{
	(void)op;
	if (steered->executed < steered->limit)
		return 0;
	session_lose(mine, -ENOTCONN, "the test ends it");
	return -ENOTCONN;
}

/* ---- what others see of an object ---- */

/* All its bytes. */
static uint64_t bytes_of(void *handle)
{
	const struct object *object = handle;
	struct transport *inside = steered_of(theirs)->inside;

	return XXH3_64bits(transport_ops(inside)->at(inside, object->offset, object->length_bytes),
			   object->length_bytes);
}

static struct dso_map *their_map;

/* Blocks that are claimed for nothing come back. */
static uint64_t entries_of(void *unused)
{
	uint64_t size, value = 0;
	size_t length;

	(void)unused;
	OK(theirs, dso_map_size(their_map, &size));
	(void)dso_map_get(their_map, "a", 1, &value, sizeof value, &length, NULL);
	return size << 32 | (value & UINT32_MAX);
}

static struct dso_aggregator *their_aggregator;

/* So do places. */
static uint64_t round_of(void *unused)
{
	uint64_t round;
	uint32_t contributed;

	(void)unused;
	OK(theirs, dso_aggregator_stat(their_aggregator, &round, &contributed, NULL));
	return round << 32 | contributed;
}

/* ---- the calls: each opens its object, and prepares it ---- */

static uint8_t long_value[65 * DATA_TRANSFER_BYTES_MAX];

#define OPEN(type, params)         \
	struct dso_##type *handle; \
	OK(mine, dso_##type##_open(mine, name, params, &handle))

static void *open_semaphore(void)
{
	OPEN(semaphore, (&(struct dso_semaphore_params){.permits = 3}));
	return handle;
}

static int acquire_two(void *semaphore)
{
	return dso_semaphore_acquire(semaphore, 2, DSO_NOWAIT);
}

static void *open_acquired(void)
{
	struct dso_semaphore *semaphore = open_semaphore();

	OK(mine, acquire_two(semaphore));
	return semaphore;
}

static int release_two(void *semaphore)
{
	return dso_semaphore_release(semaphore, 2);
}

static void *open_mutex(void)
{
	OPEN(mutex, NULL);
	return handle;
}

static int lock_for_token(void *mutex)
{
	uint64_t token;

	return dso_mutex_lock(mutex, DSO_NOWAIT, &token);
}

static void *open_locked(void)
{
	struct dso_mutex *mutex = open_mutex();

	OK(mine, dso_mutex_lock(mutex, DSO_NOWAIT, NULL));
	return mutex;
}

static int unlock(void *mutex)
{
	return dso_mutex_unlock(mutex);
}

static int wait_for_signal(void *mutex)
{
	struct dso_condition *condition;
	int r;

	r = dso_condition_open(mine, "condition", NULL, &condition);
	return r ? r : dso_condition_wait(condition, mutex, DSO_NOWAIT);
}

static void *open_rwlock(void)
{
	OPEN(rwlock, (&(struct dso_rwlock_params){.readers = 3}));
	return handle;
}

static int lock_for_reading(void *rwlock)
{
	return dso_rwlock_rdlock(rwlock, DSO_NOWAIT);
}

static int lock_for_writing(void *rwlock)
{
	return dso_rwlock_wrlock(rwlock, DSO_NOWAIT);
}

static int unlock_rwlock(void *rwlock)
{
	return dso_rwlock_unlock(rwlock);
}

static void *open_read(void)
{
	struct dso_rwlock *rwlock = open_rwlock();

	OK(mine, lock_for_reading(rwlock));
	return rwlock;
}

static void *open_written(void)
{
	struct dso_rwlock *rwlock = open_rwlock();

	OK(mine, lock_for_writing(rwlock));
	return rwlock;
}

static void *open_barrier(void)
{
	OPEN(barrier, (&(struct dso_barrier_params){.parties = 2}));
	return handle;
}

static void *open_barrier_of_one(void)
{
	OPEN(barrier, (&(struct dso_barrier_params){.parties = 1}));
	return handle;
}

static int wait_at_barrier(void *barrier)
{
	return dso_barrier_wait(barrier, DSO_NOWAIT, NULL);
}

static void *open_broken(void)
{
	struct dso_barrier *barrier = open_barrier();

	ck_assert_int_eq(wait_at_barrier(barrier), -ETIMEDOUT);
	return barrier;
}

static int reset_barrier(void *barrier)
{
	return dso_barrier_reset(barrier);
}

static void *open_latch(void)
{
	OPEN(latch, (&(struct dso_latch_params){.count = 1}));
	return handle;
}

static int count_down(void *latch)
{
	return dso_latch_count_down(latch, 1, NULL);
}

static void *open_condition(void)
{
	OPEN(condition, NULL);
	return handle;
}

static int signal_condition(void *condition)
{
	return dso_condition_signal(condition);
}

static void *open_once(void)
{
	OPEN(once, NULL);
	return handle;
}

static int begin_once(void *once)
{
	return dso_once_begin(once, DSO_NOWAIT, NULL);
}

static void *open_begun(void)
{
	struct dso_once *once = open_once();

	OK(mine, begin_once(once));
	return once;
}

static int end_once(void *once)
{
	return dso_once_done(once);
}

static void *open_future(void)
{
	OPEN(future, NULL);
	return handle;
}

static int set_future(void *future)
{
	return dso_future_set(future, "value", 5);
}

static void *open_register(void)
{
	OPEN(register, NULL);
	OK(mine, dso_register_set(handle, "before", 6, NULL));
	return handle;
}

static int write_register(void *reg)
{
	return dso_register_set(reg, "behind", 6, NULL);
}

static void *open_counter(void)
{
	OPEN(counter, NULL);
	return handle;
}

static int exchange(void *counter)
{
	return dso_counter_exchange(counter, 4711, NULL);
}

static void *open_memory(void)
{
	OPEN(memory, (&(struct dso_memory_params){.size_bytes = sizeof long_value}));
	return handle;
}

static int write_memory(void *memory)
{
	memset(long_value, 0x5a, sizeof long_value);
	return dso_memory_write(memory, 0, long_value, sizeof long_value);
}

static void *open_queue(void)
{
	OPEN(queue, (&(struct dso_queue_params){.capacity = 8, .item_bytes = 8}));
	for (unsigned i = 0; i < 3; i++)
		OK(mine, dso_queue_push(handle, "item", 4, DSO_NOWAIT));
	return handle;
}

static int push(void *queue)
{
	return dso_queue_push(queue, "another", 7, DSO_NOWAIT);
}

static int pop(void *queue)
{
	char bytes[8];

	return dso_queue_pop(queue, bytes, sizeof bytes, DSO_NOWAIT, NULL);
}

static int lease(void *queue)
{
	char bytes[8];
	struct dso_queue_item item = {.bytes = bytes, .bytes_max = sizeof bytes};

	return dso_queue_lease(queue, &item, DSO_NOWAIT);
}

static void *open_leased(void)
{
	struct dso_queue *queue = open_queue();

	OK(mine, lease(queue));
	return queue;
}

static int acknowledge(void *queue)
{
	return dso_queue_acknowledge(queue, 0);
}

static int give_back(void *queue)
{
	return dso_queue_give_back(queue, 0);
}

static int shut_down(void *queue)
{
	return dso_queue_shutdown(queue);
}

static void *open_map(void)
{
	uint32_t value = 1;
	OPEN(map, NULL);

	OK(mine, dso_map_put(handle, "a", 1, &value, sizeof value, NULL));
	OK(mine, dso_map_put(handle, "b", 1, long_value, 200, NULL));
	OK(theirs, dso_map_open(theirs, name, NULL, &their_map));
	return handle;
}

static int put(void *map)
{
	uint32_t value = 2;

	return dso_map_put(map, "a", 1, &value, sizeof value, NULL);
}

static int put_new(void *map)
{
	return dso_map_put(map, "c", 1, long_value, 300, NULL);
}

static int remove_entry(void *map)
{
	return dso_map_remove(map, "a", 1);
}

static int clear_map(void *map)
{
	return dso_map_clear(map);
}

static void *open_aggregator(void)
{
	OPEN(aggregator, (&(struct dso_aggregator_params){.length = 2, .contributors = 2}));

	steered_reach(mine);
	steered_reach(theirs);

	OK(theirs, dso_aggregator_open(theirs, name, NULL, &their_aggregator));
	return handle;
}

static int contribute(void *aggregator)
{
	double values[2] = {1, 2};

	return dso_aggregator_contribute(aggregator, 1, values, sizeof values, 0, DSO_NOWAIT, NULL);
}

static void *open_contributed(void)
{
	struct dso_aggregator *aggregator = open_aggregator();
	double values[2] = {3, 4};

	OK(theirs, dso_aggregator_contribute(their_aggregator, 0, values, sizeof values, 0,
					     DSO_NOWAIT, NULL));
	return aggregator;
}

static int all_reduce(void *aggregator)
{
	double values[2] = {1, 2}, result[2];

	return dso_aggregator_all_reduce(aggregator, 1, values, sizeof values, 0, result,
					 DSO_NOWAIT, NULL);
}

static int finish(void *aggregator)
{
	return dso_aggregator_finish(aggregator, 0, NULL);
}

static int reset_aggregator(void *aggregator)
{
	return dso_aggregator_reset(aggregator);
}

static const struct call {
	const char *name;
	void *(*open)(void);
	int (*call)(void *handle);
	uint64_t (*see)(void *handle);
} calls[] = {
	{"semaphore acquire", open_semaphore, acquire_two, bytes_of},
	{"semaphore release", open_acquired, release_two, bytes_of},
	{"mutex lock", open_mutex, lock_for_token, bytes_of},
	{"mutex unlock", open_locked, unlock, bytes_of},
	{"condition wait", open_locked, wait_for_signal, bytes_of},
	{"rwlock rdlock", open_rwlock, lock_for_reading, bytes_of},
	{"rwlock wrlock", open_rwlock, lock_for_writing, bytes_of},
	{"rwlock unlock, reader", open_read, unlock_rwlock, bytes_of},
	{"rwlock unlock, writer", open_written, unlock_rwlock, bytes_of},
	{"barrier wait", open_barrier, wait_at_barrier, bytes_of},
	{"barrier wait, last", open_barrier_of_one, wait_at_barrier, bytes_of},
	{"barrier wait, broken", open_broken, wait_at_barrier, bytes_of},
	{"barrier reset", open_broken, reset_barrier, bytes_of},
	{"latch count_down", open_latch, count_down, bytes_of},
	{"condition signal", open_condition, signal_condition, bytes_of},
	{"once begin", open_once, begin_once, bytes_of},
	{"once done", open_begun, end_once, bytes_of},
	{"future set", open_future, set_future, bytes_of},
	{"register write", open_register, write_register, bytes_of},
	{"counter exchange", open_counter, exchange, bytes_of},
	{"memory write", open_memory, write_memory, bytes_of},
	{"queue push", open_queue, push, bytes_of},
	{"queue pop", open_queue, pop, bytes_of},
	{"queue lease", open_queue, lease, bytes_of},
	{"queue acknowledge", open_leased, acknowledge, bytes_of},
	{"queue give back", open_leased, give_back, bytes_of},
	{"queue shutdown", open_queue, shut_down, bytes_of},
	{"map put", open_map, put, entries_of},
	{"map put, new", open_map, put_new, entries_of},
	{"map remove", open_map, remove_entry, entries_of},
	{"map clear", open_map, clear_map, entries_of},
	{"aggregator contribute", open_aggregator, contribute, round_of},
	{"aggregator contribute, last", open_contributed, contribute, round_of},
	{"aggregator all_reduce", open_aggregator, all_reduce, round_of},
	{"aggregator all_reduce, last", open_contributed, all_reduce, round_of},
	{"aggregator finish", open_contributed, finish, round_of},
	{"aggregator reset", open_contributed, reset_aggregator, round_of},
};

/* Returns whether it ended in the call. */
static bool end_in(const struct call *call, uint64_t limit)
{
	struct object *object;
	uint64_t before;
	bool ended, held;
	int r;

	static unsigned opened;

	snprintf(name, sizeof name, "%u", opened++);
	rivals_begin();
	object = call->open();
	before = call->see(object);
	held = object->lose && object->lose(object, NULL);
	steered_of(mine)->executed = 0;
	steered_of(mine)->limit = limit;
	steered_of(mine)->before = end_at_limit;
	r = call->call(object);
	ended = atomic_load(&mine->health) != 0;
	if (r == -ENOTCONN || r == -ESHUTDOWN) {
		ck_assert_msg(call->see(object) == before, "%s: %d before operation %ju",
			      call->name, r, (uintmax_t)limit);
		ck_assert_msg(!object->lose || object->lose(object, NULL) == held,
			      "%s holds what it did not take, before operation %ju", call->name,
			      (uintmax_t)limit);
	}
	steered_of(mine)->before = NULL;
	dso_close(mine);
	OK(theirs, dso_object_delete(theirs, name));
	dso_close(theirs);
	return ended;
}

START_TEST(a_call_that_says_that_nothing_was_done_has_changed_nothing)
{
	uint64_t limit = 0;

	while (end_in(&calls[_i], limit))
		limit++;
	ck_assert_uint_gt(limit, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("half done");
	TCase *tests = tcase_create("half done");

	tcase_add_loop_test(tests, a_call_that_says_that_nothing_was_done_has_changed_nothing, 0,
			    (int)(sizeof calls / sizeof *calls));
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
