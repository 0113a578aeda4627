/* SPDX-License-Identifier: Apache-2.0 */
/* What functions have written, at the driver. */
#include "lib/functions/output.h"

#include <stdlib.h>
#include <unistd.h>

void dso_output_print(void *context, const struct dso_output_line *line)
{
	FILE *stream = line->stream == STDOUT_FILENO ? stdout : stderr;

	if (line->dropped)
		fprintf(stream, "[%s %llu] %llu lines before this were dropped\n", line->function,
			(unsigned long long)line->number, (unsigned long long)line->dropped);
	if (line->bytes || !line->dropped)
		fprintf(stream, "[%s %llu] %s\n", line->function, (unsigned long long)line->number,
			line->text);
	fflush(stream);
}

void output_take(const struct dso_executor *executor, const struct result_message *message,
		 const uint8_t *rest, size_t rest_bytes)
{
	char function[MESSAGE_NAME_BYTES + 1] = "", text[OUTPUT_LINE_BYTES_MAX + 1] = "";
	uint64_t bytes = le64_get(message->bytes);
	struct dso_output_line line = {
		.function = function,
		.number = le64_get(message->number),
		.dropped = le32_get(message->round),
		.stream = (int)le32_get(message->error),
		.text = text,
		.bytes = bytes,
	};

	if (!executor->output || message->name_bytes > MESSAGE_NAME_BYTES ||
	    bytes > OUTPUT_LINE_BYTES_MAX || message->name_bytes + bytes != rest_bytes)
		return;
	memcpy(function, rest, message->name_bytes);
	memcpy(text, rest + message->name_bytes, bytes);
	executor->output(executor->output_context, &line);
}
