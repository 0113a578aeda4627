/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/operation.h"

#include <string.h>

static uint64_t next_place(const struct worker *worker, uint64_t place)
{
	return place + 1 < worker->settings->words ? place + 1 : 0;
}

static uint64_t slot(const struct worker *worker, uint64_t serial)
{
	return serial % worker->settings->depth;
}

static const uint8_t *pattern_of(const struct worker *worker, uint64_t place)
{
	return worker->patterns + place * worker->settings->size_bytes;
}

/* ---- FAA ---- */

/* With one session it is known what a word held; with several, that it has grown. */
static bool grew(const struct worker *worker, uint64_t before, uint64_t last)
{
	return worker->settings->sessions == 1 ? before == last : before >= last;
}

static int faa_check(struct worker *worker, uint64_t place, uint64_t before)
{
	if (!grew(worker, before, worker->words[place]))
		return worker_wrong(worker, "fetch-and-add found %ju in word %ju, not %ju",
				    (uintmax_t)before, (uintmax_t)place,
				    (uintmax_t)worker->words[place]);
	worker->words[place] = before + 1;
	worker->additions++;
	return 0;
}

static int faa_run(struct worker *worker, unsigned count)
{
	uint64_t stride = place_stride(worker->settings), place = worker->submit_place, before;
	int r = 0;

	while (count-- && r == 0) {
		r = dso_memory_fetch_add(worker->memory, place * stride, 1, &before);
		if (r)
			return worker_fail(worker, r);
		r = faa_check(worker, place, before);
		place = next_place(worker, place);
	}
	worker->submit_place = place;
	return r;
}

static int faa_submit(struct worker *worker)
{
	return dso_memory_fetch_add_submit(worker->memory,
					   worker->submit_place * place_stride(worker->settings), 1,
					   worker->submitted);
}

static int faa_complete(struct worker *worker, const struct dso_completion *completion)
{
	return faa_check(worker, worker->complete_place, completion->value);
}

/* ---- CAS: a word that holds what was expected grows by 1 ---- */

static int cas_check(struct worker *worker, uint64_t place, uint64_t expected, uint64_t before)
{
	if (before == expected) {
		worker->additions++;
		return 0;
	}
	if (worker->settings->sessions == 1)
		return worker_wrong(worker, "compare-and-swap found %ju in word %ju, not %ju",
				    (uintmax_t)before, (uintmax_t)place, (uintmax_t)expected);
	/* Another session was first: go on from what it left. */
	worker->words[place] = before;
	return 0;
}

static int cas_run(struct worker *worker, unsigned count)
{
	uint64_t stride = place_stride(worker->settings), place = worker->submit_place, before;
	int r = 0;

	while (count-- && r == 0) {
		uint64_t expected = worker->words[place]++;

		r = dso_memory_cas(worker->memory, place * stride, expected, expected + 1, &before);
		if (r)
			return worker_fail(worker, r);
		r = cas_check(worker, place, expected, before);
		place = next_place(worker, place);
	}
	worker->submit_place = place;
	return r;
}

static int cas_submit(struct worker *worker)
{
	uint64_t expected = worker->words[worker->submit_place];
	int r = dso_memory_cas_submit(worker->memory,
				      worker->submit_place * place_stride(worker->settings),
				      expected, expected + 1, worker->submitted);

	if (r == 0) {
		worker->expected[slot(worker, worker->submitted)] = expected;
		worker->words[worker->submit_place]++;
	}
	return r;
}

static int cas_complete(struct worker *worker, const struct dso_completion *completion)
{
	return cas_check(worker, worker->complete_place,
			 worker->expected[slot(worker, worker->completed)], completion->value);
}

/* ---- READ ---- */

static size_t end_bytes(const struct settings *settings)
{
	return settings->size_bytes < 8 ? settings->size_bytes : 8;
}

static uint8_t *read_buffer(struct worker *worker, uint64_t serial)
{
	return worker->buffers + slot(worker, serial) * worker->settings->size_bytes;
}

/* Put bytes that were never written at both ends of the buffer: a READ must replace them. */
static void spoil(struct worker *worker, uint8_t *buffer)
{
	size_t bytes = end_bytes(worker->settings);

	memset(buffer, 0, bytes);
	memset(buffer + worker->settings->size_bytes - bytes, 0, bytes);
}

static int read_check(struct worker *worker, uint64_t place, const uint8_t *buffer)
{
	const uint8_t *pattern = pattern_of(worker, place);
	size_t bytes = end_bytes(worker->settings), last = worker->settings->size_bytes - bytes;

	if (memcmp(buffer, pattern, bytes) || memcmp(buffer + last, pattern + last, bytes))
		return worker_wrong(worker,
				    "a read of place %ju brought other bytes than lie there",
				    (uintmax_t)place);
	return 0;
}

static int read_run(struct worker *worker, unsigned count)
{
	uint64_t stride = place_stride(worker->settings), place = worker->submit_place;
	int r = 0;

	while (count-- && r == 0) {
		spoil(worker, worker->buffers);
		r = dso_memory_read(worker->memory, place * stride, worker->buffers,
				    worker->settings->size_bytes);
		if (r)
			return worker_fail(worker, r);
		r = read_check(worker, place, worker->buffers);
		place = next_place(worker, place);
	}
	worker->submit_place = place;
	return r;
}

static int read_submit(struct worker *worker)
{
	uint8_t *buffer = read_buffer(worker, worker->submitted);

	spoil(worker, buffer);
	return dso_memory_read_submit(worker->memory,
				      worker->submit_place * place_stride(worker->settings), buffer,
				      worker->settings->size_bytes, worker->submitted);
}

static int read_complete(struct worker *worker, const struct dso_completion *completion)
{
	(void)completion;
	return read_check(worker, worker->complete_place, read_buffer(worker, worker->completed));
}

/* ---- WRITE: checked at the end ---- */

static int write_run(struct worker *worker, unsigned count)
{
	uint64_t stride = place_stride(worker->settings), place = worker->submit_place;
	int r;

	while (count--) {
		r = dso_memory_write(worker->memory, place * stride, pattern_of(worker, place),
				     worker->settings->size_bytes);
		if (r)
			return worker_fail(worker, r);
		place = next_place(worker, place);
	}
	worker->submit_place = place;
	return 0;
}

static int write_submit(struct worker *worker)
{
	return dso_memory_write_submit(worker->memory,
				       worker->submit_place * place_stride(worker->settings),
				       pattern_of(worker, worker->submit_place),
				       worker->settings->size_bytes, worker->submitted);
}

static int write_complete(struct worker *worker, const struct dso_completion *completion)
{
	(void)worker, (void)completion;
	return 0;
}

const struct operation operations_by_opcode[OPCODES] = {
	[OPCODE_READ] = {read_run, read_submit, read_complete},
	[OPCODE_WRITE] = {write_run, write_submit, write_complete},
	[OPCODE_CAS] = {cas_run, cas_submit, cas_complete},
	[OPCODE_FAA] = {faa_run, faa_submit, faa_complete},
};
