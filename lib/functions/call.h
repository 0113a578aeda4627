/* SPDX-License-Identifier: Apache-2.0 */
/* A call in its worker. */
#ifndef LIB_FUNCTIONS_CALL_H
#define LIB_FUNCTIONS_CALL_H

#include "lib/functions/message.h"

#include <stdatomic.h>

struct dso_call {
	struct dso_session *session;
	uint64_t number;
	uint32_t round;
	unsigned attempt;
	/* in the queue of calls */
	uint64_t ticket;
	uint32_t deliveries;
	const atomic_bool *is_cancelled; /* the attendant's */
	struct capture *capture;         /* of what it writes; NULL: nobody asks for that */
	void *argument;                  /* freed with the call */
	size_t argument_bytes;
	void *result; /* freed with the call */
	size_t result_bytes;
	char sentence[SENTENCE_BYTES_MAX + 1]; /* of dso_fail() */
};

#endif
