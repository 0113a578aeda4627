/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the end of an aggregator's round, having it reduced, and reading results. */
#include "lib/core/reduction.h"
#include "lib/objects/aggregator.h"
#include "lib/objects/event.h"

#include <string.h>
#include <xxhash.h>

/* ---- reducing ---- */

/* By this session, in memory that is mapped here. */
static int reduce_here(struct dso_aggregator *aggregator, uint8_t *memory,
		       struct reduction *reduction, uint64_t round)
{
	struct object *object = &aggregator->object;
	int r = session_enter(object);

	if (r == 0) {
		reduction_prepare(reduction, object->parameters, object->session->transport,
				  object->offset, memory, object->session->owner);
		r = reduction_begin(reduction, round, aggregator->copy);
	}
	while (r == 1 && !atomic_load_explicit(&object->deleted, memory_order_relaxed))
		r = reduction_step(reduction, AGGREGATOR_LENGTH_MAX);
	session_leave(object->session);
	return r == 1 ? -ESTALE : r;
}

static int reduce_mapped(struct dso_aggregator *aggregator, uint8_t *memory, uint64_t round)
{
	struct object *object = &aggregator->object;
	struct reduction reduction;
	int r = reduce_here(aggregator, memory, &reduction, round);

	if (r)
		return r;
	aggregator_see(aggregator, reduction.word);
	if (reduction.is_done && aggregator->copy)
		aggregator->copied_round = round;
	return reduction.waiters ? futex_wake_all(object, AGGREGATOR_EVENT_OFFSET) : 0;
}

int aggregator_reduce(struct dso_aggregator *aggregator, uint64_t round)
{
	struct object *object = &aggregator->object;
	struct dso_session *session = object->session;
	const struct transport_ops *transport = transport_ops(session->transport);
	char reason[256];
	uint64_t word;
	int r;

	if (transport->at)
		return reduce_mapped(
			aggregator,
			transport->at(session->transport, object->offset, object->length_bytes),
			round);
	r = session->directory->reduce(session, object, round, &word, reason, sizeof reason);
	if (r == 0)
		aggregator_see(aggregator, word);
	return r;
}

int aggregator_announce(struct dso_aggregator *aggregator)
{
	struct event event = {&aggregator->object, AGGREGATOR_EVENT_OFFSET};
	uint64_t waiters;
	int r = event_raise(&event, &waiters);

	if (r == 0 && waiters)
		r = futex_wake_all(&aggregator->object, AGGREGATOR_EVENT_OFFSET);
	return r;
}

/* ---- waiting ---- */

unsigned aggregator_look_with(struct dso_aggregator *aggregator, uint64_t arrivals, bool enlist,
			      struct op ops[AGGREGATOR_LOOKS])
{
	struct object *object = &aggregator->object;
	unsigned count = 0;

	if (enlist && !aggregator->is_enlisted) {
		ops[count++] = word_op(object, DATA_FAA,
				       AGGREGATOR_EVENT_OFFSET + EVENT_WAITERS_OFFSET, 1, 0);
		aggregator->is_enlisted = true;
	}
	ops[count++] = word_op(object, DATA_FAA, AGGREGATOR_EVENT_OFFSET, 0, 0);
	ops[count++] = word_op(object, DATA_FAA, AGGREGATOR_ARRIVED_OFFSET, arrivals, 0);
	ops[count++] = word_op(object, DATA_FAA, AGGREGATOR_ROUND_OFFSET, 0, 0);
	return count;
}

void aggregator_learn(struct dso_aggregator *aggregator, const struct op *last,
		      struct aggregator_watch *watch)
{
	watch->event = last[-2].value;
	watch->arrived = last[-1].value + last[-1].operand;
	aggregator_see(aggregator, last->value);
	if (!watch->has_looked)
		watch->first_event = watch->event;
	watch->has_looked = true;
}

static int look(struct dso_aggregator *aggregator, struct aggregator_watch *watch, bool enlist)
{
	struct op ops[AGGREGATOR_LOOKS];
	unsigned count = aggregator_look_with(aggregator, 0, enlist, ops);
	int r = session_execute(&aggregator->object, ops, count);

	if (r == 0)
		aggregator_learn(aggregator, &ops[count - 1], watch);
	return r;
}

/* The operation by which the session leaves the waiters, in *op. Returns how many: 1, or 0 where
 * it is not enlisted. */
static unsigned leave_with(struct dso_aggregator *aggregator, struct op *op)
{
	if (!aggregator->is_enlisted)
		return 0;
	*op = word_op(&aggregator->object, DATA_FAA, AGGREGATOR_EVENT_OFFSET + EVENT_WAITERS_OFFSET,
		      UINT64_MAX, 0);
	aggregator->is_enlisted = false;
	return 1;
}

int aggregator_leave(struct dso_aggregator *aggregator, int r)
{
	struct op op;

	if (leave_with(aggregator, &op))
		session_execute_one(&aggregator->object, &op);
	return r;
}

/* ---- reading ---- */

/* Read the round, the header of the result of @round, and its vector, and leave the waiters. */
static int read_all(struct dso_aggregator *aggregator, uint64_t round,
		    struct aggregator_result *header, uint8_t *result)
{
	struct object *object = &aggregator->object;
	uint64_t offset = object->offset + aggregator_result_offset(aggregator->contributors,
								    aggregator->length, round);
	uint64_t left = 8 * aggregator->length;
	struct op ops[AGGREGATOR_BATCH] = {
		word_op(object, DATA_FAA, AGGREGATOR_ROUND_OFFSET, 0, 0),
	};
	/* Behind a READ an atomic would wait for its answer. */
	unsigned count = 1 + leave_with(aggregator, &ops[1]);
	int r;

	ops[count++] = (struct op){.opcode = DATA_READ,
				   .length_bytes = sizeof *header,
				   .offset = offset,
				   .buffer = header};
	offset += sizeof *header;
	do {
		while (left && count < AGGREGATOR_BATCH) {
			uint32_t part = left < DATA_TRANSFER_BYTES_MAX ? (uint32_t)left
								       : DATA_TRANSFER_BYTES_MAX;

			ops[count++] = (struct op){.opcode = DATA_READ,
						   .length_bytes = part,
						   .offset = offset,
						   .buffer = result};
			left -= part, offset += part, result += part;
		}
		r = session_execute(object, ops, count);
		if (r == 0 && ops[0].opcode == DATA_FAA)
			aggregator_see(aggregator, ops[0].value);
		count = 0;
	} while (r == 0 && left);
	return r;
}

/* Woken for the end of @round, read its result in any case. */
static int read_ahead(struct dso_aggregator *aggregator, uint64_t round)
{
	int r = read_all(aggregator, round, &aggregator->ahead_header, aggregator->ahead);

	aggregator->ahead_round = r == 0 && aggregator_is_over(aggregator, round) ? round : 0;
	return r;
}

/* Whether the round may be complete, for all that was seen since it was asked for last. */
static bool may_be_complete(const struct dso_aggregator *aggregator,
			    const struct aggregator_watch *watch)
{
	if (watch->has_asked && watch->asked_event == watch->event &&
	    watch->asked_arrived == watch->arrived)
		return false;
	return aggregator->word & AGGREGATOR_CLOSED || watch->event != watch->first_event ||
	       aggregator_is_complete(aggregator, watch);
}

/* Have the round reduced, if it may be complete. Returns 1 when it is over, 0, or a negative
 * errno. */
static int end_round(struct dso_aggregator *aggregator, struct aggregator_watch *watch)
{
	uint64_t round = watch->round;
	int r = 0;

	if (!aggregator_is_over(aggregator, round) && aggregator->word & AGGREGATOR_BROKEN)
		return -ENOTRECOVERABLE;
	if (!aggregator_is_over(aggregator, round) && may_be_complete(aggregator, watch)) {
		watch->has_asked = true;
		watch->asked_event = watch->event;
		watch->asked_arrived = watch->arrived;
		r = aggregator_reduce(aggregator, round);
	}
	return r ? r : aggregator_is_over(aggregator, round);
}

/* Spin, without being enlisted, unless it is for long. Returns as end_round. */
static int spin(struct dso_aggregator *aggregator, struct aggregator_watch *watch,
		int64_t deadline_ns)
{
	struct spin spin = spin_begin(aggregator->object.session, deadline_ns);
	int r = watch->has_looked ? 0 : look(aggregator, watch, false);

	while (r == 0) {
		r = end_round(aggregator, watch);
		if (r || aggregator_is_early(aggregator, watch) ||
		    !spin_on(&spin, &aggregator->object, AGGREGATOR_EVENT_OFFSET, watch->event))
			break;
		r = look(aggregator, watch, false);
	}
	return r;
}

/* Park until it is over. Returns as end_round. */
static int park(struct dso_aggregator *aggregator, struct aggregator_watch *watch,
		int64_t deadline_ns)
{
	struct park until_raised = {
		.offset = AGGREGATOR_EVENT_OFFSET, .leave = 1, .until = CONTROL_WAIT_CHANGED};
	uint64_t nothing;
	int r = aggregator->is_enlisted ? 0 : look(aggregator, watch, true);

	while (r == 0) {
		r = end_round(aggregator, watch);
		if (r)
			break;
		until_raised.expected = watch->event;
		r = futex_park(&aggregator->object, &until_raised, deadline_ns, &nothing);
		until_raised.again = true;
		if (r == 0 && watch->reads && aggregator->ahead)
			r = read_ahead(aggregator, watch->round);
		if (r == 0 && !aggregator_is_over(aggregator, watch->round))
			r = look(aggregator, watch, true);
	}
	return r;
}

int aggregator_await(struct dso_aggregator *aggregator, uint64_t round,
		     struct aggregator_watch *watch, int64_t deadline_ns)
{
	int r = aggregator_is_over(aggregator, round);

	aggregator_watch_begin(watch, round);
	if (r == 0)
		r = spin(aggregator, watch, deadline_ns);
	if (r == 0)
		r = park(aggregator, watch, deadline_ns);
	if (r == 1 && watch->reads)
		return 0;
	return aggregator_leave(aggregator, r == 1 ? 0 : r);
}

/* ---- results ---- */

static bool holds(const struct dso_aggregator *aggregator, const struct aggregator_result *header,
		  uint64_t round, const void *result)
{
	return le64_get(header->round) == round &&
	       le64_get(header->header_checksum) ==
		       XXH3_64bits(header, offsetof(struct aggregator_result, header_checksum)) &&
	       le64_get(header->checksum) == reduction_checksum(round, result, aggregator->length);
}

/* Take the result of @round that was read ahead. Returns whether it was. */
static bool take_ahead(struct dso_aggregator *aggregator, uint64_t round,
		       struct aggregator_result *header, void *result)
{
	bool is_there = aggregator->ahead_round == round &&
			holds(aggregator, &aggregator->ahead_header, round, aggregator->ahead);

	aggregator->ahead_round = 0;
	if (!is_there)
		return false;
	*header = aggregator->ahead_header;
	memcpy(result, aggregator->ahead, 8 * aggregator->length);
	return true;
}

/* Whether the result of @round, which is over, may still be there: 0, -ENODATA, or
 * -ENOTRECOVERABLE. */
static int is_kept(const struct dso_aggregator *aggregator, uint64_t round)
{
	if (aggregator_is_reset(aggregator, round))
		return -ENOTRECOVERABLE;
	return aggregator_now(aggregator) - round > AGGREGATOR_RESULTS ? -ENODATA : 0;
}

int aggregator_read(struct dso_aggregator *aggregator, uint64_t round, void *result,
		    uint32_t *ret_contributors)
{
	struct aggregator_result header;
	int r;

	for (unsigned attempts = 0;; attempts++) {
		r = is_kept(aggregator, round);
		if (r == 0 && take_ahead(aggregator, round, &header, result))
			break;
		if (r == 0)
			r = read_all(aggregator, round, &header, result);
		if (r)
			return r;
		if (holds(aggregator, &header, round, result))
			break;
		/* The reduction of the round after the next overwrites it. Before that nobody
		 * does. */
		r = aggregator_look(aggregator);
		if (r)
			return r;
		if (aggregator_now(aggregator) - round >= AGGREGATOR_RESULTS)
			return is_kept(aggregator, round) ? is_kept(aggregator, round) : -ENODATA;
		if (attempts)
			return -EBADMSG;
	}
	*ret_contributors = (uint32_t)le64_get(header.contributors);
	return 0;
}

int aggregator_count(struct dso_aggregator *aggregator, uint32_t *ret_count)
{
	struct op ops[AGGREGATOR_BATCH];
	uint64_t done = 0;

	*ret_count = 0;
	while (done < aggregator->contributors) {
		uint64_t left = aggregator->contributors - done;
		unsigned batch = left < AGGREGATOR_BATCH ? (unsigned)left : AGGREGATOR_BATCH;
		int r;

		for (unsigned i = 0; i < batch; i++)
			ops[i] = word_op(&aggregator->object, DATA_FAA,
					 aggregator_id_offset(aggregator->contributors, done + i),
					 0, 0);
		r = session_execute(&aggregator->object, ops, batch);
		if (r)
			return r;
		for (unsigned i = 0; i < batch; i++)
			*ret_count +=
				aggregator_round(ops[i].value) == aggregator_now(aggregator) &&
				aggregator_place_and_1(ops[i].value) != 0;
		done += batch;
	}
	return 0;
}
