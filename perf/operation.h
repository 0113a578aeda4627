/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations, and the places that they go to. There are --words places, a line or more apart,
 * in one object that all sessions of the run have open. Words begin at 0 and only grow, by 1 an
 * operation, so that their sum must be the number of operations. Bytes have a pattern of their
 * place.
 */
#ifndef PERF_OPERATION_H
#define PERF_OPERATION_H

#include "perf/settings.h"

/* A session and what it knows of the places. Used by one thread. */
struct worker {
	const struct settings *settings;
	const struct operation *operation; /* of settings->opcode */
	struct dso_session *session;
	struct dso_memory *memory;
	const uint8_t *patterns; /* of all places, for all workers */
	uint8_t *buffers;        /* READ: depth of them */
	uint64_t *words;         /* what each place last held, or is about to hold */
	uint64_t *expected;      /* CAS: of the operations outstanding, by slot */
	uint64_t submit_place, complete_place;
	uint64_t submitted, completed;
	uint64_t additions; /* FAA: completed; CAS: swapped */
	char error[600];    /* why it ended; empty: it did not fail */
};

struct operation {
	/* @count operations, one after the other. Returns 0, or a negative errno with
	 * worker->error. */
	int (*run)(struct worker *worker, unsigned count);
	/* One asynchronous operation with tag worker->submitted. Returns 0 or a negative errno. */
	int (*submit)(struct worker *worker);
	/* Check the result of the next one. Returns 0 or -EBADMSG. */
	int (*complete)(struct worker *worker, const struct dso_completion *completion);
};

extern const struct operation operations_by_opcode[OPCODES];

/* The bytes between two places. */
uint64_t place_stride(const struct settings *settings);

/*
 * Open the session of worker number @index at @url, and the object @name. @patterns is shared, from
 * patterns_new(). worker_close() is due also after a failure, which is in worker->error.
 */
int worker_open(struct worker *worker, const struct settings *settings, const char *url,
		const char *name, const uint8_t *patterns, unsigned index);
void worker_close(struct worker *worker);

/* The bytes of all places, as READ finds them and WRITE leaves them; to be freed. */
uint8_t *patterns_new(const struct settings *settings);

/* Write what READ has to find into the places. Returns 0, or a negative errno with
 * worker->error. */
int places_fill(struct worker *worker);

/*
 * Check the places after @operations, of which @additions added 1. Returns 0, or a negative errno
 * with worker->error.
 */
int places_check(struct worker *worker, uint64_t operations, uint64_t additions);

/* Note that @error happened in the session. Returns @error. */
int worker_fail(struct worker *worker, int error);

/* Note what was wrong with a result. Returns -EBADMSG. */
__attribute__((format(printf, 2, 3))) int worker_wrong(struct worker *worker, const char *format,
						       ...);

#endif
