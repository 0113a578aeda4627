/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of an executor: the memory PREFIX/state, ephemeral, from which others see what its
 * workers do, and by which a call is ended (cancelled). It has a header, which the driver writes;
 * the calls that are ended, whose words are changed by CAS; and a row for each worker that has run
 * a call for long, which the attendant of the worker writes (lib/functions/attendant.h). Only words
 * are consistent; the rest is for people, and may be read in the middle of a change.
 *
 * Calls that wait for a worker are the length of PREFIX/calls. Those that run are made - over -
 * length, and those that have run for STATE_LOOK_NS have a row.
 */
#ifndef LIB_FUNCTIONS_STATE_H
#define LIB_FUNCTIONS_STATE_H

#include "lib/core/transport.h"
#include "lib/functions/message.h"

#include <stdbool.h>
#include <stddef.h>

#define STATE_MAGIC   "dsostate"
#define STATE_VERSION 1

/* How old a row or the driver's figures may be. So long, and as much again, may pass before a call
 * that runs learns that it is ended. */
#define STATE_LOOK_NS (100 * DSO_MILLISECOND)

/* ---- the layout: times are nanoseconds since 1970 ---- */

/* What the driver counts. */
struct state_counts {
	le64_t made;
	le64_t over; /* with an outcome */
	/* of them: */
	le64_t failed;    /* by an error, by too many deaths, by a limit of time */
	le64_t cancelled; /* ended by a caller */
	le64_t retried;   /* calls that were made again after a failure */
	le64_t written_ns;
};
_Static_assert(sizeof(struct state_counts) == 48, "state: counts");

struct state_header {
	uint8_t magic[8];
	le32_t version;
	le32_t rows;
	le64_t opened_ns;
	le32_t driver_pid;
	le32_t workers; /* that are asked for */
	uint8_t driver_host[64];
	uint8_t kind[24]; /* "process:" */
	/* A word: how many calls are among the ended ones below. */
	le64_t ended;
	struct state_counts counts;
	uint8_t reserved[80];
};
_Static_assert(sizeof(struct state_header) == 256, "state: header");
_Static_assert(offsetof(struct state_header, ended) == 120, "state: a word is aligned");

/* The ended calls: NUMBER is in a free word of bucket NUMBER % STATE_BUCKETS, as state_ended_of().
 * A call that is among them is not begun, and where it runs it is ended. */
#define STATE_BUCKETS      512
#define STATE_BUCKET_WORDS 8
#define STATE_ENDED_OFFSET sizeof(struct state_header)
#define STATE_ENDED_BYTES  (STATE_BUCKETS * STATE_BUCKET_WORDS * sizeof(le64_t))

/* Also the rounds that come after a failure. */
#define STATE_EVERY_ROUND 0xffff

/* 0 is a free word. */
static inline uint64_t state_ended_of(uint64_t number, uint32_t round)
{
	uint32_t low = round < STATE_EVERY_ROUND - 1 ? round + 1 : STATE_EVERY_ROUND;

	return number << 16 | low;
}

struct state_row {
	/* A word: drawn by the worker that has the row; 0: it is free */
	le64_t owner;
	le64_t written_ns;
	le64_t since_ns; /* of the call that runs; 0: none does that has run for long */
	le64_t number;   /* of that call */
	le64_t calls;    /* that the worker has run */
	le32_t pid;
	le32_t attempt;
	uint8_t host[64];
	uint8_t function[MESSAGE_NAME_BYTES];
	uint8_t reserved[48];
};
_Static_assert(sizeof(struct state_row) == 320, "state: row");

#define STATE_ROWS_OFFSET (STATE_ENDED_OFFSET + STATE_ENDED_BYTES)
#define STATE_ROWS_MIN    8
#define STATE_ROWS_MAX    2048

static inline uint64_t state_bytes(uint32_t rows)
{
	return STATE_ROWS_OFFSET + (uint64_t)rows * sizeof(struct state_row);
}

/* ---- its use ---- */

struct state {
	struct dso_memory *memory;
	uint32_t rows;
};

/* At the driver: make it, with places for @workers. Returns 0, or what opening a memory returns. */
int state_create(struct dso_session *session, const char *prefix, const char *kind,
		 unsigned workers, struct state *ret_state);

/* Anywhere else. Returns 0, -ENOENT, -EBADMSG (it is no state), or what opening returns. */
int state_open(struct dso_session *session, const char *prefix, struct state *ret_state);

/* The same at a worker, which is of the driver's build: only whether calls are ended can be asked
 * then, and the header is not read, which takes a round trip. Returns as state_open(). */
int state_open_ended(struct dso_session *session, const char *prefix, struct state *ret_state);

void state_close(struct state *state);

/* Write the driver's counts. */
int state_write_counts(struct state *state, struct state_counts *counts);

/* End the call @number, and in every round (STATE_EVERY_ROUND) or this one. When this returns, a
 * worker that has not taken the call from the queue does not begin it. Returns 0, or an error of
 * the memory. */
int state_end_call(struct state *state, uint64_t number, uint32_t round);

/* The operation that loads how many calls are ended: where none is, the next need not be called. */
struct op state_ended_op(const struct state *state);

/* Whether it is ended: *ret_is. */
int state_is_ended(struct state *state, uint64_t number, uint32_t round, bool *ret_is);

/* The call is off the queue: forget that it was ended. */
int state_forget_ended(struct state *state, uint64_t number);

/* Get a row for a worker of this process: a free one, that of a process of this host that is gone,
 * or that which was written first. Fills in owner, host and pid of @row. */
int state_claim_row(struct state *state, struct state_row *row, uint32_t *ret_index);
int state_write_row(struct state *state, uint32_t index, struct state_row *row);
int state_free_row(struct state *state, uint32_t index, struct state_row *row);

#endif
