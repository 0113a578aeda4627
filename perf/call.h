/* SPDX-License-Identifier: Apache-2.0 */
/* What a call of a function that does nothing costs, with a worker that waits for it and with one
 * that is started for it, beside a mutex that is handed over and a process that does nothing. */
#ifndef PERF_CALL_H
#define PERF_CALL_H

#include "perf/run.h"

/* Of the command line: such a process of dso-perf ends at once. */
#define CALL_NOTHING "nothing"

/* Into run->figures. @worker is open. Returns as measure_latency(). */
int measure_call(struct run *run, struct worker *worker);

/* Print the rows on stdout. */
void report_call(const struct run *run, uint64_t errors);

#endif
