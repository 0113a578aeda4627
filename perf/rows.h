/* SPDX-License-Identifier: Apache-2.0 */
/* The results of a mode that measures several things in turns: a row each. */
#ifndef PERF_ROWS_H
#define PERF_ROWS_H

#include "perf/run.h"

#define ROWS_MAX 16

/* What a row is called, and what it is compared with. */
struct row {
	const char *op;
	const char *text;
	/* itself: with nothing */
	unsigned compared;
	/* that take part; 0: --sessions */
	unsigned sessions;
	/* it is about items of a queue, and not about words */
	bool is_of_items;
};

struct figures {
	struct histogram latencies[ROWS_MAX]; /* ps */
	/* of rows that are rates: how many, and in which time */
	uint64_t done[ROWS_MAX];
	int64_t took_ns[ROWS_MAX];
};

/* Print those of the @count @rows that were measured into run->figures, of the mode @mode, on
 * stdout. @promise is what was checked, and holds where there are no @errors. */
void report_rows(const struct run *run, const char *mode, const struct row *rows, unsigned count,
		 const char *promise, uint64_t errors);

#endif
