/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

bool line_read(const struct result_message *message, const uint8_t *rest, size_t rest_bytes,
	       struct line_texts *ret_texts, struct dso_output_line *ret_line)
{
	uint64_t bytes = le64_get(message->bytes);

	if (message->name_bytes > MESSAGE_NAME_BYTES || bytes > OUTPUT_LINE_BYTES_MAX ||
	    message->name_bytes + bytes != rest_bytes)
		return false;
	*ret_texts = (struct line_texts){.function = ""};
	memcpy(ret_texts->function, rest, message->name_bytes);
	memcpy(ret_texts->text, rest + message->name_bytes, bytes);
	*ret_line = (struct dso_output_line){
		.function = ret_texts->function,
		.number = le64_get(message->number),
		.dropped = le32_get(message->round),
		.stream = (int)le32_get(message->error),
		.text = ret_texts->text,
		.bytes = bytes,
	};
	return true;
}

int lines_create(struct dso_session *session, const char *prefix, struct dso_memory **ret_lines)
{
	struct dso_memory_params params = {.size_bytes = LINES_BYTES, .ephemeral = DSO_EPHEMERAL};

	return dso_memory_open(session, name_of(prefix, "lines").text, &params, ret_lines);
}

int lines_open(struct dso_session *session, const char *prefix, struct dso_memory **ret_lines)
{
	struct object_name name = name_of(prefix, "lines");
	/* Where it goes in between, the one that is made goes, too. */
	struct dso_memory_params params = {.ephemeral = DSO_EPHEMERAL};
	struct dso_memory *lines;
	int r = dso_object_stat(session, name.text, NULL);

	if (r == 0)
		r = dso_memory_open(session, name.text, &params, &lines);
	if (r)
		return r;
	if (dso_memory_size(lines) < LINES_BYTES) {
		dso_memory_close(lines);
		return -EBADMSG;
	}
	*ret_lines = lines;
	return 0;
}

static size_t bytes_of_slot(size_t item_bytes)
{
	return offsetof(struct lines_slot, item) + item_bytes;
}

static uint64_t offset_of_slot(uint64_t line)
{
	return LINES_SLOTS_OFFSET + line % LINES_MAX * sizeof(struct lines_slot);
}

static uint64_t hash_of(struct lines_slot slot, size_t item_bytes)
{
	slot.hash = le64_of(0);
	return XXH3_64bits(&slot, bytes_of_slot(item_bytes));
}

int lines_add(struct dso_memory *lines, const uint8_t *item, size_t bytes)
{
	struct lines_slot slot = {.bytes = le16_of((uint16_t)bytes)};
	uint64_t line;
	int r = dso_memory_fetch_add(lines, LINES_NEXT_OFFSET, 1, &line);

	if (r)
		return r;
	slot.serial = le64_of(line + 1);
	memcpy(slot.item, item, bytes);
	slot.hash = le64_of(hash_of(slot, bytes));
	return dso_memory_write(lines, offset_of_slot(line), &slot, bytes_of_slot(bytes));
}

/* Whether the slot has the @line-th line, whole, and that is of the call. */
static bool read_slot(const struct lines_slot *slot, uint64_t line, uint64_t number,
		      struct line_texts *texts, struct dso_output_line *ret_line)
{
	size_t bytes = le16_get(slot->bytes);
	struct result_message message;

	if (le64_get(slot->serial) != line + 1 || bytes < sizeof message || bytes > MESSAGE_BYTES ||
	    hash_of(*slot, bytes) != le64_get(slot->hash))
		return false;
	memcpy(&message, slot->item, sizeof message);
	return message.outcome == OUTCOME_OUTPUT && le64_get(message.number) == number &&
	       line_read(&message, slot->item + sizeof message, bytes - sizeof message, texts,
			 ret_line);
}

int lines_each(struct dso_memory *lines, uint64_t number,
	       int (*each)(const struct dso_output_line *line, void *context), void *context)
{
	struct lines_slot *slots = calloc(LINES_MAX, sizeof *slots);
	uint64_t end = 0;
	int r = slots ? dso_memory_fetch_add(lines, LINES_NEXT_OFFSET, 0, &end) : -ENOMEM;

	if (r == 0)
		r = dso_memory_read(lines, LINES_SLOTS_OFFSET, slots, LINES_MAX * sizeof *slots);
	for (uint64_t line = end > LINES_MAX ? end - LINES_MAX : 0; line < end && r == 0; line++) {
		struct line_texts texts;
		struct dso_output_line told;

		if (read_slot(&slots[line % LINES_MAX], line, number, &texts, &told))
			r = each(&told, context);
	}
	free(slots);
	return r;
}
