/* SPDX-License-Identifier: Apache-2.0 */
/* What functions have written, at the driver. */
#include "lib/functions/output.h"

#include "lib/functions/lines.h"

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
	struct line_texts texts;
	struct dso_output_line line;

	if (executor->output && line_read(message, rest, rest_bytes, &texts, &line))
		executor->output(executor->output_context, &line);
}
