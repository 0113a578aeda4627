/* SPDX-License-Identifier: Apache-2.0 */
/* WAIT, WAKE and CANCEL: parking on words, and waking. */
#include "storaged/control/handlers.h"

/* The word at @offset of the object that @handle refers to. */
static enum wire_status find(const struct session *session, uint32_t handle, uint64_t offset,
			     struct store_reference *ret_reference)
{
	bool deleted;

	if (!store_refer(&session->opener, handle, ret_reference, &deleted) || deleted)
		return WIRE_STALE;
	if (offset % 8)
		return WIRE_MISALIGNED;
	return offset < ret_reference->length_bytes ? WIRE_OK : WIRE_RANGE;
}

void handle_wait(struct control *control, const struct control_header *header, const uint8_t *body)
{
	const struct control_wait *wait = (const void *)body;
	struct session *session = control->session;
	struct store_reference reference;
	struct park park = {.offset = le64_get(wait->offset),
			    .expected = le64_get(wait->expected),
			    .leave = le64_get(wait->leave),
			    .until = (enum control_wait_until)wait->until,
			    .again = wait->again,
			    .share = le16_get(wait->share),
			    .owner = session_owner(session),
			    .flags = OWNED_WAITED,
			    .grant = OWNED_GRANTED};
	enum wire_status status;

	uint64_t behind = park.leave ? 8 : 0; /* of the last word that it is about */

	if (park.until == CONTROL_WAIT_TAKEN)
		park.flags |= OWNED_QUEUED;
	if (park_is_sum(&park)) {
		park.words = park.share;
		park.share = 0;
		behind = (park.words - UINT64_C(1)) * LAYOUT_LINE_BYTES;
	}
	if (futex_is_parked(&session->waiter)) {
		control_reject(control, header, "a session has one WAIT at a time");
		return;
	}
	status = find(session, le32_get(wait->handle), park.offset, &reference);
	if (status == WIRE_OK && behind)
		status = find(session, le32_get(wait->handle), park.offset + behind, &reference);
	if (status != WIRE_OK)
		control_refuse(control, header, status, NULL);
	else
		futex_wait(control->context->futexes, &session->waiter, &reference, &park,
			   le32_get(header->request));
}

/* Returns a status; *ret_count is how many were woken. */
static enum wire_status wake_for(struct control *control, const struct control_wake *ask,
				 uint32_t *ret_count)
{
	const struct session *session = control->session;
	uint64_t offset = le64_get(ask->offset);
	struct store_reference reference;
	enum wire_status status = find(session, le32_get(ask->handle), offset, &reference);

	if (status == WIRE_OK)
		*ret_count = futex_wake(control->context->futexes, session->space, &reference,
					offset, le32_get(ask->count));
	return status;
}

void handle_wake(struct control *control, const struct control_header *header, const uint8_t *body)
{
	struct control_woken woken = {0};
	uint32_t count;
	enum wire_status status = wake_for(control, (const void *)body, &count);

	if (status != WIRE_OK) {
		control_refuse(control, header, status, NULL);
		return;
	}
	woken.count = le32_of(count);
	control_reply(control, header, &woken, sizeof woken);
}

void handle_wake_quietly(struct control *control, const struct control_header *header,
			 const uint8_t *body)
{
	uint32_t count;

	(void)header;
	wake_for(control, (const void *)body, &count);
}

void handle_cancel(struct control *control, const struct control_header *header,
		   const uint8_t *body)
{
	(void)body;
	futex_cancel(control->context->futexes, &control->session->waiter);
	control_reply(control, header, NULL, 0);
}
