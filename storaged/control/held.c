/* SPDX-License-Identifier: Apache-2.0 */
/* HELD: which session holds what, and for how long. */
#include "storaged/control/handlers.h"
#include "storaged/control/page.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <stdio.h>

struct answer {
	const struct context *context;
	const struct name_space *space;
	int64_t now_ns;
	struct page page;
};

static bool put_hold(const struct hold *hold, void *context)
{
	struct answer *answer = context;
	const struct store_object_stat *stat = hold->stat;
	const struct session *session =
		sessions_owner(answer->context->sessions, answer->space, hold->owner);
	struct control_hold entry = {
		.type = le16_of(stat->type),
		.name_bytes = stat->name_bytes,
		.role = (uint8_t)hold->role,
		.generation = le32_of(stat->generation),
		.owner = le32_of(hold->owner),
		.count = le32_of(hold->count),
		.token = le64_of(hold->token),
		.held_max_ns = le64_of(CONTROL_HELD_UNKNOWN),
	};

	if (session) {
		int64_t min_ns, max_ns;

		holds_time(answer->context->holds, session, hold, answer->now_ns, &min_ns, &max_ns);
		entry.held_min_ns = le64_of((uint64_t)min_ns);
		entry.held_max_ns = le64_of((uint64_t)max_ns);
		snprintf((char *)entry.who, sizeof entry.who, "%s%s", session->who,
			 session_state_note(session));
	}
	if (hold->owner == OWNED_BY_STORAGED &&
	    restart_waits_in(answer->context->restart, answer->space))
		strcpy((char *)entry.who, RESTART_WHO);
	return page_put(&answer->page, &entry, sizeof entry, stat->name, stat->name_bytes);
}

void handle_held(struct control *control, const struct control_header *header, const uint8_t *body)
{
	const struct control_held *held = (const void *)body;
	const struct name_space *space = control->session->space;
	struct answer answer = {
		.context = control->context, .space = space, .now_ns = clock_now_ns()};
	uint64_t cursor = le64_get(held->cursor);
	struct control_holds holds = {0};
	int r;

	page_begin(&answer.page, sizeof holds);
	r = holds_page(space->store, space->transport, &cursor, put_hold, &answer);
	if (r) {
		control_refuse(control, header, r == -ENOMEM ? WIRE_INTERNAL : WIRE_DEVICE, NULL);
		return;
	}
	holds.cursor = le64_of(cursor);
	holds.count = le32_of(answer.page.count);
	page_reply(&answer.page, control, header, &holds, sizeof holds);
}
