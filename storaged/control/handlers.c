/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/control/handlers.h"
#include "storaged/paths/queue_pairs.h"
#include "storaged/server.h"
#include "lib/core/clock.h"

#include <stdio.h>

static void parameters_of(const uint64_t from[4], struct control_parameters *to)
{
	for (unsigned i = 0; i < 4; i++)
		to->parameter[i] = le64_of(from[i]);
}

static void handle_goodbye(struct control *control, const struct control_header *header,
			   const uint8_t *body)
{
	struct session *session = control->session;

	(void)body;
	control->session = NULL;
	session_end(session, END_goodbye);
	control_reply(control, header, NULL, 0);
	control_finish(control);
}

static void handle_use(struct control *control, const struct control_header *header,
		       const uint8_t *body)
{
	const struct control_use *use = (const void *)body;

	(void)header;
	session_use(control->session, (enum control_transport)use->transport);
}

static void handle_ping(struct control *control, const struct control_header *header,
			const uint8_t *body)
{
	(void)body;
	control_reply(control, header, NULL, 0);
}

static void handle_open(struct control *control, const struct control_header *header,
			const uint8_t *body)
{
	const struct control_open *open = (const void *)body;
	struct store_reference reference;
	struct control_opened opened = {0};
	char detail[CONTROL_SENTENCE_BYTES_MAX] = "";
	uint64_t parameters[4];
	enum wire_status status;

	for (unsigned i = 0; i < 4; i++)
		parameters[i] = le64_get(open->parameters.parameter[i]);
	status = store_open(&control->session->opener, le16_get(open->type),
			    (const char *)body + sizeof *open, open->name_bytes, open->flags,
			    parameters, &reference, detail, sizeof detail);
	if ((status == WIRE_NO_MEMORY || status == WIRE_OBJECTS_MAX) &&
	    store_is_dirty(control->session->space->store)) {
		/* Deleted objects are being cleaned, and count until then: it asks again in the
		 * next turn. */
		control->again = true;
		return;
	}
	if (status != WIRE_OK) {
		control_refuse(control, header, status, "%s",
			       detail[0] ? detail : wire_status_sentence(status));
		return;
	}
	opened.offset = le64_of(reference.offset);
	opened.length_bytes = le64_of(reference.length_bytes);
	opened.generation = le32_of(reference.generation);
	opened.handle = le32_of(reference.handle);
	opened.token_origin = le64_of(reference.token_origin);
	parameters_of(reference.parameters, &opened.parameters);
	control_reply(control, header, &opened, sizeof opened);
}

/* Reply with nothing but a status. */
static void answer(struct control *control, const struct control_header *header,
		   enum wire_status status)
{
	if (status == WIRE_OK)
		control_reply(control, header, NULL, 0);
	else
		control_refuse(control, header, status, NULL);
}

static void handle_close(struct control *control, const struct control_header *header,
			 const uint8_t *body)
{
	const struct control_close *close = (const void *)body;

	futex_handle_closed(control->session, le32_get(close->handle));
	answer(control, header, store_close(&control->session->opener, le32_get(close->handle)));
}

/* It is answered when all who have the object open were told, or do not read what they are told:
 * its turn comes again until then. */
static void handle_delete(struct control *control, const struct control_header *header,
			  const uint8_t *body)
{
	const struct control_name *name = (const void *)body;
	struct store *store = control->session->space->store;
	enum wire_status status = WIRE_OK;

	if (!control->deletion)
		status = store_delete(store, (const char *)body + sizeof *name, name->name_bytes,
				      &control->deletion);
	control->again = status == WIRE_OK && (!store_is_told(store, control->deletion) ||
					       control->session->opener.untold_slot);
	if (control->again)
		return;
	control->deletion = 0;
	answer(control, header, status);
}

/* Append an entry and its name to a page. Returns its bytes, 0 when there is no room. */
static size_t put_entry(const struct store_object_stat *stat, uint8_t *to, size_t room_bytes)
{
	struct control_entry entry = {
		.type = le16_of(stat->type),
		.name_bytes = stat->name_bytes,
		.generation = le32_of(stat->generation),
		.offset = le64_of(stat->offset),
		.length_bytes = le64_of(stat->length_bytes),
		.opens = le32_of(stat->opens),
	};

	if (sizeof entry + stat->name_bytes > room_bytes)
		return 0;
	parameters_of(stat->parameters, &entry.parameters);
	memcpy(to, &entry, sizeof entry);
	memcpy(to + sizeof entry, stat->name, stat->name_bytes);
	return sizeof entry + stat->name_bytes;
}

static void handle_list(struct control *control, const struct control_header *header,
			const uint8_t *body)
{
	const struct control_list *list = (const void *)body;
	uint8_t page_body[CONTROL_BODY_BYTES_MAX];
	struct control_page page = {0};
	struct store_object_stat stat;
	size_t fill = sizeof page, bytes;
	uint32_t next = le32_get(list->cursor), cursor = next, count = 0;

	while (store_next(control->session->space->store, &next, &stat)) {
		bytes = put_entry(&stat, page_body + fill, sizeof page_body - fill);
		if (bytes == 0) {
			page.cursor = le32_of(cursor);
			break;
		}
		cursor = next;
		fill += bytes;
		count++;
	}
	page.count = le32_of(count);
	memcpy(page_body, &page, sizeof page);
	control_reply(control, header, page_body, fill);
}

static void handle_stat(struct control *control, const struct control_header *header,
			const uint8_t *body)
{
	const struct control_name *name = (const void *)body;
	uint8_t reply[sizeof(struct control_entry) + CONTROL_NAME_BYTES_MAX];
	struct store_object_stat stat;
	enum wire_status status =
		store_stat(control->session->space->store, (const char *)body + sizeof *name,
			   name->name_bytes, &stat);

	if (status != WIRE_OK)
		control_refuse(control, header, status, NULL);
	else
		control_reply(control, header, reply, put_entry(&stat, reply, sizeof reply));
}

static void put_text(uint8_t *to, size_t bytes, const char *text)
{
	memcpy(to, text, strnlen(text, bytes - 1));
}

static void handle_server_stat(struct control *control, const struct control_header *header,
			       const uint8_t *body)
{
	const struct server *server = control->server;
	const struct name_space *space = control->session->space;
	const struct sessions *sessions = &server->sessions;
	struct control_server_stat stat = {
		.uptime_ns = le64_of((uint64_t)(clock_now_ns() - server->started_ns)),
		.region_bytes = le64_of(store_region_bytes(space->store)),
		.region_used_bytes = le64_of(store_used_bytes(space->store)),
		.objects = le64_of(store_object_count(space->store)),
		.objects_max = le64_of(server->settings->objects_max),
		.sessions = le64_of(sessions_count(sessions)),
		.sessions_max = le64_of(sessions->max),
		.sessions_begun = le64_of(sessions->begun),
		.sessions_fenced = le64_of(sessions->ended[END_silent]),
		.sessions_lost = le64_of(sessions_lost(sessions)),
		.protocol_errors = le64_of(server_protocol_errors(server)),
		.operations = le64_of(server_operations(server)),
		.domain = (uint8_t)space->domain,
		.transports = server_transports(server, space),
	};

	(void)body;
	put_text(stat.io, sizeof stat.io, server->workers[0].engine_name);
	if (space->region)
		put_text(stat.device, sizeof stat.device, verbs_device_name(server->device));
	put_text(stat.version, sizeof stat.version, DSO_VERSION);
	put_text(stat.domain_reason, sizeof stat.domain_reason, space->domain_reason);
	control_reply(control, header, &stat, sizeof stat);
}

static void (*const handlers[])(struct control *control, const struct control_header *header,
				const uint8_t *body) = {
	[CONTROL_HELLO] = handle_hello,
	[CONTROL_ATTACH] = handle_attach,
	[CONTROL_GOODBYE] = handle_goodbye,
	[CONTROL_PING] = handle_ping,
	[CONTROL_OPEN] = handle_open,
	[CONTROL_CLOSE] = handle_close,
	[CONTROL_DELETE] = handle_delete,
	[CONTROL_LIST] = handle_list,
	[CONTROL_STAT] = handle_stat,
	[CONTROL_SERVER_STAT] = handle_server_stat,
	[CONTROL_QUEUE_PAIR] = handle_queue_pair,
	[CONTROL_FIGURES] = handle_figures,
	[CONTROL_WAIT] = handle_wait,
	[CONTROL_WAKE] = handle_wake,
	[CONTROL_CANCEL] = handle_cancel,
	[CONTROL_WAKE_QUIETLY] = handle_wake_quietly,
	[CONTROL_HELD] = handle_held,
	[CONTROL_USE] = handle_use,
};

/* Those that are not light, in steps. */
static const uint16_t weights[] = {
	[CONTROL_DELETE] = 16,
	[CONTROL_LIST] = 64,
	[CONTROL_HELD] = 256,
};

unsigned handler_steps(const struct control_header *header)
{
	uint16_t type = le16_get(header->type);

	return type < sizeof weights / sizeof *weights ? weights[type] : 0;
}

void handle_request(struct control *control, const struct control_header *header,
		    const uint8_t *body)
{
	unsigned type = le16_get(header->type);
	bool is_first = control->state == CONTROL_EXPECT_HELLO;
	bool begins = type == CONTROL_HELLO || type == CONTROL_ATTACH;
	enum wire_status status;

	if (type >= sizeof handlers / sizeof *handlers) {
		control_reject(control, header, "%s is a notice: storaged sends it",
			       control_type_name(type));
		return;
	}
	if (is_first != begins) {
		control_reject(control, header,
			       is_first ? "a connection begins with HELLO or ATTACH, not with %s"
					: "%s is the first message of a connection or none",
			       control_type_name(type));
		return;
	}
	status = control_check(header, body);
	if (status == WIRE_MALFORMED)
		control_reject(control, header, "the body of that %s is malformed",
			       control_type_name(type));
	else if (status != WIRE_OK)
		control_refuse(control, header, status, NULL);
	else
		handlers[type](control, header, body);
}
