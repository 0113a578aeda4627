/* SPDX-License-Identifier: Apache-2.0 */
/* The far side of an executor: takes calls, runs them, and puts results back. */
#ifndef LIB_FUNCTIONS_WORKER_H
#define LIB_FUNCTIONS_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the environment of a worker: the prefix of its executor, the driver's process, a pipe that it
 * tells how far it is, how many calls it runs, and where places are. */
#define WORKER_PREFIX_VARIABLE "DSO_WORKER"
#define WORKER_DRIVER_VARIABLE "DSO_WORKER_DRIVER"
#define WORKER_TELL_VARIABLE   "DSO_WORKER_TELL"
#define WORKER_CALLS_VARIABLE  "DSO_WORKER_CALLS"
#define WORKER_PLACES_VARIABLE "DSO_WORKER_PLACES"

/* What goes into that pipe, in one write. */
struct worker_word {
	int32_t pid;
	/* it serves; or it has run as many calls as it may, and is about to end */
	enum { WORKER_SERVES, WORKER_IS_DONE } what;
};

struct place;
struct worker; /* with a session of its own, which it renews when it is lost */

/* What a worker serves, and for how long. */
struct worker_term {
	const char *prefix; /* of the executor */
	int tell_fd;        /* gets a struct worker_word for each step; -1: there is none */
	int64_t idle_ns;    /* it leaves when no call has come for so long; DSO_FOREVER */
	int64_t leave_ns;   /* of clock_now_ns(): it begins no call after that; INT64_MAX: never */
	uint64_t calls_max; /* UINT64_MAX: no limit */
	/* The process is not the worker's own: it is not killed to end a call. */
	bool is_thread;
	struct place *place; /* where it says which call it runs; NULL: nowhere */
};

/* Begin a session with the storaged at @url (NULL: DSO_URL), of the calling thread. Returns 0, or a
 * negative errno with the sentence in @why (of @why_bytes). */
int worker_open(const char *url, struct worker **ret_worker, char *why, size_t why_bytes);

/*
 * Serve an executor until its @term is over or the executor is closed. The session and what
 * functions have opened in it stay until worker_close(), also where the process stood still in
 * between. *ret_served is how many calls the worker has run, on an error, too. Returns 0, -ENOENT
 * (no executor has this prefix: it is closed, or that of another storaged), or another negative
 * errno, with the sentence in @why.
 */
int worker_serve(struct worker *worker, const struct worker_term *term, uint64_t *ret_served,
		 char *why, size_t why_bytes);

/*
 * Have the worker leave, from another thread, before its term is over: after the call that it runs,
 * whose waits for others end with -ECANCELED. Call it again and again until worker_serve() has
 * returned: a function may go on to another wait.
 */
void worker_stop(struct worker *worker);

/* NULL does nothing. */
void worker_close(struct worker *worker);

/* Until the executor of @prefix is closed. */
static inline struct worker_term worker_whole_term(const char *prefix, int tell_fd)
{
	return (struct worker_term){.prefix = prefix,
				    .tell_fd = tell_fd,
				    .idle_ns = -1,
				    .leave_ns = INT64_MAX,
				    .calls_max = UINT64_MAX};
}

/* Open, serve for @term, or do nothing where the executor is closed; close. Returns 0, or a
 * negative errno with the sentence in @why. */
int worker_serve_executor(const char *url, const struct worker_term *term, char *why,
			  size_t why_bytes);

#endif
