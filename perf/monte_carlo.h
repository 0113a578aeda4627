/* SPDX-License-Identifier: Apache-2.0 */
/* Monte Carlo: how much of the processors is left for it where several compute at the same time. */
#ifndef PERF_MONTE_CARLO_H
#define PERF_MONTE_CARLO_H

#include <stdbool.h>
#include <stdint.h>

/* What one worker computes. */
struct shots {
	uint64_t seed, points;
};

struct monte_carlo {
	uint64_t points, workers;
};

/* Take "pi POINTS WORKERS" from the command line. Returns whether it is there. */
bool monte_carlo_asked(int argc, char **argv, struct monte_carlo *ret_asked);

/* How many of @shots are in the circle. */
uint64_t monte_carlo(const struct shots *shots);

/* Have @workers shoot @points at the same time, and return how many were in the circle. */
typedef uint64_t monte_carlo_all(uint64_t points, uint64_t workers);

/* Print a row of JSON with the parallel efficiency: what the part of one worker takes alone, in
 * this thread, through what all take together. The two are timed in turns, and the least of each
 * counts: whatever else the machine does makes a turn longer. */
void monte_carlo_run(const char *system, const struct monte_carlo *asked, monte_carlo_all *all);

#endif
