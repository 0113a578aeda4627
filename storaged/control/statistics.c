/* SPDX-License-Identifier: Apache-2.0 */
/* SERVER_STAT: storaged as a whole. FIGURES: what storaged counts, by name: packets of transport
 * roce, why sessions ended, and what became of waiters. */
#include "storaged/control/handlers.h"
#include "lib/core/clock.h"

/* Control connections, data connections and queue pairs that were ended for what they sent. */
static uint64_t protocol_errors(const struct control *control)
{
	const struct context *context = control->context;
	const struct queue_pairs *pairs = context->queue_pairs;

	/* Each NAK ends its queue pair. */
	return control->controls->protocol_errors + context->data_connections->protocol_errors +
	       queue_pairs_counter(pairs, offsetof(struct roce_counters, naks_request) /
						  sizeof(uint64_t)) +
	       queue_pairs_counter(pairs,
				   offsetof(struct roce_counters, naks_access) / sizeof(uint64_t));
}

static void put_text(uint8_t *to, size_t bytes, const char *text)
{
	memcpy(to, text, strnlen(text, bytes - 1));
}

void handle_server_stat(struct control *control, const struct control_header *header,
			const uint8_t *body)
{
	const struct context *context = control->context;
	const struct name_space *space = control->session->space;
	const struct sessions *sessions = context->sessions;
	struct control_server_stat stat = {
		.uptime_ns = le64_of((uint64_t)(clock_now_ns() - context->started_ns)),
		.region_bytes = le64_of(store_region_bytes(space->store)),
		.region_used_bytes = le64_of(store_used_bytes(space->store)),
		.objects = le64_of(store_object_count(space->store)),
		.objects_max = le64_of(context->settings->objects_max),
		.sessions = le64_of(sessions_count(sessions)),
		.sessions_max = le64_of(sessions->max),
		.sessions_begun = le64_of(sessions->begun),
		.sessions_fenced = le64_of(sessions->ended[END_silent]),
		.sessions_lost = le64_of(sessions_lost(sessions)),
		.protocol_errors = le64_of(protocol_errors(control)),
		.operations = le64_of(data_connections_operations(context->data_connections)),
		.domain = (uint8_t)space->domain,
		.transports = context_transports(context, space),
	};

	(void)body;
	put_text(stat.io, sizeof stat.io, context->data_connections->workers[0].engine_name);
	if (space->region)
		put_text(stat.device, sizeof stat.device, verbs_device_name(context->device));
	put_text(stat.version, sizeof stat.version, DSO_VERSION);
	put_text(stat.domain_reason, sizeof stat.domain_reason, space->domain_reason);
	control_reply(control, header, &stat, sizeof stat);
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
		struct control_figure entry[ROCE_COUNTER_COUNT + END_COUNT + 1];
	} reply = {.head.count = le32_of(sizeof reply.entry / sizeof *reply.entry)};
	const struct context *context = control->context;
	struct control_figure *figure = reply.entry;

	_Static_assert(sizeof reply <= CONTROL_BODY_BYTES_MAX, "all figures fit into a reply");
	(void)body;
	for (unsigned i = 0; i < ROCE_COUNTER_COUNT; i++)
		put(figure++, roce_counter_name(i), queue_pairs_counter(context->queue_pairs, i));
	for (unsigned i = END_NONE + 1; i < END_COUNT; i++)
		put(figure++, session_ends[i].name, context->sessions->ended[i]);
	put(figure++, FIGURE_SESSIONS_PARKED, context->futexes->waiters.parked_count);
	put(figure++, FIGURE_GRANTS_MISSED, context->futexes->grants_missed);
	control_reply(control, header, &reply, sizeof reply);
}
