/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/operation.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 64

uint64_t place_stride(const struct settings *settings)
{
	return (settings->size_bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

int worker_fail(struct worker *worker, int error)
{
	const char *sentence = dso_error(worker->session);

	if (!*worker->error)
		snprintf(worker->error, sizeof worker->error, "%s",
			 *sentence ? sentence : strerror(-error));
	return error;
}

int worker_wrong(struct worker *worker, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (!*worker->error)
		vsnprintf(worker->error, sizeof worker->error, format, arguments);
	va_end(arguments);
	return -EBADMSG;
}

static int open_session(struct worker *worker, const char *url)
{
	const struct settings *settings = worker->settings;
	bool embedded = !strcmp(settings->transport, "embedded");
	struct dso_options options = {
		.transport = embedded ? NULL : settings->transport,
		.poll = poll_name(settings->poll),
		.io = settings->io,
	};
	int r = dso_open(url, &options, &worker->session);

	if (r)
		snprintf(worker->error, sizeof worker->error, "%s", dso_error(NULL));
	return r;
}

int worker_open(struct worker *worker, const struct settings *settings, const char *url,
		const char *name, const uint8_t *patterns, unsigned index)
{
	struct dso_memory_params params = {.size_bytes = place_stride(settings) * settings->words};
	int r;

	*worker = (struct worker){.settings = settings,
				  .operation = &operations_by_opcode[settings->opcode],
				  .patterns = patterns};
	/* Sessions begin at different places, as far as there are enough. */
	worker->submit_place = index * settings->words / settings->sessions;
	worker->complete_place = worker->submit_place;
	worker->buffers = malloc(settings->depth * settings->size_bytes);
	worker->words = calloc(settings->words, sizeof *worker->words);
	worker->expected = calloc(settings->depth, sizeof *worker->expected);
	if (!worker->buffers || !worker->words || !worker->expected) {
		snprintf(worker->error, sizeof worker->error, "out of memory");
		return -ENOMEM;
	}
	/* Now, and not in the first operation, where it would be measured. */
	memset(worker->buffers, 1, settings->depth * settings->size_bytes);
	r = open_session(worker, url);
	if (r)
		return r;
	r = dso_memory_open(worker->session, name, &params, &worker->memory);
	return r ? worker_fail(worker, r) : 0;
}

void worker_close(struct worker *worker)
{
	dso_memory_close(worker->memory);
	dso_close(worker->session);
	free(worker->buffers);
	free(worker->words);
	free(worker->expected);
	*worker = (struct worker){0};
}

uint8_t *patterns_new(const struct settings *settings)
{
	uint64_t bytes = settings->words * settings->size_bytes;
	uint64_t state = 0x9e3779b97f4a7c15;
	uint8_t *patterns = malloc(bytes);

	for (uint64_t i = 0; patterns && i < bytes; i++) {
		state = state * 6364136223846793005 + 1442695040888963407;
		/* Never 0, which memory holds that was never written. */
		patterns[i] = (uint8_t)(state >> 56) | 1;
	}
	return patterns;
}

int places_fill(struct worker *worker)
{
	const struct settings *settings = worker->settings;

	if (settings->opcode != OPCODE_READ)
		return 0;
	for (uint64_t place = 0; place < settings->words; place++) {
		int r = dso_memory_write(worker->memory, place * place_stride(settings),
					 worker->patterns + place * settings->size_bytes,
					 settings->size_bytes);

		if (r)
			return worker_fail(worker, r);
	}
	return 0;
}

static int check_sum(struct worker *worker, uint64_t additions)
{
	uint64_t sum = 0;

	for (uint64_t place = 0; place < worker->settings->words; place++) {
		uint64_t value;
		int r = dso_memory_fetch_add(worker->memory, place * place_stride(worker->settings),
					     0, &value);

		if (r)
			return worker_fail(worker, r);
		sum += value;
	}
	if (sum != additions)
		return worker_wrong(worker, "the words hold %ju after %ju additions of 1",
				    (uintmax_t)sum, (uintmax_t)additions);
	return 0;
}

/* @written_all: every place was written; else some may still hold zeros. */
static int check_bytes(struct worker *worker, bool written_all)
{
	const struct settings *settings = worker->settings;
	uint8_t *buffer = worker->buffers;

	for (uint64_t place = 0; place < settings->words; place++) {
		const uint8_t *pattern = worker->patterns + place * settings->size_bytes;
		int r = dso_memory_read(worker->memory, place * place_stride(settings), buffer,
					settings->size_bytes);

		if (r)
			return worker_fail(worker, r);
		if (!written_all && buffer[0] == 0)
			continue;
		if (memcmp(buffer, pattern, settings->size_bytes))
			return worker_wrong(worker, "place %ju holds other bytes than were written",
					    (uintmax_t)place);
	}
	return 0;
}

int places_check(struct worker *worker, uint64_t operations, uint64_t additions)
{
	const struct settings *settings = worker->settings;

	if (opcode_is_atomic(settings->opcode))
		return check_sum(worker, additions);
	if (settings->opcode == OPCODE_WRITE)
		return check_bytes(worker, operations >= settings->words * settings->sessions);
	return 0;
}
