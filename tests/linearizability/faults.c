/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/linearizability/faults.h"
#include "tests/linearizability/specs.h"

#include <errno.h>
#include <sched.h>

/* ---- values ---- */

static void add_twice(struct client *client, struct operation *operation)
{
	counter_kind.perform(client, operation);
	if (operation->kind == COUNTER_ADD)
		dso_counter_add(client->counter, operation->arguments[0], NULL);
}

static void add_by_reading_and_writing(struct client *client, struct operation *operation)
{
	if (operation->kind != COUNTER_ADD) {
		counter_kind.perform(client, operation);
		return;
	}
	operation->status = dso_counter_get(client->counter, &operation->results[0]);
	sched_yield();
	if (operation->status == 0)
		operation->status = dso_counter_set(
			client->counter, operation->results[0] + operation->arguments[0]);
}

static void get_what_was_seen_last(struct client *client, struct operation *operation)
{
	counter_kind.perform(client, operation);
	if (operation->kind == COUNTER_GET)
		operation->results[0] = client->seen[0];
}

static void swap_without_comparing(struct client *client, struct operation *operation)
{
	word_kind.perform(client, operation);
	if (operation->kind == WORD_CAS)
		operation->results[0] = operation->arguments[0];
}

/* The value before under the version of now. */
static void get_an_older_value(struct client *client, struct operation *operation)
{
	int64_t older = client->seen[0];

	register_kind.perform(client, operation);
	if (operation->kind != REGISTER_GET)
		return;
	client->seen[0] = operation->results[0];
	operation->results[0] = older;
}

static void set_whatever_the_version(struct client *client, struct operation *operation)
{
	struct operation set = *operation;

	if (operation->kind == REGISTER_SET_IF) {
		set.kind = REGISTER_SET;
		set.arguments[0] = operation->arguments[1];
	}
	register_kind.perform(client, &set);
	operation->status = set.status;
	operation->results[0] = set.results[0];
	operation->results[1] = set.results[1];
}

static void wait_for_no_zero(struct client *client, struct operation *operation)
{
	latch_kind.perform(client, operation);
	if (operation->status == -ETIMEDOUT)
		operation->status = 0;
}

static void set_after_another(struct client *client, struct operation *operations)
{
	future_kind.perform(client, operations);
	if (operations[1].status == -EALREADY)
		operations[0].status = operations[1].status = 0;
}

/* ---- holds: who was refused goes in, and needs not to give anything back ---- */

static void lock_what_is_locked(struct client *client, struct operation *operation)
{
	uint64_t token = 0;

	if (operation->kind == MUTEX_UNLOCK && client->pretend) {
		client->pretend = 0;
		return;
	}
	mutex_kind.perform(client, operation);
	if (operation->kind != MUTEX_LOCK || operation->status != -ETIMEDOUT)
		return;
	dso_mutex_holder(client->mutex, NULL, &token);
	operation->results[0] = (int64_t)(token - client->token_origin) + 1;
	operation->status = 0;
	client->pretend = 1;
}

static void give_the_token_before(struct client *client, struct operation *operation)
{
	mutex_kind.perform(client, operation);
	operation->results[0] -= operation->kind == MUTEX_LOCK;
}

static void tell_of_no_death(struct client *client, struct operation *operation)
{
	mutex_kind.perform(client, operation);
	if (operation->status != -EOWNERDEAD)
		return;
	dso_mutex_consistent(client->mutex);
	operation->status = 0;
}

static void write_among_readers(struct client *client, struct operation *operation)
{
	if (operation->kind == RWLOCK_UNLOCK && client->pretend) {
		client->pretend = 0;
		return;
	}
	rwlock_kind.perform(client, operation);
	if (operation->kind == RWLOCK_WRLOCK && operation->status == -ETIMEDOUT) {
		operation->status = 0;
		client->pretend = 1;
	}
}

static void acquire_what_is_not_there(struct client *client, struct operation *operation)
{
	int64_t n = operation->arguments[0];
	unsigned pretended = (unsigned)n < client->pretend ? (unsigned)n : client->pretend;

	if (operation->kind == SEMAPHORE_RELEASE) {
		client->pretend -= pretended;
		if ((uint32_t)n > pretended)
			operation->status =
				dso_semaphore_release(client->semaphore, (uint32_t)n - pretended);
		return;
	}
	semaphore_kind.perform(client, operation);
	if (operation->kind == SEMAPHORE_ACQUIRE && operation->status == -ETIMEDOUT) {
		operation->status = 0;
		client->pretend += (unsigned)n;
	}
}

static void begin_what_another_is_at(struct client *client, struct operation *operation)
{
	if (operation->kind != ONCE_BEGIN && client->pretend) {
		client->pretend = 0;
		return;
	}
	once_kind.perform(client, operation);
	if (operation->status == -ETIMEDOUT) {
		operation->status = 0;
		operation->results[0] = 1;
		client->pretend = 1;
	}
}

static void be_the_last_always(struct client *client, struct operation *operations)
{
	barrier_kind.perform(client, operations);
	operations[0].results[0] = 1;
}

static void wake_up_without_the_mutex(struct client *client, struct operation *operations)
{
	if (operations[0].kind == CONDITION_UNLOCK && client->pretend) {
		client->pretend = 0;
		return;
	}
	condition_kind.perform(client, operations);
	if (operations[0].kind == CONDITION_SLEEP) {
		dso_mutex_unlock(client->mutex);
		client->pretend = 1;
	}
}

/* And wait for no longer than it takes to see it. */
static void notify_nobody(struct client *client, struct operation *operations)
{
	if (operations[0].kind == CONDITION_SLEEP)
		operations[1].status =
			dso_condition_wait(client->condition, client->mutex, 5 * DSO_MILLISECOND);
	else if (operations[0].kind != CONDITION_NOTIFY)
		condition_kind.perform(client, operations);
}

/* ---- queue ---- */

static void pop_what_was_popped(struct client *client, struct operation *operation)
{
	queue_kind.perform(client, operation);
	if (operation->kind != QUEUE_POP || operation->status)
		return;
	if (client->pretend)
		operation->results[0] = client->pretend;
	client->pretend = (unsigned)operation->results[0];
}

static void lose_what_is_pushed(struct client *client, struct operation *operation)
{
	if (operation->kind != QUEUE_PUSH || client->drawn % 8)
		queue_kind.perform(client, operation);
}

static void acknowledge_what_comes_back(struct client *client, struct operation *operation)
{
	struct operation done = *operation;

	if (done.kind == QUEUE_GIVE_BACK)
		done.kind = QUEUE_ACKNOWLEDGE;
	queue_kind.perform(client, &done);
	operation->status = done.status;
	operation->results[0] = done.results[0];
	operation->results[1] = done.results[1];
}

/* ---- map, set ---- */

static void lose_what_is_put(struct client *client, struct operation *operation)
{
	if (operation->kind != MAP_PUT || client->drawn % 4)
		map_kind.perform(client, operation);
}

/* As a reader that looks at its own copy. */
static void find_what_was_removed(struct client *client, struct operation *operation)
{
	map_kind.perform(client, operation);
	if (operation->kind != MAP_GET || operation->arguments[0] != 0)
		return;
	if (operation->results[0])
		client->pretend = (unsigned)operation->results[0];
	operation->results[0] = client->pretend;
}

static void add_what_is_there(struct client *client, struct operation *operation)
{
	set_kind.perform(client, operation);
	if (operation->kind == SET_ADD)
		operation->results[0] = 1;
}

/* ---- aggregator ---- */

static void take_what_was_taken(struct client *client, struct operation *operations)
{
	aggregator_kind.perform(client, operations);
	if (operations[0].kind == AGGREGATOR_WAIT && operations[0].status == -EALREADY)
		operations[1].status = 0;
}

static void contribute_to_what_is_over(struct client *client, struct operation *operations)
{
	aggregator_kind.perform(client, operations);
	if (operations[0].kind != AGGREGATOR_CONTRIBUTE || operations[0].status != -EALREADY)
		return;
	operations[0].status = 0;
	operations[0].results[0] = operations[0].arguments[1];
}

/* Where others wait for it, they would wait for ever. */
static void lose_what_is_contributed(struct client *client, struct operation *operations)
{
	if (operations[0].kind != AGGREGATOR_CONTRIBUTE || !client->rough || client->drawn % 4)
		aggregator_kind.perform(client, operations);
	else
		operations[0].results[0] = client->seen[0];
}

/* As one that is not replaced: the sum of both. */
static void count_what_was_replaced(struct client *client, struct operation *operations)
{
	aggregator_kind.perform(client, operations);
	if (operations[0].kind != AGGREGATOR_GET || operations[0].status)
		return;
	operations[0].results[0] += operations[0].results[0] & (int64_t)AGGREGATOR_FIELD(0);
}

static void read_the_result_before(struct client *client, struct operation *operations)
{
	int64_t before = client->pretend;

	aggregator_kind.perform(client, operations);
	if (operations[0].kind != AGGREGATOR_WAIT || operations[0].status)
		return;
	client->pretend = (unsigned)operations[0].results[0];
	if (before)
		operations[0].results[0] = before;
}

const struct fault faults[] = {
	{"the result of a round is taken twice", &aggregator_kind, take_what_was_taken},
	{"a contribution that is too late counts", &aggregator_kind, contribute_to_what_is_over},
	{"a contribution is lost", &aggregator_kind, lose_what_is_contributed},
	{"a contribution counts beside the one that replaced it", &aggregator_kind,
	 count_what_was_replaced},
	{"a result is read stale", &aggregator_kind, read_the_result_before},
	{"an item is popped twice", &queue_kind, pop_what_was_popped},
	{"an item that was pushed is lost", &queue_kind, lose_what_is_pushed},
	{"an item that is given back is lost", &queue_kind, acknowledge_what_comes_back},
	{"an entry that was put is lost", &map_kind, lose_what_is_put},
	{"a removed key is found", &map_kind, find_what_was_removed},
	{"a key is added twice", &set_kind, add_what_is_there},
	{"an addition is done twice", &counter_kind, add_twice},
	{"an update is lost", &counter_kind, add_by_reading_and_writing},
	{"a counter is read stale", &counter_kind, get_what_was_seen_last},
	{"a swap does not compare", &word_kind, swap_without_comparing},
	{"a register is read stale", &register_kind, get_an_older_value},
	{"a register is set whatever its version", &register_kind, set_whatever_the_version},
	{"a latch lets go before it is at 0", &latch_kind, wait_for_no_zero},
	{"a future is set twice", &future_kind, set_after_another},
	{"a mutex has two holders", &mutex_kind, lock_what_is_locked},
	{"a fencing token is given out twice", &mutex_kind, give_the_token_before},
	{"a death is not told of", &mutex_kind, tell_of_no_death},
	{"a writer is let in among others", &rwlock_kind, write_among_readers},
	{"a semaphore has more holders than permits", &semaphore_kind, acquire_what_is_not_there},
	{"what is to be done once is done by two", &once_kind, begin_what_another_is_at},
	{"a barrier has two that are the last", &barrier_kind, be_the_last_always},
	{"a wait at a condition comes back without the mutex", &condition_kind,
	 wake_up_without_the_mutex},
	{"a wake-up is lost", &condition_kind, notify_nobody},
};
const unsigned fault_count = sizeof faults / sizeof *faults;
