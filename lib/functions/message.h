/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels between a driver and its workers, as items of two queues. The prefix of an executor
 * is "run/RUN/EXECUTOR": PREFIX/calls is the queue of calls, PREFIX/results that of results. An
 * argument that is too long for an item is the value of the future PREFIX/argument/NUMBER, and a
 * result that of PREFIX/result/NUMBER.
 */
#ifndef LIB_FUNCTIONS_MESSAGE_H
#define LIB_FUNCTIONS_MESSAGE_H

#include "lib/include/dso/dso.h"
#include "proto/le.h"

#define MESSAGE_BYTES       992  /* of an item: a slot of the queue takes 1,024 */
#define MESSAGES_MAX        4096 /* in a queue */
#define MESSAGE_BUILD_BYTES 16
#define MESSAGE_NAME_BYTES  160 /* of a function's name */
#define PREFIX_BYTES_MAX    128

/* The name of the function follows, then the argument, unless that is stored. */
struct call_message {
	le64_t number;
	uint8_t build[MESSAGE_BUILD_BYTES]; /* of the driver's binary */
	le64_t argument_bytes;
	le32_t attempts; /* that the call may take */
	uint8_t name_bytes;
	uint8_t is_stored;
	uint8_t reserved[2];
};
_Static_assert(sizeof(struct call_message) == 40, "call message");

#define CALL_INLINE_BYTES_MAX 792 /* of an argument */
_Static_assert(sizeof(struct call_message) + MESSAGE_NAME_BYTES + CALL_INLINE_BYTES_MAX ==
		       MESSAGE_BYTES,
	       "a call fills an item");

enum outcome {
	OUTCOME_RETURNED = 1,    /* the result follows, unless it is stored */
	OUTCOME_FAILED = 2,      /* a sentence follows */
	OUTCOME_DIED = 3,        /* nothing follows: too many workers ended in the middle of it */
	OUTCOME_OTHER_BUILD = 4, /* nothing follows: the worker's binary is another */
};

struct result_message {
	le64_t number;
	le64_t bytes;
	le32_t error; /* of OUTCOME_FAILED, as a positive number */
	uint8_t outcome;
	uint8_t is_stored;
	uint8_t reserved[2];
};
_Static_assert(sizeof(struct result_message) == 24, "result message");

#define RESULT_INLINE_BYTES_MAX 968
_Static_assert(sizeof(struct result_message) + RESULT_INLINE_BYTES_MAX == MESSAGE_BYTES,
	       "a result fills an item");

#define SENTENCE_BYTES_MAX 500

#endif
