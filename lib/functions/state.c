/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/state.h"

#include "lib/client/session.h"
#include "lib/objects/memory.h"
#include "proto/layout.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* ---- opening ---- */

static uint64_t real_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void fill_host(uint8_t host[64])
{
	char name[64] = "";

	gethostname(name, sizeof name - 1);
	memcpy(host, name, sizeof name);
}

/* A row for each worker, and as many for those that have ended on hosts that nobody knows of. */
static uint32_t rows_for(unsigned workers)
{
	return workers < STATE_ROWS_MIN / 2 ? STATE_ROWS_MIN : 2 * workers;
}

int state_create(struct dso_session *session, const char *prefix, const char *kind,
		 unsigned workers, struct state *ret_state)
{
	struct state state = {.rows = rows_for(workers)};
	struct dso_memory_params params = {.size_bytes = state_bytes(state.rows),
					   .ephemeral = DSO_EPHEMERAL};
	struct state_header header = {
		.magic = STATE_MAGIC,
		.version = le32_of(STATE_VERSION),
		.rows = le32_of(state.rows),
		.opened_ns = le64_of(real_now_ns()),
		.driver_pid = le32_of((uint32_t)getpid()),
		.workers = le32_of(workers),
	};
	int r = dso_memory_open(session, name_of(prefix, "state").text, &params, &state.memory);

	if (r)
		return r;
	fill_host(header.driver_host);
	strncpy((char *)header.kind, kind, sizeof header.kind - 1);
	r = dso_memory_write(state.memory, 0, &header, sizeof header);
	if (r)
		state_close(&state);
	else
		*ret_state = state;
	return r;
}

/* What another process wrote is checked. */
static int check(struct state *state)
{
	struct state_header header;
	uint64_t bytes = dso_memory_size(state->memory);
	int r = dso_memory_read(state->memory, 0, &header, sizeof header);

	if (r)
		return r;
	state->rows = le32_get(header.rows);
	return memcmp(header.magic, STATE_MAGIC, sizeof header.magic) != 0 ||
			       le32_get(header.version) != STATE_VERSION ||
			       state->rows > STATE_ROWS_MAX || bytes < state_bytes(state->rows)
		       ? -EBADMSG
		       : 0;
}

int state_open_ended(struct dso_session *session, const char *prefix, struct state *ret_state)
{
	struct object_name name = name_of(prefix, "state");
	struct state state = {.rows = 0};
	int r = memory_open_existing(session, name.text, &state.memory);

	if (r == 0 && dso_memory_size(state.memory) < state_bytes(0)) {
		state_close(&state);
		r = -EBADMSG;
	}
	if (r == 0)
		*ret_state = state;
	return r;
}

int state_open(struct dso_session *session, const char *prefix, struct state *ret_state)
{
	struct state state;
	int r = state_open_ended(session, prefix, &state);

	if (r)
		return r;
	r = check(&state);
	if (r)
		state_close(&state);
	else
		*ret_state = state;
	return r;
}

void state_close(struct state *state)
{
	dso_memory_close(state->memory);
	state->memory = NULL;
}

int state_write_counts(struct state *state, struct state_counts *counts)
{
	counts->written_ns = le64_of(real_now_ns());
	return dso_memory_write(state->memory, offsetof(struct state_header, counts), counts,
				sizeof *counts);
}

/* ---- ended calls ---- */

struct bucket {
	le64_t words[STATE_BUCKET_WORDS];
};

static uint64_t bucket_offset(uint64_t number)
{
	return STATE_ENDED_OFFSET + number % STATE_BUCKETS * sizeof(struct bucket);
}

static int read_bucket(struct state *state, uint64_t number, struct bucket *ret_bucket)
{
	return dso_memory_read(state->memory, bucket_offset(number), ret_bucket,
			       sizeof *ret_bucket);
}

static int count_ended(struct state *state, int64_t delta)
{
	return dso_memory_fetch_add(state->memory, offsetof(struct state_header, ended),
				    (uint64_t)delta, NULL);
}

/* The word of the bucket to be overwritten: a free one, or that of the oldest call. */
static unsigned word_to_use(const struct bucket *bucket)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < STATE_BUCKET_WORDS; i++)
		if (le64_get(bucket->words[i]) < le64_get(bucket->words[oldest]))
			oldest = i;
	return oldest;
}

/* The count goes up first: where it is 0, no worker looks into a bucket. */
int state_end_call(struct state *state, uint64_t number, uint32_t round)
{
	struct bucket bucket;
	uint64_t before, expected;
	unsigned index;
	int r = count_ended(state, 1);

	while (r == 0) {
		r = read_bucket(state, number, &bucket);
		if (r)
			break;
		index = word_to_use(&bucket);
		expected = le64_get(bucket.words[index]);
		r = dso_memory_cas(state->memory, bucket_offset(number) + index * sizeof(le64_t),
				   expected, state_ended_of(number, round), &before);
		if (r == 0 && before == expected)
			return expected ? count_ended(state, -1) : 0;
	}
	return r;
}

struct op state_ended_op(const struct state *state)
{
	/* A memory begins with its object. */
	const struct object *object = (const struct object *)state->memory;

	return op_load(object->offset + MEMORY_DATA_OFFSET + offsetof(struct state_header, ended));
}

int state_is_ended(struct state *state, uint64_t number, uint32_t round, bool *ret_is)
{
	struct bucket bucket;
	int r = read_bucket(state, number, &bucket);

	*ret_is = false;
	for (unsigned i = 0; r == 0 && i < STATE_BUCKET_WORDS; i++) {
		uint64_t word = le64_get(bucket.words[i]);

		*ret_is |= word && (word == state_ended_of(number, round) ||
				    word == state_ended_of(number, STATE_EVERY_ROUND));
	}
	return r;
}

int state_forget_ended(struct state *state, uint64_t number)
{
	struct bucket bucket;
	int r = read_bucket(state, number, &bucket);

	for (unsigned i = 0; r == 0 && i < STATE_BUCKET_WORDS; i++) {
		uint64_t word = le64_get(bucket.words[i]), before;

		if (word == 0 || word >> 16 != number << 16 >> 16)
			continue;
		r = dso_memory_cas(state->memory, bucket_offset(number) + i * sizeof(le64_t), word,
				   0, &before);
		if (r == 0 && before == word)
			r = count_ended(state, -1);
	}
	return r;
}

/* ---- rows ---- */

static uint64_t row_offset(uint32_t index)
{
	return STATE_ROWS_OFFSET + index * sizeof(struct state_row);
}

/* Whether the row's worker was a process of this host, and is gone. */
static bool is_gone(const struct state_row *row, const uint8_t host[64])
{
	return memcmp(row->host, host, sizeof row->host) == 0 &&
	       kill((pid_t)le32_get(row->pid), 0) != 0 && errno == ESRCH;
}

/* The row that is best given to another worker. */
static uint32_t row_to_use(const struct state_row *rows, uint32_t count, const uint8_t host[64])
{
	uint32_t oldest = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (le64_get(rows[i].owner) == 0 || is_gone(&rows[i], host))
			return i;
		if (le64_get(rows[i].written_ns) < le64_get(rows[oldest].written_ns))
			oldest = i;
	}
	return oldest;
}

static int draw_owner(le64_t *ret_owner)
{
	uint64_t drawn = 0;

	while (drawn == 0)
		if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
			return -errno;
	*ret_owner = le64_of(drawn);
	return 0;
}

int state_claim_row(struct state *state, struct state_row *row, uint32_t *ret_index)
{
	struct state_row *rows = calloc(state->rows, sizeof *rows);
	uint64_t expected, before = 0;
	uint32_t index = 0;
	int r = rows ? draw_owner(&row->owner) : -ENOMEM;

	row->pid = le32_of((uint32_t)getpid());
	fill_host(row->host);
	do {
		if (r == 0)
			r = dso_memory_read(state->memory, STATE_ROWS_OFFSET, rows,
					    state->rows * sizeof *rows);
		if (r)
			break;
		index = row_to_use(rows, state->rows, row->host);
		expected = le64_get(rows[index].owner);
		r = dso_memory_cas(state->memory, row_offset(index), expected, le64_get(row->owner),
				   &before);
	} while (r || before != expected);
	free(rows);
	*ret_index = index;
	return r ? r : state_write_row(state, index, row);
}

/* All but the word of the owner. */
int state_write_row(struct state *state, uint32_t index, struct state_row *row)
{
	const size_t skipped = offsetof(struct state_row, written_ns);

	row->written_ns = le64_of(real_now_ns());
	return dso_memory_write(state->memory, row_offset(index) + skipped, &row->written_ns,
				sizeof *row - skipped);
}

int state_free_row(struct state *state, uint32_t index, struct state_row *row)
{
	return dso_memory_cas(state->memory, row_offset(index), le64_get(row->owner), 0, NULL);
}
