/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the end of an aggregator's round, having it reduced, and reading results. */
#include "lib/core/reduction.h"
#include "lib/objects/aggregator.h"
#include "lib/objects/event.h"

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

/* What one who waits has seen, and with what he had the round reduced last. */
struct watch {
	uint64_t event, arrived;
	uint64_t first_event;
	uint64_t asked_event, asked_arrived;
	bool has_asked;
};

static int look(struct dso_aggregator *aggregator, struct watch *watch, uint64_t enlist)
{
	struct object *object = &aggregator->object;
	struct op ops[4] = {
		word_op(object, DATA_FAA, AGGREGATOR_EVENT_OFFSET, 0, 0),
		word_op(object, DATA_FAA, AGGREGATOR_ARRIVED_OFFSET, 0, 0),
		word_op(object, DATA_FAA, AGGREGATOR_ROUND_OFFSET, 0, 0),
	};
	int r;

	if (enlist) {
		ops[3] = ops[2];
		ops[2] = ops[1];
		ops[1] = ops[0];
		ops[0] = word_op(object, DATA_FAA, AGGREGATOR_EVENT_OFFSET + EVENT_WAITERS_OFFSET,
				 enlist, 0);
	}
	r = session_execute(object, ops, enlist ? 4 : 3);
	watch->event = ops[enlist != 0].value;
	watch->arrived = ops[1 + (enlist != 0)].value;
	aggregator_see(aggregator, ops[2 + (enlist != 0)].value);
	return r;
}

/* Whether the round may be complete, for all that was seen since it was asked for last. */
static bool may_be_complete(const struct dso_aggregator *aggregator, const struct watch *watch)
{
	if (watch->has_asked && watch->asked_event == watch->event &&
	    watch->asked_arrived == watch->arrived)
		return false;
	return aggregator->word & AGGREGATOR_CLOSED || watch->event != watch->first_event ||
	       (!(aggregator->flags & AGGREGATOR_OPEN_END) &&
		watch->arrived >= aggregator->contributors);
}

/* Have the round reduced, if it may be complete. Returns 1 when it is over, 0, or a negative
 * errno. */
static int end_round(struct dso_aggregator *aggregator, struct watch *watch, uint64_t round)
{
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

/* Spin, without being enlisted. Returns as end_round. */
static int spin(struct dso_aggregator *aggregator, struct watch *watch, uint64_t round,
		int64_t deadline_ns)
{
	struct spin spin = spin_begin(aggregator->object.session, deadline_ns);
	int r = look(aggregator, watch, 0);

	watch->first_event = watch->event;
	while (r == 0) {
		r = end_round(aggregator, watch, round);
		if (r ||
		    !spin_on(&spin, &aggregator->object, AGGREGATOR_EVENT_OFFSET, watch->event))
			break;
		r = look(aggregator, watch, 0);
	}
	return r;
}

/* Park until it is over. Returns as end_round. */
static int park(struct dso_aggregator *aggregator, struct watch *watch, uint64_t round,
		int64_t deadline_ns)
{
	struct event event = {&aggregator->object, AGGREGATOR_EVENT_OFFSET};
	struct park until_raised = {
		.offset = event.offset, .leave = 1, .until = CONTROL_WAIT_CHANGED};
	uint64_t nothing;
	int r = look(aggregator, watch, 1);

	while (r == 0) {
		r = end_round(aggregator, watch, round);
		if (r)
			break;
		until_raised.expected = watch->event;
		r = futex_park(&aggregator->object, &until_raised, deadline_ns, &nothing);
		until_raised.again = true;
		if (r == 0)
			r = look(aggregator, watch, 0);
	}
	return event_leave(&event, 1, r);
}

int aggregator_await(struct dso_aggregator *aggregator, uint64_t round, int64_t deadline_ns)
{
	struct watch watch = {0};
	int r = aggregator_is_over(aggregator, round);

	if (r == 0)
		r = spin(aggregator, &watch, round, deadline_ns);
	if (r == 0)
		r = park(aggregator, &watch, round, deadline_ns);
	return r == 1 ? 0 : r;
}

/* ---- results ---- */

/* Read the round, the header of the result of @round, and its vector. */
static int read_all(struct dso_aggregator *aggregator, uint64_t round,
		    struct aggregator_result *header, uint8_t *result)
{
	struct object *object = &aggregator->object;
	uint64_t offset = object->offset + aggregator_result_offset(aggregator->contributors,
								    aggregator->length, round);
	uint64_t left = 8 * aggregator->length;
	struct op ops[AGGREGATOR_BATCH] = {
		word_op(object, DATA_FAA, AGGREGATOR_ROUND_OFFSET, 0, 0),
		{.opcode = DATA_READ,
		 .length_bytes = sizeof *header,
		 .offset = offset,
		 .buffer = header},
	};
	unsigned count = 2;
	int r;

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

static bool holds(const struct dso_aggregator *aggregator, const struct aggregator_result *header,
		  uint64_t round, const void *result)
{
	return le64_get(header->round) == round &&
	       le64_get(header->header_checksum) ==
		       XXH3_64bits(header, offsetof(struct aggregator_result, header_checksum)) &&
	       le64_get(header->checksum) == reduction_checksum(round, result, aggregator->length);
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
