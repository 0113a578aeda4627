/* SPDX-License-Identifier: Apache-2.0 */
#include "kmeans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK      8   /* centroids whose distances are computed at once */
#define LABELS_MAX 256 /* of a table */

/* What numbers are drawn for. */
enum { DRAW_GROUP = 1, DRAW_CENTRE = 2, DRAW_NOISE = 3, DRAW_ANEW = 4 };

void kmeans_take(int argc, char **argv, struct kmeans *job, struct view *view)
{
	*job = (struct kmeans){.points = 20000,
			       .dimensions = 100,
			       .clusters = 25,
			       .iterations = 10,
			       .workers = 2,
			       .seed = 1};
	const struct setting rows[] = {
		{"--points", "points that are drawn", &job->points, NULL, 1, 1 << 26},
		{"--dimensions", "of a point that is drawn", &job->dimensions, NULL, 1, 4096},
		{"--clusters", "clusters", &job->clusters, NULL, 1, 256},
		{"--iterations", "iterations", &job->iterations, NULL, 1, KMEANS_ITERATIONS_MAX},
		{"--workers", "threads, or functions", &job->workers, NULL, 1, KMEANS_WORKERS_MAX},
		{"--seed", "what points are drawn from", &job->seed, NULL, 0, UINT64_MAX},
		{"--data", "a table instead: digits, or a file", NULL, job->data, 0, 0},
		{0},
	};

	settings_take(argc, argv, "Finds clusters of points by Lloyd's k-means.", rows, view);
	name_run(job->run, "kmeans");
	if (*job->data)
		dataset_measure(job->data, &job->points, &job->dimensions);
	printf("k-means: %llu points of %llu dimensions%s%s, %llu clusters, %llu iterations, seed "
	       "%llu\n",
	       (unsigned long long)job->points, (unsigned long long)job->dimensions,
	       *job->data ? " from " : "", job->data, (unsigned long long)job->clusters,
	       (unsigned long long)job->iterations, (unsigned long long)job->seed);
}

uint64_t kmeans_length(const struct kmeans *job)
{
	return job->clusters * (job->dimensions + 1) + 1 + job->iterations;
}

/* Where they are in sums: counts, the inertia of this iteration, those of the iterations before. */
static double *counts_of(const struct kmeans *job, double *sums)
{
	return sums + job->clusters * job->dimensions;
}

static double *inertia_of(const struct kmeans *job, double *sums)
{
	return counts_of(job, sums) + job->clusters;
}

static double *history_of(const struct kmeans *job, double *sums)
{
	return inertia_of(job, sums) + 1;
}

static double *centroids_of(const struct kmeans_worker *worker)
{
	return worker->result + worker->job->iterations;
}

size_t kmeans_result_bytes(const struct kmeans *job)
{
	return (job->iterations + job->clusters * job->dimensions) * sizeof(double);
}

/* ---- points ---- */

/* Around one of as many centres as there are clusters. */
static void draw_point(const struct kmeans *job, uint64_t number, double *point)
{
	uint64_t seed = 8 * job->seed;
	uint64_t group = draw(seed + DRAW_GROUP, number) % job->clusters;

	for (uint64_t i = 0; i < job->dimensions; i++) {
		double centre = draw_unit(seed + DRAW_CENTRE, group * job->dimensions + i);
		double noise = draw_unit(seed + DRAW_NOISE, number * job->dimensions + i);

		point[i] = grid_16(centre + 2 * noise);
	}
}

/* All points of a table are in memory, of those that are drawn only the worker's. */
static void get_point(const struct kmeans_worker *worker, uint64_t number, double *point)
{
	if (*worker->job->data)
		memcpy(point, worker->points + number * worker->job->dimensions,
		       worker->job->dimensions * sizeof *point);
	else
		draw_point(worker->job, number, point);
}

static void load_points(struct kmeans_worker *worker)
{
	const struct kmeans *job = worker->job;
	struct dataset table;

	if (*job->data) {
		dataset_read_again(job->data, job->points, job->dimensions, &table);
		worker->points = table.values;
		worker->labels = table.labels;
		return;
	}
	worker->points = provide(worker->count * job->dimensions, sizeof *worker->points);
	for (uint64_t i = 0; i < worker->count; i++)
		draw_point(job, worker->first + i, worker->points + i * job->dimensions);
}

static const double *own_points(const struct kmeans_worker *worker)
{
	return worker->points + (*worker->job->data ? worker->first * worker->job->dimensions : 0);
}

/* ---- centroids ---- */

static uint64_t blocks(const struct kmeans *job)
{
	return (job->clusters + BLOCK - 1) / BLOCK;
}

/* By blocks of centroids, then by dimensions. */
static void set_columns(struct kmeans_worker *worker)
{
	uint64_t dimensions = worker->job->dimensions;

	for (uint64_t cluster = 0; cluster < worker->job->clusters; cluster++)
		for (uint64_t i = 0; i < dimensions; i++)
			worker->columns[(cluster / BLOCK * dimensions + i) * BLOCK +
					cluster % BLOCK] =
				centroids_of(worker)[cluster * dimensions + i];
}

struct kmeans_worker *kmeans_begin(const struct kmeans *job, uint64_t number)
{
	struct kmeans_worker *worker = provide(1, sizeof *worker);

	worker->job = job;
	worker->number = number;
	worker->count = share(job->points, number, job->workers, &worker->first);
	worker->columns = provide(blocks(job) * job->dimensions * BLOCK, sizeof *worker->columns);
	worker->partial = provide(kmeans_length(job), sizeof *worker->partial);
	worker->sums = provide(kmeans_length(job), sizeof *worker->sums);
	worker->result = provide(1, kmeans_result_bytes(job));
	load_points(worker);
	for (uint64_t cluster = 0; cluster < job->clusters; cluster++)
		get_point(worker, draw(job->seed, cluster) % job->points,
			  centroids_of(worker) + cluster * job->dimensions);
	set_columns(worker);
	return worker;
}

double *kmeans_end(struct kmeans_worker *worker)
{
	double *result = worker->result;

	free(worker->columns);
	free(worker->points);
	free(worker->labels);
	free(worker->partial);
	free(worker->sums);
	free(worker);
	return result;
}

static void measure_block(const double *restrict point, const double *restrict columns,
			  uint64_t dimensions, double *restrict ret_distances)
{
	double distances[BLOCK] = {0};

	for (uint64_t i = 0; i < dimensions; i++)
		for (unsigned lane = 0; lane < BLOCK; lane++) {
			double way = point[i] - columns[i * BLOCK + lane];

			distances[lane] += way * way;
		}
	memcpy(ret_distances, distances, sizeof distances);
}

/* The square of the distance is *ret_distance. */
static uint64_t find_nearest(const struct kmeans_worker *worker, const double *point,
			     double *ret_distance)
{
	const struct kmeans *job = worker->job;
	double distances[256 + BLOCK];
	uint64_t nearest = 0;

	for (uint64_t block = 0; block < blocks(job); block++)
		measure_block(point, worker->columns + block * job->dimensions * BLOCK,
			      job->dimensions, distances + block * BLOCK);
	for (uint64_t cluster = 1; cluster < job->clusters; cluster++)
		if (distances[cluster] < distances[nearest])
			nearest = cluster;
	*ret_distance = distances[nearest];
	return nearest;
}

void kmeans_assign(struct kmeans_worker *worker)
{
	const struct kmeans *job = worker->job;
	const double *point = own_points(worker);
	double *partial = worker->partial;

	memset(partial, 0, kmeans_length(job) * sizeof *partial);
	for (uint64_t i = 0; i < worker->count; i++, point += job->dimensions) {
		double distance;
		uint64_t nearest = find_nearest(worker, point, &distance);
		double *sum = partial + nearest * job->dimensions;

		for (uint64_t j = 0; j < job->dimensions; j++)
			sum[j] += point[j];
		counts_of(job, partial)[nearest]++;
		*inertia_of(job, partial) += grid_20(distance);
	}
	if (worker->number == 0)
		memcpy(history_of(job, partial), worker->result, job->iterations * sizeof *partial);
}

void kmeans_move(struct kmeans_worker *worker, uint64_t iteration)
{
	const struct kmeans *job = worker->job;
	const double *counts = counts_of(job, worker->sums);
	double inertia = *inertia_of(job, worker->sums);

	for (uint64_t cluster = 0; cluster < job->clusters; cluster++) {
		double *centroid = centroids_of(worker) + cluster * job->dimensions;
		uint64_t any = draw(8 * job->seed + DRAW_ANEW, iteration * job->clusters + cluster);

		for (uint64_t i = 0; counts[cluster] > 0 && i < job->dimensions; i++)
			centroid[i] = worker->sums[cluster * job->dimensions + i] / counts[cluster];
		if (counts[cluster] == 0)
			get_point(worker, any % job->points, centroid);
	}
	set_columns(worker);
	memcpy(worker->result, history_of(job, worker->sums), job->iterations * sizeof(double));
	worker->result[iteration - 1] = inertia;
	if (worker->number == 0)
		printf("iteration %llu: inertia %.6f\n", (unsigned long long)iteration, inertia);
}

/* ---- the result ---- */

/* How many points have the label that most points of their cluster have. */
static void print_purity(struct kmeans_worker *alone, const double *result)
{
	const struct kmeans *job = alone->job;
	uint64_t(*counts)[LABELS_MAX] = provide(job->clusters, sizeof *counts);
	uint64_t agree = 0;
	double distance;

	memcpy(alone->result, result, kmeans_result_bytes(job));
	set_columns(alone);
	for (uint64_t i = 0; i < job->points; i++) {
		const double *point = alone->points + i * job->dimensions;

		counts[find_nearest(alone, point, &distance)][alone->labels[i]]++;
	}
	for (uint64_t cluster = 0; cluster < job->clusters; cluster++) {
		uint64_t most = 0;

		for (unsigned label = 0; label < LABELS_MAX; label++)
			most = counts[cluster][label] > most ? counts[cluster][label] : most;
		agree += most;
	}
	free(counts);
	printf("quality: %.1f %% of the points have the label of most in their cluster\n",
	       100 * (double)agree / (double)job->points);
}

/* The result of one worker that has all points. */
static double *compute_alone(const struct kmeans *job)
{
	struct kmeans own = *job;
	struct kmeans_worker *alone;

	own.workers = 1;
	alone = kmeans_begin(&own, 0);
	alone->number = UINT64_MAX; /* it is silent */
	for (uint64_t i = 1; i <= job->iterations; i++) {
		kmeans_assign(alone);
		memcpy(alone->sums, alone->partial, kmeans_length(job) * sizeof *alone->sums);
		memcpy(history_of(job, alone->sums), alone->result,
		       job->iterations * sizeof *alone->sums);
		kmeans_move(alone, i);
	}
	return kmeans_end(alone);
}

int kmeans_show(const struct kmeans *job, const struct view *view, const double *result)
{
	int status = EXIT_SUCCESS;

	printf("result: inertia %.6f, centroids %016llx\n", result[job->iterations - 1],
	       (unsigned long long)hash_bytes(result, kmeans_result_bytes(job)));
	plot_convergence(view, "k-means", "inertia", result, job->iterations);
	if (view->check) {
		double *alone = compute_alone(job);

		status = compare(result, alone, kmeans_result_bytes(job));
		free(alone);
	}
	if (*job->data) {
		struct kmeans_worker *reader = kmeans_begin(job, 0);

		print_purity(reader, result);
		free(kmeans_end(reader));
	}
	return status;
}
