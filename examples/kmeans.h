/* SPDX-License-Identifier: Apache-2.0 */
/* k-means: the mathematics, the data and the check, for threads and for functions alike. */
#ifndef KMEANS_H
#define KMEANS_H

#include "application.h"
#include "dataset.h"

#define KMEANS_ITERATIONS_MAX 1000
#define KMEANS_WORKERS_MAX    1024

struct kmeans {
	uint64_t points, dimensions, clusters, iterations, workers, seed;
	char data[TEXT_BYTES]; /* a table; empty: points are drawn */
	char run[NAME_BYTES];  /* what the names of shared objects begin with */
};

/* What a worker is told. */
struct kmeans_task {
	struct kmeans job;
	uint64_t worker;
};

/* A worker, with its share of the points. */
struct kmeans_worker {
	const struct kmeans *job;
	uint64_t number, first, count;
	double *points;
	double *columns; /* the centroids, as assigning needs them */
	/* of kmeans_length(): for each cluster the sum of its points; for each how many there are;
	 * the inertia; and that of the iterations before, which worker 0 adds. Those of the own
	 * points, and those of all. */
	double *partial, *sums;
	/* the inertia of each iteration, then the centroids: kmeans_result_bytes() */
	double *result;
	uint8_t *labels; /* of a table */
};

void kmeans_take(int argc, char **argv, struct kmeans *job, struct view *view);

/* How many doubles workers add up in an iteration. */
uint64_t kmeans_length(const struct kmeans *job);

/* Draw or read the points of worker @number, and choose the first centroids. */
struct kmeans_worker *kmeans_begin(const struct kmeans *job, uint64_t number);

/* Returns the result, to be freed with free(). */
double *kmeans_end(struct kmeans_worker *worker);
size_t kmeans_result_bytes(const struct kmeans *job);

/* Add the own points up, each for the centroid that is nearest. */
void kmeans_assign(struct kmeans_worker *worker);

/* Move the centroids to where the sums of @iteration have them. A cluster without points begins
 * anew at some point. What was before does not count. Worker 0 prints a line. */
void kmeans_move(struct kmeans_worker *worker, uint64_t iteration);

/* Print the result, draw it and check it. Returns the exit status. */
int kmeans_show(const struct kmeans *job, const struct view *view, const double *result);

#endif
