/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a recorded history is linearizable: whether its operations can be put into an order that
 * a sequential specification allows, and in which none stands before one that had returned when it
 * was called.
 *
 * The search is that of J. Wing and C. Gong, "Testing and verifying concurrent objects" (1993),
 * with what G. Lowe, "Testing for linearizability" (2017), adds: a pair of operations placed and
 * state reached that was there before is not gone into again.
 */
#ifndef TESTS_LINEARIZABILITY_CHECKER_H
#define TESTS_LINEARIZABILITY_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HISTORY_OPERATIONS_MAX 1024
#define STATE_WORDS            8

struct operation {
	uint8_t kind;   /* of the specification */
	uint8_t client; /* who called */
	/* false: it may have taken effect at any time after the call, or never. status, results
	 * and return_ns mean nothing. */
	bool known;
	bool disturbed; /* set by history_check */
	int status;     /* 0 or a negative errno */
	int64_t arguments[3];
	int64_t results[2];
	int64_t call_ns, return_ns;
};

struct state {
	uint64_t words[STATE_WORDS];
};

/* For printing. */
struct operation_kind {
	const char *name;
	unsigned arguments, results;
};

struct specification {
	const char *name;
	const struct operation_kind *kinds;
	/* The state that an object created with @parameter begins in. @state is zeroed. */
	void (*begin)(struct state *state, int64_t parameter);
	/*
	 * Whether @operation may happen in @state with the status and results that it has, and what
	 * the state is then; when it may not, @state is left undefined. Of an operation that is not
	 * known only the effect counts.
	 */
	bool (*step)(struct state *state, const struct operation *operation);
	/*
	 * Whether @other, of another client and under way at the same time as @operation, excuses
	 * what @operation returned beyond what any one state explains: such an operation is marked
	 * as disturbed. NULL: none does.
	 */
	bool (*disturbs)(const struct operation *other, const struct operation *operation);
};

struct history {
	struct operation *operations; /* in any order */
	size_t count;                 /* HISTORY_OPERATIONS_MAX at most */
	int64_t parameter;            /* of the object */
};

enum verdict {
	LINEARIZABLE,
	NOT_LINEARIZABLE,
	UNDECIDED, /* the budget was used up: nothing is known, which is no pass */
};

struct report {
	enum verdict verdict;
	size_t configurations; /* that were looked at */
	/* The longest order found: indices of operations, and the state behind them. */
	size_t placed_count;
	uint16_t placed[HISTORY_OPERATIONS_MAX];
	struct state state;
};

/* Look at up to @budget configurations, and take some 300 bytes of memory for each. */
enum verdict history_check(const struct specification *specification, struct history *history,
			   size_t budget, struct report *ret_report);

/* Whether neither is before the other. */
bool operations_overlap(const struct operation *a, const struct operation *b);

/* What a failure looks like: the end of the longest order, and those that could not be placed
 * behind it. Every line begins with "# ", for TAP. */
void history_print(FILE *out, const struct specification *specification,
		   const struct history *history, const struct report *report);

#endif
