/* SPDX-License-Identifier: Apache-2.0 */
/* FIGURES: what storaged counts, by name: packets of transport roce, and why sessions ended. */
#include "storaged/control/handlers.h"
#include "storaged/server.h"

static uint64_t packets(const struct server *server, unsigned counter)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < server->roce_worker_count; i++)
		value += atomic_load_explicit(&server->roce_workers[i].figures[counter],
					      memory_order_relaxed);
	return value;
}

static void put(struct control_figure *figure, const char *name, uint64_t value)
{
	memcpy(figure->name, name, strnlen(name, sizeof figure->name - 1));
	figure->value = le64_of(value);
}

void handle_figures(struct control *control, const struct control_header *header,
		    const uint8_t *body)
{
	struct {
		struct control_figures head;
		struct control_figure entry[ROCE_COUNTER_COUNT + END_COUNT - 1];
	} reply = {.head.count = le32_of(ROCE_COUNTER_COUNT + END_COUNT - 1)};
	const struct server *server = control->server;
	struct control_figure *figure = reply.entry;

	_Static_assert(sizeof reply <= CONTROL_BODY_BYTES_MAX, "all figures fit into a reply");
	(void)body;
	for (unsigned i = 0; i < ROCE_COUNTER_COUNT; i++)
		put(figure++, roce_counter_name(i), packets(server, i));
	for (unsigned i = END_NONE + 1; i < END_COUNT; i++)
		put(figure++, session_ends[i].name, server->sessions.ended[i]);
	control_reply(control, header, &reply, sizeof reply);
}
