/* SPDX-License-Identifier: Apache-2.0 */
/* Logistic regression: the mathematics, the data and the check, for threads and functions alike. */
#ifndef LOGISTIC_H
#define LOGISTIC_H

#include "application.h"
#include "dataset.h"

#define LOGISTIC_ITERATIONS_MAX 1000
#define LOGISTIC_WORKERS_MAX    1024

struct logistic {
	uint64_t points, dimensions, iterations, workers, seed;
	char data[TEXT_BYTES]; /* a table of two labels; empty: points are drawn */
	char run[NAME_BYTES];  /* what the names of shared objects begin with */
};

/* What a worker is told. */
struct logistic_task {
	struct logistic job;
	uint64_t worker;
};

/* A worker, with its share of the points. */
struct logistic_worker {
	const struct logistic *job;
	uint64_t number, first, count;
	double *points;  /* each ends with a 1, for the weight that stands alone */
	uint8_t *labels; /* 0 or 1 */
	/* of logistic_length(): the gradient, the loss, how many points are on the right side; and,
	 * which worker 0 adds, the result so far. Those of the own points, and those of all. */
	double *partial, *sums;
	/* the weights, and the loss before each iteration: logistic_result_bytes() */
	double *result;
};

void logistic_take(int argc, char **argv, struct logistic *job, struct view *view);

/* How many doubles workers add up in an iteration. */
uint64_t logistic_length(const struct logistic *job);

/* Draw or read the points of worker @number. The weights are 0. */
struct logistic_worker *logistic_begin(const struct logistic *job, uint64_t number);

/* Returns the result, to be freed with free(). */
double *logistic_end(struct logistic_worker *worker);
size_t logistic_result_bytes(const struct logistic *job);

/* Add up the gradient and the loss at the own points. */
void logistic_descend(struct logistic_worker *worker);

/* Take a step against the gradient that the sums of @iteration have, from the weights that they
 * have: what was before does not count. Worker 0 prints a line. */
void logistic_step(struct logistic_worker *worker, uint64_t iteration);

/* Print the result, draw it and check it. Returns the exit status. */
int logistic_show(const struct logistic *job, const struct view *view, const double *result);

#endif
