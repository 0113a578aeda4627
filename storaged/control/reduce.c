/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REDUCE: a round of an aggregator, where its vectors lie, in the name of the session that asks. A
 * long one is done in steps, of which each turn of the loop has one. When the session or the object
 * goes meanwhile, so does the reduction, and the sweep lets another session ask.
 */
#include "storaged/control/handlers.h"

#include "lib/core/reduction.h"

#include <stdlib.h>

/* Elements that are read in a turn, before others have theirs. */
#define STEP_ELEMENTS (UINT64_C(1) << 16)

static enum wire_status find(const struct session *session, uint32_t handle,
			     struct store_reference *ret_reference)
{
	bool deleted;

	if (!store_refer(&session->opener, handle, ret_reference, &deleted) || deleted)
		return WIRE_STALE;
	return ret_reference->type == OBJECT_AGGREGATOR ? WIRE_OK : WIRE_TYPE;
}

static void prepare(const struct session *session, const struct store_reference *reference,
		    struct reduction *reduction)
{
	uint8_t *base = store_base(session->space->store);

	reduction_prepare(reduction, reference->parameters, session->space->transport,
			  reference->offset, base + reference->offset, session_owner(session));
}

/* Begin, and do the first step. A reduction that goes on is kept in *ret_kept. Returns 1 when it
 * does. */
static int begin(const struct session *session, const struct store_reference *reference,
		 uint64_t round, struct reduction *reduction, struct reduction **ret_kept)
{
	struct reduction *kept = NULL;
	int r;

	prepare(session, reference, reduction);
	if (reduction_elements(reduction) > STEP_ELEMENTS) {
		kept = malloc(sizeof *kept);
		if (!kept)
			return -ENOMEM;
	}
	r = reduction_begin(reduction, round, NULL);
	if (r == 1)
		r = reduction_step(reduction, STEP_ELEMENTS);
	if (r == 1) {
		*kept = *reduction;
		*ret_kept = kept;
	} else {
		free(kept);
	}
	return r;
}

/* Nothing is left of a reduction that was kept. */
static void end(struct control *control)
{
	free(control->reduction);
	control->reduction = NULL;
}

void handle_reduce(struct control *control, const struct control_header *header,
		   const uint8_t *body)
{
	const struct control_reduce *ask = (const void *)body;
	struct session *session = control->session;
	struct control_reduced reduced;
	struct store_reference reference;
	struct reduction new, *reduction = control->reduction ? control->reduction : &new;
	enum wire_status status = find(session, le32_get(ask->handle), &reference);
	int r;

	if (status != WIRE_OK) {
		end(control);
		control_refuse(control, header, status, NULL);
		return;
	}
	r = control->reduction ? reduction_step(reduction, STEP_ELEMENTS)
			       : begin(session, &reference, le64_get(ask->round), reduction,
				       &control->reduction);
	control->again = r == 1;
	if (control->again)
		return;
	reduced.word = le64_of(reduction->word);
	if (r == 0 && reduction->waiters)
		futex_wake_object(control->context->futexes, session->space, &reference);
	end(control);
	if (r)
		control_refuse(control, header, r == -ENOMEM ? WIRE_INTERNAL : WIRE_DEVICE, NULL);
	else
		control_reply(control, header, &reduced, sizeof reduced);
}
