/* SPDX-License-Identifier: Apache-2.0 */
/* The function's side of a platform: an invocation is a worker that serves the executor that its
 * payload names for a while. */
#ifndef LIB_FUNCTIONS_INVOCATION_H
#define LIB_FUNCTIONS_INVOCATION_H

#include "lib/functions/payload.h"

/* What stays from one invocation of a process to the next: the worker. Zero at first. */
struct warm {
	struct worker *worker;
	char url[PAYLOAD_URL_BYTES]; /* that it was opened with */
};

/*
 * Serve what @payload (of @bytes) asks for, and leave before @deadline_ns (of clock_now_ns();
 * INT64_MAX: there is none), at which the platform would end this process. For one thread.
 * *ret_answer is always set. The payload's URL counts where the environment has no DSO_URL.
 */
void invocation_serve(struct warm *warm, const char *payload, size_t bytes, int64_t deadline_ns,
		      struct answer *ret_answer);

#endif
