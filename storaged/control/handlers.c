/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/control/handlers.h"
#include "storaged/control/page.h"

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

/* Whether deleted objects are still being cleaned, which count until then: the request is handled
 * again in the next turn. */
static bool waits_for_memory(struct control *control, enum wire_status status)
{
	control->again = (status == WIRE_NO_MEMORY || status == WIRE_OBJECTS_MAX) &&
			 store_is_dirty(control->session->space->store);
	return control->again;
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
	if (waits_for_memory(control, status))
		return;
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

static void handle_grow(struct control *control, const struct control_header *header,
			const uint8_t *body)
{
	const struct control_grow *grow = (const void *)body;
	struct store_extent extents[CONTROL_GROWN_MAX];
	struct control_grown head = {0};
	char detail[CONTROL_SENTENCE_BYTES_MAX] = "";
	struct page page;
	unsigned count = 0;
	enum wire_status status = store_grow(&control->session->opener, le32_get(grow->handle),
					     le16_get(grow->extent), le64_get(grow->bytes), extents,
					     CONTROL_GROWN_MAX, &count, detail, sizeof detail);

	if (waits_for_memory(control, status))
		return;
	if (status != WIRE_OK) {
		control_refuse(control, header, status, "%s",
			       detail[0] ? detail : wire_status_sentence(status));
		return;
	}
	page_begin(&page, sizeof head);
	for (unsigned i = 0; i < count; i++) {
		struct control_extent entry = {.offset = le64_of(extents[i].offset),
					       .bytes = le64_of(extents[i].bytes)};

		page_put(&page, &entry, sizeof entry, "", 0);
	}
	head.count = le32_of(page.count);
	page_reply(&page, control, header, &head, sizeof head);
}

/* Reply with a status alone. */
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

	futex_handle_closed(&control->session->waiter, le32_get(close->handle));
	answer(control, header, store_close(&control->session->opener, le32_get(close->handle)));
}

/* DELETE is answered when every session that has the object open was told, or does not read what it
 * is told. Until then the request has its turn again. */
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

/* The same for some objects. All but the last were open in no session. */
static void handle_delete_prefix(struct control *control, const struct control_header *header,
				 const uint8_t *body)
{
	const struct control_delete_prefix *prefix = (const void *)body;
	struct store *store = control->session->space->store;
	struct store_prefix progress = {.cursor = le32_get(prefix->cursor)};

	if (!control->deletion) {
		store_delete_prefix(store, (const char *)body + sizeof *prefix, prefix->name_bytes,
				    &progress);
		control->deletion = progress.deletion;
		control->deleted_prefix.cursor = le32_of(progress.cursor);
		control->deleted_prefix.count = le32_of(progress.count);
	}
	control->again = control->deletion && (!store_is_told(store, control->deletion) ||
					       control->session->opener.untold_slot);
	if (control->again)
		return;
	control->deletion = 0;
	control_reply(control, header, &control->deleted_prefix, sizeof control->deleted_prefix);
}

static struct control_entry entry_of(const struct store_object_stat *stat)
{
	struct control_entry entry = {
		.type = (uint8_t)stat->type,
		.name_bytes = stat->name_bytes,
		.flags = stat->is_ephemeral ? CONTROL_OPEN_EPHEMERAL : 0,
		.generation = le32_of(stat->generation),
		.offset = le64_of(stat->offset),
		.length_bytes = le64_of(stat->length_bytes),
		.opens = le32_of(stat->opens),
		.extents = stat->extents,
		.extent_units = le32_of((uint32_t)(stat->extent_bytes / CONTROL_EXTENT_UNIT_BYTES)),
	};

	parameters_of(stat->parameters, &entry.parameters);
	return entry;
}

static void handle_list(struct control *control, const struct control_header *header,
			const uint8_t *body)
{
	const struct control_list *list = (const void *)body;
	struct control_page head = {0};
	struct store_object_stat stat;
	struct page page;
	uint32_t next = le32_get(list->cursor), cursor = next;

	page_begin(&page, sizeof head);
	while (store_next(control->session->space->store, &next, &stat)) {
		struct control_entry entry = entry_of(&stat);

		if (!page_put(&page, &entry, sizeof entry, stat.name, stat.name_bytes)) {
			head.cursor = le32_of(cursor);
			break;
		}
		cursor = next;
	}
	head.count = le32_of(page.count);
	page_reply(&page, control, header, &head, sizeof head);
}

/* A page of one entry without a head. */
static void handle_stat(struct control *control, const struct control_header *header,
			const uint8_t *body)
{
	const struct control_name *name = (const void *)body;
	struct store_object_stat stat;
	struct control_entry entry;
	struct page page;
	enum wire_status status =
		store_stat(control->session->space->store, (const char *)body + sizeof *name,
			   name->name_bytes, &stat);

	if (status != WIRE_OK) {
		control_refuse(control, header, status, NULL);
		return;
	}
	entry = entry_of(&stat);
	page_begin(&page, 0);
	page_put(&page, &entry, sizeof entry, stat.name, stat.name_bytes);
	control_reply(control, header, page.body, page.fill);
}

const struct control_handler handlers[] = {
	[CONTROL_HELLO] = {handle_hello},
	[CONTROL_ATTACH] = {handle_attach},
	[CONTROL_GOODBYE] = {handle_goodbye},
	[CONTROL_PING] = {handle_ping},
	[CONTROL_OPEN] = {handle_open},
	[CONTROL_CLOSE] = {handle_close},
	[CONTROL_DELETE] = {handle_delete, .steps = 16},
	[CONTROL_LIST] = {handle_list, .steps = 64},
	[CONTROL_STAT] = {handle_stat},
	[CONTROL_SERVER_STAT] = {handle_server_stat},
	[CONTROL_QUEUE_PAIR] = {handle_queue_pair},
	[CONTROL_FIGURES] = {handle_figures},
	[CONTROL_WAIT] = {handle_wait},
	[CONTROL_WAKE] = {handle_wake},
	[CONTROL_CANCEL] = {handle_cancel},
	[CONTROL_WAKE_QUIETLY] = {handle_wake_quietly},
	[CONTROL_HELD] = {handle_held, .steps = 256},
	[CONTROL_USE] = {handle_use},
	[CONTROL_GROW] = {handle_grow},
	[CONTROL_REDUCE] = {handle_reduce, .steps = 256},
	[CONTROL_DELETE_PREFIX] = {handle_delete_prefix, .steps = 256},
};

const unsigned handler_count = sizeof handlers / sizeof *handlers;
