/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/queue.h"
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/objects/word.h"

#include <stdlib.h>

static bool lose(struct object *object, struct dso_loss *loss)
{
	struct dso_queue *queue = (struct dso_queue *)object;
	bool held = queue->leases;

	if (!loss)
		return held;
	loss->role = DSO_HOLDER;
	loss->count = queue->leases;
	queue->leases = 0;
	queue->tail = queue->head = queue->missed = queue->looked_for = 0;
	queue->is_shut = false;
	return held;
}

static int queue_open(struct dso_session *session, const char *name,
		      const struct open_request *request, struct dso_queue **ret_queue)
{
	struct dso_queue *queue;
	int r = object_open(session, name, request, sizeof *queue, &queue);

	if (r)
		return r;
	queue->capacity = queue->object.parameters[QUEUE_PARAMETER_CAPACITY];
	queue->is_rendezvous = queue->object.parameters[QUEUE_PARAMETER_KIND] == QUEUE_RENDEZVOUS;
	queue->stride = queue->object.parameters[QUEUE_PARAMETER_STRIDE];
	queue->item_bytes = (uint32_t)queue->object.parameters[QUEUE_PARAMETER_ITEM_BYTES];
	queue->staged_bytes =
		queue->item_bytes < QUEUE_STAGED_MAX ? queue->item_bytes : QUEUE_STAGED_MAX;
	queue->staged_stride = (uint32_t)QUEUE_STRIDE_BYTES(queue->staged_bytes);
	queue->leased = calloc(1, DSO_QUEUE_LEASES_MAX * sizeof *queue->leased +
					  QUEUE_BATCH * (size_t)queue->staged_stride);
	if (!queue->leased) {
		dso_queue_close(queue);
		return session_fail(session, -ENOMEM, "cannot open queue %s: out of memory", name);
	}
	queue->staged = (uint8_t *)(queue->leased + DSO_QUEUE_LEASES_MAX);
	queue->object.memory[0] = queue->leased;
	*ret_queue = queue;
	return 0;
}

int dso_queue_open(struct dso_session *session, const char *name,
		   const struct dso_queue_params *params, struct dso_queue **ret_queue)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_QUEUE,
		.lose = lose,
		.unwanted = !ret_queue,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};

	if (params) {
		request.parameters[QUEUE_PARAMETER_CAPACITY] = params->capacity;
		request.parameters[QUEUE_PARAMETER_ITEM_BYTES] = params->item_bytes;
		request.parameters[QUEUE_PARAMETER_KIND] = params->kind;
	}
	return queue_open(session, name, &request, ret_queue);
}

int queue_open_existing(struct dso_session *session, const char *name, struct dso_queue **ret_queue)
{
	INSIDE(session);
	struct open_request request = {.type = OBJECT_QUEUE, .lose = lose, .is_there = true};

	return queue_open(session, name, &request, ret_queue);
}

uint32_t dso_queue_item_bytes(const struct dso_queue *queue)
{
	return queue->item_bytes;
}

int dso_queue_is_rendezvous(const struct dso_queue *queue)
{
	return queue->is_rendezvous;
}

uint32_t dso_queue_capacity(const struct dso_queue *queue)
{
	return (uint32_t)queue->capacity;
}

/* ---- what both ends do ---- */

int queue_check_vain(unsigned vain, int64_t deadline_ns)
{
	if (vain >= QUEUE_VAIN_MAX)
		return -EBADMSG;
	return vain >= QUEUE_VAIN_MIN && clock_now_ns() >= deadline_ns ? -ETIMEDOUT : 0;
}

int queue_check_beaten(struct dso_queue *queue, unsigned beaten, int64_t deadline_ns)
{
	if (beaten < QUEUE_VAIN_MIN)
		return 0;
	if (atomic_exchange(&queue->object.session->interrupted, false))
		return -ECANCELED;
	return clock_now_ns() >= deadline_ns ? -ETIMEDOUT : 0;
}

/* The operations that look at the queue, and what they saw. */
#define LOOKS 3
static void look_with(struct dso_queue *queue, struct op ops[LOOKS])
{
	ops[0] = word_op(&queue->object, DATA_FAA, QUEUE_HEAD_OFFSET, 0, 0);
	ops[1] = word_op(&queue->object, DATA_FAA, QUEUE_TAIL_OFFSET, 0, 0);
	ops[2] = word_op(&queue->object, DATA_FAA, QUEUE_MISSED_OFFSET, 0, 0);
}

static void learn(struct dso_queue *queue, const struct op ops[LOOKS])
{
	queue->head = ops[0].value;
	queue->tail = ops[1].value & ~QUEUE_SHUT;
	queue->is_shut = ops[1].value & QUEUE_SHUT;
	queue->missed = ops[2].value;
}

int queue_look(struct dso_queue *queue)
{
	struct op ops[LOOKS];
	int r;

	look_with(queue, ops);
	r = session_execute(&queue->object, ops, LOOKS);
	if (r == 0)
		learn(queue, ops);
	return r;
}

unsigned queue_raise_with(struct dso_queue *queue, uint64_t offset, struct op *ops)
{
	ops[0] = word_op(&queue->object, DATA_FAA, offset, 1, 0);
	ops[1] = word_op(&queue->object, DATA_FAA, offset + EVENT_WAITERS_OFFSET, 0, 0);
	return 2;
}

int queue_wake(struct dso_queue *queue, uint64_t offset, uint32_t count)
{
	bool is_mixed = queue->is_rendezvous && offset == QUEUE_SPACE_OFFSET;

	return futex_wake(&queue->object, offset, is_mixed ? FUTEX_ALL : count);
}

int queue_raise(struct dso_queue *queue, uint64_t offset, uint32_t count)
{
	struct event event = queue_event(queue, offset);
	uint64_t waiters;
	int r = event_raise(&event, &waiters);

	return r || waiters == 0 ? r : queue_wake(queue, offset, count);
}

int queue_tell(struct dso_queue *queue, uint64_t offset)
{
	uint64_t waiters;
	int r = word_load(&queue->object, offset + EVENT_WAITERS_OFFSET, &waiters);

	if (r == 0 && waiters)
		r = queue_raise(queue, offset, 1);
	return object_half_done(r);
}

int queue_count_left(struct dso_queue *queue)
{
	uint64_t before;
	int r = word_add(&queue->object, QUEUE_MISSED_OFFSET, 1, &before);

	return r ? object_half_done(r) : queue_tell(queue, QUEUE_ITEMS_OFFSET);
}

int queue_wait_slot(struct dso_queue *queue, uint64_t ticket, uint64_t *word, int64_t until_ns)
{
	uint64_t offset = queue_slot_offset(queue, ticket), before = *word;
	struct spin spin = {.until_ns = until_ns, .pauses = 1};
	int r = 0;

	while (r == 0 && *word == before && spin_on(&spin, &queue->object, offset, before))
		r = word_load(&queue->object, offset, word);
	return r;
}

int64_t queue_wait_until_ns(const struct dso_queue *queue, int64_t deadline_ns)
{
	int64_t now_ns = clock_now_ns(), least_ns = now_ns + spin_ns(queue->object.session);
	int64_t until_ns = now_ns + QUEUE_SLOT_WAIT_NS;

	until_ns = deadline_ns < until_ns ? deadline_ns : until_ns;
	return least_ns > until_ns ? least_ns : until_ns;
}

/* ---- waiting for the other end ---- */

unsigned queue_leave_with(struct dso_queue *queue, struct op *op)
{
	if (!queue->enlisted)
		return 0;
	*op = word_op(&queue->object, DATA_FAA, queue->enlisted + EVENT_WAITERS_OFFSET, UINT64_MAX,
		      0);
	queue->enlisted = 0;
	return 1;
}

int queue_leave(struct dso_queue *queue, int r)
{
	struct op op;

	if (queue_leave_with(queue, &op))
		session_execute_one(&queue->object, &op);
	return r;
}

/* Look at the count of the event at @offset and then at the queue, and before that enlist, if it is
 * not done: whatever comes after the look raises the event. */
static int look_enlisted(struct dso_queue *queue, uint64_t offset, uint64_t *ret_count)
{
	struct op ops[2 + LOOKS] = {
		word_op(&queue->object, DATA_FAA, offset + EVENT_WAITERS_OFFSET,
			queue->enlisted ? 0 : 1, 0),
		word_op(&queue->object, DATA_FAA, offset, 0, 0),
	};
	int r;

	look_with(queue, ops + 2);
	r = session_execute(&queue->object, ops, 2 + LOOKS);
	if (r)
		return r;
	queue->enlisted = offset;
	*ret_count = ops[1].value;
	learn(queue, ops + 2);
	return 0;
}

static int wait_enlisted(struct dso_queue *queue, const struct queue_wait *wait,
			 int64_t deadline_ns)
{
	struct event event = queue_event(queue, wait->offset);
	struct spin spin = spin_begin(queue->object.session, deadline_ns);
	uint64_t count = 0;
	int r = 0;

	while (r == 0) {
		r = look_enlisted(queue, wait->offset, &count);
		if (r == 0)
			r = wait->is_there(queue);
		if (r != -EAGAIN)
			break;
		r = event_wait(&event, 1, count, 0, &spin, deadline_ns);
		if (r || !wait->woken)
			continue;
		r = wait->woken(queue, wait->context);
		if (r != -EAGAIN)
			break;
		r = 0;
	}
	/* It had a wake-up, maybe, and goes without what there is. */
	if (r && r != -EPIPE && spin.parked && !object_session_is_over(r) &&
	    queue_look(queue) == 0 && wait->is_there(queue) == 0)
		queue_wake(queue, wait->offset, 1);
	return r;
}

/* Where it costs nothing but this processor, wait for a while without being enlisted, so that the
 * other end need not wake a session that is awake. */
static int spin_near(struct dso_queue *queue, const struct queue_wait *wait, int64_t deadline_ns)
{
	struct spin spin = spin_begin(queue->object.session, deadline_ns);
	bool pops = wait->offset == QUEUE_ITEMS_OFFSET;
	int r = -EAGAIN;

	if (!transport_ops(queue->object.session->transport)->at)
		return r;
	while (r == -EAGAIN &&
	       spin_on(&spin, &queue->object, pops ? QUEUE_TAIL_OFFSET : QUEUE_HEAD_OFFSET,
		       pops ? queue->tail : queue->head)) {
		r = queue_look(queue);
		if (r == 0)
			r = wait->is_there(queue);
	}
	return r;
}

int queue_wait(struct dso_queue *queue, const struct queue_wait *wait, int64_t deadline_ns)
{
	int r;

	if (clock_now_ns() >= deadline_ns)
		return -ETIMEDOUT;
	r = spin_near(queue, wait, deadline_ns);
	return r == -EAGAIN ? wait_enlisted(queue, wait, deadline_ns) : r;
}

/* ---- without items ---- */

/* As it was last looked at. */
static uint64_t length_of(const struct dso_queue *queue)
{
	return (int64_t)(queue->tail - queue->head) > 0 ? queue->tail - queue->head : 0;
}

int dso_queue_length(struct dso_queue *queue, uint64_t *ret_length)
{
	INSIDE_OF(queue);
	int r = queue_look(queue);

	if (r)
		return object_fail(&queue->object, "length", r);
	if (ret_length)
		*ret_length = length_of(queue);
	return 0;
}

int queue_waits(struct dso_queue *queue, bool *ret_waits, uint64_t *ret_length)
{
	INSIDE_OF(queue);
	uint64_t ticket;
	int r = queue_look(queue);

	if (r)
		return object_fail(&queue->object, "length", r);
	*ret_length = length_of(queue);
	*ret_waits = *ret_length > 0;
	if (*ret_waits || queue->missed == queue->looked_for)
		return 0;
	r = queue_find_left(queue, queue->head, false, &ticket);
	*ret_waits = r == 0 || r == -EAGAIN;
	if (r == -ENOENT)
		queue->looked_for = queue->missed;
	return *ret_waits || r == -ENOENT ? 0 : object_fail(&queue->object, "length", r);
}

int dso_queue_shutdown(struct dso_queue *queue)
{
	INSIDE_OF(queue);
	uint64_t tail = queue->tail, before;
	int r;

	for (;;) {
		r = word_cas(&queue->object, QUEUE_TAIL_OFFSET, tail, tail | QUEUE_SHUT, &before);
		if (r || before == tail || before & QUEUE_SHUT)
			break;
		tail = before;
	}
	if (r == 0)
		r = object_half_done(queue_raise(queue, QUEUE_ITEMS_OFFSET, FUTEX_ALL));
	if (r == 0)
		r = object_half_done(queue_raise(queue, QUEUE_SPACE_OFFSET, FUTEX_ALL));
	return r ? object_fail(&queue->object, "shutdown", r) : 0;
}
