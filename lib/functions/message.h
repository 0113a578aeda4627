/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels between a driver and its workers, as items of two queues, and the names of what an
 * executor has in the store. They begin with its prefix, "run/RUN/EXECUTOR": PREFIX/calls is the
 * queue of calls, PREFIX/results that of results, PREFIX/state the state (lib/functions/state.h).
 * What is too long for an item is the value of a future (lib/functions/stored.h).
 */
#ifndef LIB_FUNCTIONS_MESSAGE_H
#define LIB_FUNCTIONS_MESSAGE_H

#include "lib/include/dso/dso.h"
#include "proto/le.h"

#include <stdio.h>

#define MESSAGE_BYTES       992  /* of an item: a slot of the queue takes 1,024 */
#define MESSAGES_MAX        4096 /* in a queue */
#define MESSAGE_BUILD_BYTES 16
#define MESSAGE_NAME_BYTES  160 /* of a function's name */
#define PREFIX_BYTES_MAX    128

/* ---- names ---- */

struct object_name {
	char text[PREFIX_BYTES_MAX + 64];
};

/* "calls", "results" or "state" of the executor. */
static inline struct object_name name_of(const char *prefix, const char *what)
{
	struct object_name name;

	snprintf(name.text, sizeof name.text, "%s/%s", prefix, what);
	return name;
}

/* "argument" or "result" of the call @number. */
static inline struct object_name name_of_stored(const char *prefix, const char *what,
						uint64_t number)
{
	struct object_name name;

	snprintf(name.text, sizeof name.text, "%s/%s/%llu", prefix, what,
		 (unsigned long long)number);
	return name;
}

/* ---- messages ---- */

/* The name of the function follows, then the argument, unless that is stored. */
struct call_message {
	le64_t number;
	uint8_t build[MESSAGE_BUILD_BYTES]; /* of the driver's binary */
	le64_t argument_bytes;
	le64_t limit_ns; /* that the function may run; 0: as long as it takes */
	le32_t attempts; /* that the call may take in this round */
	le32_t round;    /* how often the call was made again after it had failed */
	le32_t begun;    /* attempts in the rounds before */
	uint8_t name_bytes;
	uint8_t is_stored;
	uint8_t wants_output; /* its lines go to the driver */
	uint8_t reserved;
};
_Static_assert(sizeof(struct call_message) == 56, "call message");

#define CALL_INLINE_BYTES_MAX 776 /* of an argument */
_Static_assert(sizeof(struct call_message) + MESSAGE_NAME_BYTES + CALL_INLINE_BYTES_MAX ==
		       MESSAGE_BYTES,
	       "a call fills an item");

enum outcome {
	OUTCOME_RETURNED = 1,    /* the result follows, unless it is stored */
	OUTCOME_FAILED = 2,      /* a sentence follows */
	OUTCOME_DIED = 3,        /* nothing follows: too many workers ended in the middle of it */
	OUTCOME_OTHER_BUILD = 4, /* nothing follows: the worker's binary is another */
	OUTCOME_CANCELLED = 5,   /* nothing follows */
	OUTCOME_OVERDUE = 6,     /* nothing follows: it ran for longer than it may */
	/* None: a line that the function has written. Its name follows, then the line. The error is
	 * the number of the stream, the round how many lines before this one were dropped. */
	OUTCOME_OUTPUT = 7,
};
#define OUTCOME_LAST OUTCOME_OVERDUE

struct result_message {
	le64_t number;
	le64_t bytes;
	le32_t error; /* of OUTCOME_FAILED, as a positive number */
	le32_t round; /* of the call */
	le32_t attempt;
	uint8_t outcome;
	uint8_t is_stored;
	uint8_t flags;      /* RESULT_* */
	uint8_t name_bytes; /* of OUTCOME_OUTPUT */
};
_Static_assert(sizeof(struct result_message) == 32, "result message");

/* The call is among those that are ended (lib/functions/state.h). */
#define RESULT_IS_ENDED 1
/* The worker still has the call, and is killed: another one gets the call, and says so again. */
#define RESULT_COMES_AGAIN 2

#define RESULT_INLINE_BYTES_MAX 960
_Static_assert(sizeof(struct result_message) + RESULT_INLINE_BYTES_MAX == MESSAGE_BYTES,
	       "a result fills an item");

#define OUTPUT_LINE_BYTES_MAX DSO_OUTPUT_LINE_BYTES_MAX
_Static_assert(MESSAGE_NAME_BYTES + OUTPUT_LINE_BYTES_MAX == RESULT_INLINE_BYTES_MAX,
	       "a line fills an item");

#define SENTENCE_BYTES_MAX 500

#endif
