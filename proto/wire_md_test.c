/* SPDX-License-Identifier: Apache-2.0 */
/* Compares WIRE.md (its path in the environment variable WIRE_MD) with the headers, both ways. */
#include "proto/control.h"
#include "proto/data.h"
#include "proto/layout.h"
#include "proto/map.h"
#include "proto/space.h"
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES    1024
#define CELLS_MAX     8
#define SECTION_BYTES 64

struct field {
	const char *type;
	size_t type_bytes;
	const char *name;
	size_t offset;
	size_t bytes;
};

/* clang-format off */
#define FIELD(type, name) {#type, sizeof(struct type), #name, offsetof(struct type, name), \
			   sizeof(((struct type *)NULL)->name)}

static const struct field fields[] = {
	FIELD(control_header, length_bytes), FIELD(control_header, type),
	FIELD(control_header, status), FIELD(control_header, request),
	FIELD(control_header, reserved),

	FIELD(control_hello, magic), FIELD(control_hello, version_min),
	FIELD(control_hello, version_max), FIELD(control_hello, linger_ms),
	FIELD(control_hello, features_offered), FIELD(control_hello, features_required),
	FIELD(control_hello, name_space),

	FIELD(control_welcome, version), FIELD(control_welcome, domain),
	FIELD(control_welcome, transports), FIELD(control_welcome, ttl_ms),
	FIELD(control_welcome, features), FIELD(control_welcome, session),
	FIELD(control_welcome, cookie), FIELD(control_welcome, region_bytes),
	FIELD(control_welcome, host), FIELD(control_welcome, region_address),
	FIELD(control_welcome, region_rkey), FIELD(control_welcome, verbs_port),
	FIELD(control_welcome, reserved), FIELD(control_welcome, verbs_address),
	FIELD(control_welcome, unix_path), FIELD(control_welcome, reserved2),
	FIELD(control_welcome, unix_device), FIELD(control_welcome, unix_inode),
	FIELD(control_welcome, tcp_ip), FIELD(control_welcome, tcp_port),
	FIELD(control_welcome, reserved3),

	FIELD(control_attach, session), FIELD(control_attach, cookie),
	FIELD(control_attach, transport), FIELD(control_attach, reserved),
	FIELD(control_use, transport), FIELD(control_use, reserved),

	FIELD(control_parameters, parameter),

	FIELD(control_open, type), FIELD(control_open, flags), FIELD(control_open, name_bytes),
	FIELD(control_open, reserved), FIELD(control_open, parameters),

	FIELD(control_opened, offset), FIELD(control_opened, length_bytes),
	FIELD(control_opened, generation), FIELD(control_opened, node),
	FIELD(control_opened, region), FIELD(control_opened, handle),
	FIELD(control_opened, reserved), FIELD(control_opened, parameters),
	FIELD(control_opened, token_origin),

	FIELD(control_close, handle), FIELD(control_close, reserved),

	FIELD(control_name, name_bytes), FIELD(control_name, reserved),

	FIELD(control_delete_prefix, cursor), FIELD(control_delete_prefix, name_bytes),
	FIELD(control_delete_prefix, reserved), FIELD(control_deleted_prefix, cursor),
	FIELD(control_deleted_prefix, count),
	FIELD(control_list, cursor), FIELD(control_list, reserved),

	FIELD(control_page, cursor), FIELD(control_page, count),

	FIELD(control_entry, type), FIELD(control_entry, flags), FIELD(control_entry, name_bytes),
	FIELD(control_entry, extents), FIELD(control_entry, generation),
	FIELD(control_entry, offset), FIELD(control_entry, length_bytes),
	FIELD(control_entry, opens), FIELD(control_entry, extent_units),
	FIELD(control_entry, parameters),

	FIELD(control_server_stat, uptime_ns), FIELD(control_server_stat, region_bytes),
	FIELD(control_server_stat, region_used_bytes), FIELD(control_server_stat, objects),
	FIELD(control_server_stat, objects_max), FIELD(control_server_stat, sessions),
	FIELD(control_server_stat, sessions_max), FIELD(control_server_stat, sessions_begun),
	FIELD(control_server_stat, sessions_fenced), FIELD(control_server_stat, sessions_lost),
	FIELD(control_server_stat, protocol_errors), FIELD(control_server_stat, operations),
	FIELD(control_server_stat, domain), FIELD(control_server_stat, transports),
	FIELD(control_server_stat, reserved), FIELD(control_server_stat, io),
	FIELD(control_server_stat, device), FIELD(control_server_stat, version),
	FIELD(control_server_stat, domain_reason),

	FIELD(control_queue_pair, ip), FIELD(control_queue_pair, port),
	FIELD(control_queue_pair, mtu), FIELD(control_queue_pair, rd_atomic),
	FIELD(control_queue_pair, reserved), FIELD(control_queue_pair, qpn),
	FIELD(control_queue_pair, psn), FIELD(control_queue_pair, rkey),
	FIELD(control_queue_pair, reserved2), FIELD(control_queue_pair, region_address),

	FIELD(control_wait, handle), FIELD(control_wait, until),
	FIELD(control_wait, again), FIELD(control_wait, share),
	FIELD(control_wait, offset), FIELD(control_wait, expected), FIELD(control_wait, leave),

	FIELD(control_waited, taken),

	FIELD(control_wake, handle), FIELD(control_wake, count), FIELD(control_wake, offset),

	FIELD(control_woken, count), FIELD(control_woken, reserved),

	FIELD(control_figures, count), FIELD(control_figures, reserved),

	FIELD(control_figure, name), FIELD(control_figure, value),

	FIELD(control_held, cursor),

	FIELD(control_holds, cursor), FIELD(control_holds, count), FIELD(control_holds, reserved),

	FIELD(control_hold, type), FIELD(control_hold, name_bytes), FIELD(control_hold, role),
	FIELD(control_hold, generation), FIELD(control_hold, owner), FIELD(control_hold, count),
	FIELD(control_hold, token), FIELD(control_hold, held_min_ns),
	FIELD(control_hold, held_max_ns), FIELD(control_hold, who),

	FIELD(control_grow, handle), FIELD(control_grow, extent), FIELD(control_grow, reserved),
	FIELD(control_grow, bytes),

	FIELD(control_grown, count), FIELD(control_grown, reserved),

	FIELD(control_extent, offset), FIELD(control_extent, bytes),

	FIELD(data_request, opcode), FIELD(data_request, reserved), FIELD(data_request, region),
	FIELD(data_request, length_bytes), FIELD(data_request, offset),
	FIELD(data_request, operand), FIELD(data_request, swap),

	FIELD(data_response, opcode), FIELD(data_response, reserved),
	FIELD(data_response, status), FIELD(data_response, length_bytes),
	FIELD(data_response, value),

	FIELD(region_header, magic), FIELD(region_header, version), FIELD(region_header, node),
	FIELD(region_header, region), FIELD(region_header, reserved),
	FIELD(region_header, features_compatible), FIELD(region_header, features_incompatible),
	FIELD(region_header, region_bytes), FIELD(region_header, reserved2),

	FIELD(object_header, type), FIELD(object_header, flags),
	FIELD(object_header, generation), FIELD(object_header, length_bytes),
	FIELD(object_header, parameter), FIELD(object_header, token_epoch),
	FIELD(object_header, reserved),

	FIELD(register_slot, version), FIELD(register_slot, length_bytes),
	FIELD(register_slot, checksum), FIELD(register_slot, header_checksum),
	FIELD(register_slot, reserved),

	FIELD(queue_slot, word), FIELD(queue_slot, returns), FIELD(queue_slot, checksum),
	FIELD(queue_slot, length_bytes), FIELD(queue_slot, reserved),

	FIELD(aggregator_result, round), FIELD(aggregator_result, contributors),
	FIELD(aggregator_result, checksum), FIELD(aggregator_result, header_checksum),
	FIELD(aggregator_result, reserved),

	FIELD(control_reduce, handle), FIELD(control_reduce, reserved),
	FIELD(control_reduce, round), FIELD(control_reduced, word),

	FIELD(space_intent, reference), FIELD(space_intent, state),

	FIELD(space_record, checksum), FIELD(space_record, count), FIELD(space_record, intents),
	FIELD(space_record, leases), FIELD(space_record, reserved),

	FIELD(map_segment_header, state), FIELD(map_segment_header, parent),
	FIELD(map_segment_header, word), FIELD(map_segment_header, suffix),
	FIELD(map_segment_header, depth), FIELD(map_segment_header, has_cells),
	FIELD(map_segment_header, kind), FIELD(map_segment_header, siblings),
	FIELD(map_segment_header, reserved),

	FIELD(map_entry, state), FIELD(map_entry, version), FIELD(map_entry, checksum),
	FIELD(map_entry, value_bytes), FIELD(map_entry, key_bytes), FIELD(map_entry, kind),

	FIELD(map_cell, word), FIELD(map_cell, version), FIELD(map_cell, key_bytes),
	FIELD(map_cell, value_bytes), FIELD(map_cell, checksum), FIELD(map_cell, data),
};
/* clang-format on */

struct number {
	const char *section; /* enum or "Constants" */
	const char *name;
	unsigned long long value;
	const char *third; /* that the third and fourth cell must hold, or NULL */
	const char *fourth;
};

/* clang-format off */
#define MESSAGE(name)	 {"control_type", #name, CONTROL_##name, NULL, NULL}
#define FEATURE(name)	 {"control_feature", #name, CONTROL_FEATURE_##name, NULL, NULL}
#define DOMAIN(name)	 {"control_domain", #name, CONTROL_DOMAIN_##name, NULL, NULL}
#define TRANSPORT(NAME, name, bit) {"control_transport", #NAME, bit, NULL, NULL},
#define UNTIL(name)	 {"control_wait_until", #name, CONTROL_WAIT_##name, NULL, NULL}
#define ROLE(name)	 {"control_hold_role", #name, CONTROL_##name, NULL, NULL}
#define OPEN_FLAG(name)	 {"control_open_flags", #name, CONTROL_OPEN_##name, NULL, NULL}
#define TYPE(NAME, name, number) {"object_type", #NAME, number, NULL, NULL},
#define OWNED(name)	 {"owned_flags", #name, OWNED_##name, NULL, NULL}
#define OPCODE(name)	 {"data_opcode", #name, DATA_##name, NULL, NULL}
#define CONSTANT(number) {"Constants", #number, number, NULL, NULL}
#define X(name, number, error, sentence) {"wire_status", #name, number, #error, sentence},

static const struct number numbers[] = {
	MESSAGE(HELLO), MESSAGE(ATTACH), MESSAGE(GOODBYE), MESSAGE(PING), MESSAGE(OPEN),
	MESSAGE(CLOSE), MESSAGE(DELETE), MESSAGE(LIST), MESSAGE(STAT), MESSAGE(SERVER_STAT),
	MESSAGE(QUEUE_PAIR), MESSAGE(FIGURES), MESSAGE(WAIT), MESSAGE(WAKE), MESSAGE(CANCEL),
	MESSAGE(WAKE_QUIETLY),
	MESSAGE(HELD), MESSAGE(USE), MESSAGE(GROW), MESSAGE(REDUCE), MESSAGE(DELETE_PREFIX),
	MESSAGE(DELETED),
	MESSAGE(FENCED),
	FEATURE(WAIT), FEATURE(HELD), FEATURE(LEASE), FEATURE(GROW), FEATURE(VALUE),
	FEATURE(EPHEMERAL), FEATURE(PREFIX),
	DOMAIN(CPU), DOMAIN(DEVICE),
	TRANSPORTS(TRANSPORT)
	UNTIL(CHANGED), UNTIL(GIVEN_BACK), UNTIL(TAKEN),
	UNTIL(SUM_LEAST), UNTIL(SUM_OTHER), UNTIL(NEWER),
	ROLE(HOLDER), ROLE(WRITER), ROLE(READER),
	OPEN_FLAG(CREATE), OPEN_FLAG(PARAMETERS), OPEN_FLAG(EPHEMERAL),
	OBJECT_TYPES(TYPE)
	OWNED(WAITED), OWNED(DIED), OWNED(LOST), OWNED(DONE), OWNED(ERROR), OWNED(QUEUED),
	OWNED(GRANTED),
	OPCODE(READ), OPCODE(WRITE), OPCODE(CAS), OPCODE(FAA),
	CONSTANT(CONTROL_VERSION), CONSTANT(CONTROL_PORT), CONSTANT(CONTROL_BODY_BYTES_MAX),
	CONSTANT(CONTROL_NAME_BYTES_MAX), CONSTANT(CONTROL_NAMESPACE_BYTES_MAX),
	CONSTANT(CONTROL_COOKIE_BYTES), CONSTANT(CONTROL_EXTENTS_MAX),
	CONSTANT(CONTROL_EXTENT_UNIT_BYTES), CONSTANT(CONTROL_EXTENT_BYTES_MAX),
	CONSTANT(CONTROL_GROWN_MAX), CONSTANT(DATA_TRANSFER_BYTES_MAX),
	CONSTANT(LAYOUT_VERSION), CONSTANT(LAYOUT_LINE_BYTES),
	CONSTANT(LAYOUT_REGION_HEADER_BYTES), CONSTANT(MEMORY_BYTES_MAX),
	CONSTANT(COUNTER_STRIPES_MAX), CONSTANT(REGISTER_CAPACITY_BYTES_MAX),
	WIRE_STATUS_TABLE(X)
};
/* clang-format on */

#undef X

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- the document ---- */

/* What the reader is in the middle of: a section "struct NAME", "enum NAME" or "Constants". */
struct reader {
	FILE *file;
	unsigned line_number;
	char line[LINE_BYTES];
	bool is_struct;
	bool is_numbers;
	char section[SECTION_BYTES];
	char *cells[CELLS_MAX];
	unsigned cell_count;
};

static void begin_section(struct reader *reader)
{
	const char *line = reader->line;

	reader->is_struct = sscanf(line, "### struct %63[a-z0-9_],", reader->section) == 1;
	reader->is_numbers = sscanf(line, "### enum %63[a-z0-9_]", reader->section) == 1;
	if (!strcmp(line, "## Constants\n")) {
		strcpy(reader->section, "Constants");
		reader->is_numbers = true;
	}
}

static char *trimmed(char *text)
{
	char *end = text + strlen(text);

	while (*text == ' ')
		text++;
	while (end > text && end[-1] == ' ')
		*--end = '\0';
	return text;
}

/* Cut "| a | b |" into cells. */
static void cut(struct reader *reader)
{
	char *rest = reader->line + 1, *bar;

	reader->cell_count = 0;
	while ((bar = strchr(rest, '|')) && reader->cell_count < CELLS_MAX) {
		*bar = '\0';
		reader->cells[reader->cell_count++] = trimmed(rest);
		rest = bar + 1;
	}
}

/* Move to the next row of a table, or to the next heading. Returns false at the end. */
static bool next_line(struct reader *reader)
{
	while (fgets(reader->line, sizeof reader->line, reader->file)) {
		reader->line_number++;
		reader->cell_count = 0;
		if (reader->line[0] == '#') {
			begin_section(reader);
			return true;
		}
		if (reader->line[0] != '|' || !strncmp(reader->line, "|---", 4))
			continue;
		cut(reader);
		if (!strcmp(reader->cells[0], "offset") || !strcmp(reader->cells[0], "number") ||
		    !strcmp(reader->cells[0], "name"))
			continue;
		return true;
	}
	return false;
}

static struct reader reader_open(void)
{
	const char *path = getenv("WIRE_MD");
	struct reader reader = {.file = path ? fopen(path, "r") : NULL};

	ck_assert_msg(reader.file != NULL, "WIRE_MD is to be the path of WIRE.md");
	return reader;
}

START_TEST(every_field_of_every_struct_is_in_the_document_and_nothing_else)
{
	struct reader reader = reader_open();
	bool seen[COUNT(fields)] = {false};

	while (next_line(&reader)) {
		unsigned at = 0;

		if (!reader.is_struct || !reader.cell_count)
			continue;
		ck_assert_msg(reader.cell_count == 4, "WIRE.md:%u: four cells", reader.line_number);
		while (at < COUNT(fields) && (strcmp(fields[at].type, reader.section) ||
					      strcmp(fields[at].name, reader.cells[2])))
			at++;
		ck_assert_msg(at < COUNT(fields), "WIRE.md:%u: %s has no %s", reader.line_number,
			      reader.section, reader.cells[2]);
		ck_assert_msg(!seen[at], "WIRE.md:%u: %s twice", reader.line_number,
			      reader.cells[2]);
		seen[at] = true;
		ck_assert_msg(strtoull(reader.cells[0], NULL, 10) == fields[at].offset &&
				      strtoull(reader.cells[1], NULL, 10) == fields[at].bytes,
			      "WIRE.md:%u: %s.%s is at %zu, of %zu bytes", reader.line_number,
			      reader.section, reader.cells[2], fields[at].offset, fields[at].bytes);
		ck_assert_msg(reader.cells[3][0] != '\0', "WIRE.md:%u: no meaning",
			      reader.line_number);
	}
	for (unsigned i = 0; i < COUNT(fields); i++)
		ck_assert_msg(seen[i], "WIRE.md does not show %s.%s", fields[i].type,
			      fields[i].name);
	fclose(reader.file);
}
END_TEST

START_TEST(the_sizes_in_the_headings_are_the_structs)
{
	struct reader reader = reader_open();
	unsigned headings = 0, structs = 0;

	while (next_line(&reader)) {
		unsigned at = 0;
		size_t bytes;

		if (!reader.is_struct || reader.cell_count)
			continue;
		headings++;
		while (at < COUNT(fields) && strcmp(fields[at].type, reader.section))
			at++;
		ck_assert_msg(at < COUNT(fields), "WIRE.md:%u: there is no struct %s",
			      reader.line_number, reader.section);
		ck_assert_int_eq(sscanf(strchr(reader.line, ','), ", %zu bytes", &bytes), 1);
		ck_assert_msg(bytes == fields[at].type_bytes, "WIRE.md:%u: %s has %zu bytes",
			      reader.line_number, reader.section, fields[at].type_bytes);
	}
	for (unsigned i = 0; i < COUNT(fields); i++)
		structs += i == 0 || strcmp(fields[i].type, fields[i - 1].type);
	ck_assert_uint_eq(headings, structs);
	fclose(reader.file);
}
END_TEST

/* The list above names every field: without padding their sizes add up to the struct's. */
START_TEST(the_test_itself_leaves_no_field_out)
{
	for (unsigned i = 0; i < COUNT(fields);) {
		unsigned first = i;
		size_t sum = 0;

		for (; i < COUNT(fields) && !strcmp(fields[i].type, fields[first].type); i++) {
			ck_assert_uint_eq(fields[i].offset, sum);
			sum += fields[i].bytes;
		}
		ck_assert_msg(sum == fields[first].type_bytes, "%s", fields[first].type);
	}
}
END_TEST

START_TEST(every_number_and_sentence_is_in_the_document_and_no_other)
{
	struct reader reader = reader_open();
	bool seen[COUNT(numbers)] = {false};

	while (next_line(&reader)) {
		bool name_first = !strcmp(reader.section, "Constants");
		unsigned at = 0;

		if (!reader.is_numbers || !reader.cell_count)
			continue;
		ck_assert_msg(reader.cell_count >= 3, "WIRE.md:%u: cells", reader.line_number);
		while (at < COUNT(numbers) && (strcmp(numbers[at].section, reader.section) ||
					       strcmp(numbers[at].name, reader.cells[!name_first])))
			at++;
		ck_assert_msg(at < COUNT(numbers) && !seen[at], "WIRE.md:%u: %s %s",
			      reader.line_number, reader.section, reader.cells[!name_first]);
		seen[at] = true;
		ck_assert_msg(strtoull(reader.cells[name_first], NULL, 10) == numbers[at].value,
			      "WIRE.md:%u: %s is %llu", reader.line_number, numbers[at].name,
			      numbers[at].value);
		if (numbers[at].third)
			ck_assert_msg(reader.cell_count == 4 &&
					      !strcmp(reader.cells[2], numbers[at].third) &&
					      !strcmp(reader.cells[3], numbers[at].fourth),
				      "WIRE.md:%u: %s", reader.line_number, numbers[at].name);
	}
	for (unsigned i = 0; i < COUNT(numbers); i++)
		ck_assert_msg(seen[i], "WIRE.md does not show %s", numbers[i].name);
	fclose(reader.file);
}
END_TEST

/* Whether control_check takes a message of @type with a body of @length_bytes. */
static bool is_taken(uint16_t type, bool is_notice, uint32_t length_bytes)
{
	struct control_header header = control_header_of(type, 0, !is_notice, length_bytes);

	return control_check(&header, NULL) == WIRE_OK;
}

START_TEST(the_lengths_of_the_messages_are_those_that_are_checked)
{
	struct reader reader = reader_open();
	unsigned known = 0, seen = 0;

	while (next_line(&reader)) {
		bool is_notice;
		unsigned min, max, cells;
		uint16_t type;

		if (strcmp(reader.section, "control_type") || !reader.cell_count)
			continue;
		seen++;
		is_notice = !strcmp(reader.cells[2], "storaged") ||
			    strstr(reader.cells[5], "its request number is zero");
		type = (uint16_t)strtoul(reader.cells[0], NULL, 10);
		ck_assert_str_eq(control_type_name(type), reader.cells[1]);
		cells = (unsigned)sscanf(reader.cells[3], "%u..%u", &min, &max);
		ck_assert_uint_ge(cells, 1);
		if (cells == 1)
			max = min;
		for (unsigned bytes = 0; bytes <= CONTROL_BODY_BYTES_MAX + 1; bytes++)
			ck_assert_msg(is_taken(type, is_notice, bytes) ==
					      (bytes >= min && bytes <= max),
				      "WIRE.md:%u: %s of %u bytes", reader.line_number,
				      reader.cells[1], bytes);
	}
	for (unsigned type = 0; type <= UINT16_MAX; type++)
		known += strcmp(control_type_name(type), "unknown") != 0;
	ck_assert_uint_eq(seen, known);
	fclose(reader.file);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("WIRE.md");
	TCase *tests = tcase_create("WIRE.md");

	tcase_add_test(tests, every_field_of_every_struct_is_in_the_document_and_nothing_else);
	tcase_add_test(tests, the_sizes_in_the_headings_are_the_structs);
	tcase_add_test(tests, the_test_itself_leaves_no_field_out);
	tcase_add_test(tests, every_number_and_sentence_is_in_the_document_and_no_other);
	tcase_add_test(tests, the_lengths_of_the_messages_are_those_that_are_checked);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
