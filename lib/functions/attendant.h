/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attendant of a worker: a thread that looks after the call that the worker runs, once it has
 * run for STATE_LOOK_NS. It gets the worker a row of the executor's state and fills it in, learns
 * that the call is cancelled, and ends what runs for longer than it may: it reports that, and kills
 * the process. Where the process is not the worker's own, the function is told by
 * dso_call_is_cancelled().
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

/* The worker's row of the state, and its place, as it is while the worker runs nothing. Returns
 * false where it has none, since no call has run for long. */
bool attendant_row(struct attendant *attendant, struct state_row *ret_row, uint32_t *ret_index);

/* What the attendant has done about a call. */
struct attended {
	bool is_reported;  /* its outcome: the worker does not */
	bool is_cancelled; /* that is its outcome */
	bool has_row;      /* the row shows it */
};

/* The call has ended. */
struct attended attendant_end(struct attendant *attendant);

#endif
