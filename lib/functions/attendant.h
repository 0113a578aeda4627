/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attendant of a worker: a thread that looks after the call that the worker runs, once it has
 * run for STATE_LOOK_NS. It fills in the worker's row of the executor's state, learns that the call
 * is cancelled, and ends what runs for longer than it may: it reports that, and kills the process.
 * Where the process is not the worker's own, the function is told by dso_call_is_cancelled().
 *
 * Its session begins with the first such call. Short calls cost the worker a lock and no more.
 */
#ifndef LIB_FUNCTIONS_ATTENDANT_H
#define LIB_FUNCTIONS_ATTENDANT_H

#include "lib/functions/call.h"
#include "lib/functions/state.h"

struct attendant;

struct attendant_request {
	const char *url; /* of the worker's session; copied */
	const char *prefix;
	uint32_t row_index; /* in the state; the @row is the worker's, which has claimed it */
	const struct state_row *row;
	bool is_thread; /* the process is not the worker's own */
};

/* Returns 0, -EAGAIN (this process gets no more threads), -ENOMEM. */
int attendant_start(const struct attendant_request *request, struct attendant **ret_attendant);

/* Blocks until it has ended: for a round trip, where it looks at the store. NULL does nothing. */
void attendant_stop(struct attendant *attendant);

/* @call begins, of the function @name, which may run for @limit_ns (0: as long as it takes). Sets
 * call->is_cancelled. */
void attendant_begin(struct attendant *attendant, struct dso_call *call, const char *name,
		     int64_t limit_ns);

/* What the attendant has done about a call. */
struct attended {
	bool is_reported;  /* its outcome: the worker does not */
	bool is_cancelled; /* that is its outcome */
	bool has_row;      /* the row shows it */
};

/* The call has ended. */
struct attended attendant_end(struct attendant *attendant);

#endif
