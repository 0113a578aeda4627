/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that plays storaged, and answers with what no storaged sends. */
#ifndef TESTS_FAULTY_REPLIES_H
#define TESTS_FAULTY_REPLIES_H

#include <stdatomic.h>
#include <stdint.h>

/* What the faulty storaged does, in the order of a session's life: honest up to that step. */
enum fault {
	RANDOM_BYTES,
	RANDOM_BODY,
	HALF_A_HEADER,
	HUGE_LENGTH,
	WRONG_LENGTH,
	OTHER_VERSION,
	NO_OWNER,
	REFUSAL_WITHOUT_TEXT,
	CLOSE_AT_ONCE,
	SILENCE,
	OPEN_OUTSIDE_THE_REGION,
	OPEN_WITH_TOO_MANY_STRIPES,
	OPEN_TOO_SHORT,
	DATA_OF_ANOTHER_OPCODE,
	DATA_WITH_A_HUGE_LENGTH,
	DATA_RANDOM,
	FAULT_COUNT,
	HOLDS_THAT_NEVER_END,
	HOLDS_TOO_MANY,
	HOLDS_CUT_SHORT,
	HOLDS_RANDOM,
	HOLDS_UNKNOWN, /* no feature HELD */
	TAKEN_CUT_SHORT,
	TAKEN_FOR_ANOTHER,
	ANSWERS_OF_ANOTHER_TYPE,
	FENCED_INSTEAD_OF_AN_ANSWER,
	LISTING_THAT_NEVER_ENDS,
	WORDS_THAT_CHANGE,
	WAKES_UNANSWERED, /* and nothing after the first of them */
	NO_FEATURES,      /* which is no fault of an older one */
	/* No faults either: */
	DEVICE_FAILS,
	DEVICE_FAILS_STRANGELY, /* with a status that no version knows yet */
	DEVICE_FAILS_IN_A_WAIT,
	WAIT_FAILS_STRANGELY, /* likewise */
	ANNEX_OUTSIDE_THE_REGION,
	ANNEX_FAR_OUTSIDE,
	NO_ANNEX_FOR_THE_CAPACITY,
	ANNEX_INSIDE, /* which is no fault */
};

/* What is told from now on. */
extern _Atomic enum fault fault;
/* The first parameter of the object that is opened; 64 unless a test says otherwise. */
extern _Atomic uint64_t first_parameter;

/* Begin, with random answers from @seed. Returns the URL, which stays; NULL: there is no socket or
 * no thread. */
const char *faulty_replies_begin(unsigned seed);

#endif
