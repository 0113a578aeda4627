/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last lines that the functions of an executor have written, for others than its driver: the
 * memory run/RUN/EXECUTOR/lines, which is there where the driver asks for lines, and goes with the
 * executor. A worker that has pushed a line to the driver takes a slot of it by a fetch-and-add,
 * and writes the line there by one WRITE. A reader knows by the hash what is half written, or half
 * overwritten.
 */
#ifndef LIB_FUNCTIONS_LINES_H
#define LIB_FUNCTIONS_LINES_H

#include "lib/functions/message.h"

#include <stdbool.h>

#define LINES_MAX 1024 /* that are kept of an executor */

struct lines_slot {
	le64_t serial; /* of the line, from 1 on; 0: the slot was not written yet */
	le64_t hash;   /* XXH3 of the slot up to the item's end, this being zero */
	uint8_t reserved[14];
	le16_t bytes; /* of the item, as the queue of results has it */
	uint8_t item[MESSAGE_BYTES];
};
_Static_assert(sizeof(struct lines_slot) == 1024, "slots fill a power of two");

#define LINES_NEXT_OFFSET  0 /* of a word: how many lines there were */
#define LINES_SLOTS_OFFSET sizeof(struct lines_slot)
#define LINES_BYTES        ((1 + LINES_MAX) * sizeof(struct lines_slot))

/* Of a line, each with its zero. */
struct line_texts {
	char function[MESSAGE_NAME_BYTES + 1];
	char text[OUTPUT_LINE_BYTES_MAX + 1];
};

/* Read a line: @message and the @rest behind it, which a worker wrote. *ret_line points into
 * *ret_texts. Returns whether it makes sense. */
bool line_read(const struct result_message *message, const uint8_t *rest, size_t rest_bytes,
	       struct line_texts *ret_texts, struct dso_output_line *ret_line);

/* At the driver. Returns 0, or what opening a memory returns. */
int lines_create(struct dso_session *session, const char *prefix, struct dso_memory **ret_lines);

/* Returns 0, -ENOENT (the driver asks for no lines), -EBADMSG (it is too short), or an error. */
int lines_open(struct dso_session *session, const char *prefix, struct dso_memory **ret_lines);

/* Add an @item of @bytes, of OUTCOME_OUTPUT. Returns 0 or what changing a memory returns. */
int lines_add(struct dso_memory *lines, const uint8_t *item, size_t bytes);

/* Call @each with the lines of the call @number, the oldest first, until it returns other than 0.
 * Returns 0, what @each returned, -ENOMEM, or what reading a memory returns. */
int lines_each(struct dso_memory *lines, uint64_t number,
	       int (*each)(const struct dso_output_line *line, void *context), void *context);

#endif
