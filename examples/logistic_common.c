/* SPDX-License-Identifier: Apache-2.0 */
#include "logistic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE  1.0 /* of a step to the mean gradient */
#define LANES 8   /* products that are added side by side */

/* What numbers are drawn for. */
enum { DRAW_WEIGHTS = 1, DRAW_POINTS = 2, DRAW_NOISE = 3 };

void logistic_take(int argc, char **argv, struct logistic *job, struct view *view)
{
	*job = (struct logistic){
		.points = 20000, .dimensions = 100, .iterations = 100, .workers = 2, .seed = 1};
	const struct setting rows[] = {
		{"--points", "points that are drawn", &job->points, NULL, 1, 1 << 20},
		{"--dimensions", "of a point that is drawn", &job->dimensions, NULL, 1, 4096},
		{"--iterations", "steps", &job->iterations, NULL, 1, LOGISTIC_ITERATIONS_MAX},
		{"--workers", "threads, or functions", &job->workers, NULL, 1,
		 LOGISTIC_WORKERS_MAX},
		{"--seed", "what points are drawn from", &job->seed, NULL, 0, UINT64_MAX},
		{"--data", "a table instead: breast_cancer, or a file", NULL, job->data, 0, 0},
		{0},
	};

	settings_take(argc, argv, "Logistic regression by gradient descent over all points.", rows,
		      view);
	name_run(job->run, "logistic");
	if (*job->data)
		dataset_measure(job->data, &job->points, &job->dimensions);
	printf("logistic regression: %llu points of %llu dimensions%s%s, %llu iterations, seed "
	       "%llu\n",
	       (unsigned long long)job->points, (unsigned long long)job->dimensions,
	       *job->data ? " from " : "", job->data, (unsigned long long)job->iterations,
	       (unsigned long long)job->seed);
}

/* ---- what workers add up ---- */

static uint64_t weights(const struct logistic *job)
{
	return job->dimensions + 1;
}

static uint64_t results(const struct logistic *job)
{
	return weights(job) + job->iterations;
}

uint64_t logistic_length(const struct logistic *job)
{
	return weights(job) + 2 + results(job);
}

size_t logistic_result_bytes(const struct logistic *job)
{
	return results(job) * sizeof(double);
}

/* Where they are in sums: the loss, how many are right, the result so far. */
static double *loss_of(const struct logistic *job, double *sums)
{
	return sums + weights(job);
}

static double *right_of(const struct logistic *job, double *sums)
{
	return loss_of(job, sums) + 1;
}

static double *result_of(const struct logistic *job, double *sums)
{
	return right_of(job, sums) + 1;
}

/* ---- points ---- */

/* To a multiple of 2^-12. Times a residual, which is one of 2^-20, sums of a million are exact. */
static double grid_12(double value)
{
	return value + 0x1.8p40 - 0x1.8p40;
}

static double between(double least, double most, uint64_t seed, uint64_t number)
{
	return least + (most - least) * draw_unit(seed, number);
}

/* On one side of a plane, with some noise. Returns the label. */
static uint8_t draw_point(const struct logistic *job, uint64_t number, double *point)
{
	uint64_t seed = 4 * job->seed;
	double way = 2 * between(-1, 1, seed + DRAW_NOISE, number);

	for (uint64_t i = 0; i < job->dimensions; i++) {
		point[i] =
			grid_12(between(-1, 1, seed + DRAW_POINTS, number * job->dimensions + i));
		way += point[i] * between(-1, 1, seed + DRAW_WEIGHTS, i);
	}
	return way > 0;
}

/* Each column to a mean of 0 and a variance of 1. */
static void standardise(struct dataset *table)
{
	for (uint64_t column = 0; column < table->columns; column++) {
		double *first = table->values + column, sum = 0, squares = 0, scale;

		for (uint64_t i = 0; i < table->rows; i++)
			sum += first[i * table->columns];
		for (uint64_t i = 0; i < table->rows; i++) {
			double way = first[i * table->columns] - sum / (double)table->rows;

			squares += way * way;
		}
		scale = squares > 0 ? 1 / sqrt(squares / (double)table->rows) : 0;
		for (uint64_t i = 0; i < table->rows; i++)
			first[i * table->columns] = grid_12(
				(first[i * table->columns] - sum / (double)table->rows) * scale);
	}
}

static void read_points(struct logistic_worker *worker)
{
	const struct logistic *job = worker->job;
	struct dataset table;

	dataset_read_again(job->data, job->points, job->dimensions, &table);
	standardise(&table);
	for (uint64_t i = 0; i < worker->count; i++) {
		memcpy(worker->points + i * weights(job),
		       table.values + (worker->first + i) * table.columns,
		       table.columns * sizeof *table.values);
		worker->labels[i] = table.labels[worker->first + i] != 0;
	}
	free(table.values);
	free(table.labels);
}

struct logistic_worker *logistic_begin(const struct logistic *job, uint64_t number)
{
	struct logistic_worker *worker = provide(1, sizeof *worker);

	worker->job = job;
	worker->number = number;
	worker->count = share(job->points, number, job->workers, &worker->first);
	worker->points = provide(worker->count * weights(job), sizeof *worker->points);
	worker->labels = provide(worker->count, sizeof *worker->labels);
	worker->partial = provide(logistic_length(job), sizeof *worker->partial);
	worker->sums = provide(logistic_length(job), sizeof *worker->sums);
	worker->result = provide(results(job), sizeof *worker->result);
	if (*job->data)
		read_points(worker);
	for (uint64_t i = 0; i < worker->count; i++) {
		double *point = worker->points + i * weights(job);

		if (!*job->data)
			worker->labels[i] = draw_point(job, worker->first + i, point);
		point[job->dimensions] = 1;
	}
	return worker;
}

double *logistic_end(struct logistic_worker *worker)
{
	double *result = worker->result;

	free(worker->points);
	free(worker->labels);
	free(worker->partial);
	free(worker->sums);
	free(worker);
	return result;
}

/* ---- an iteration ---- */

static double multiply(const double *restrict left, const double *restrict right, uint64_t count)
{
	double lanes[LANES] = {0}, sum = 0;
	uint64_t i = 0;

	for (; i + LANES <= count; i += LANES)
		for (unsigned lane = 0; lane < LANES; lane++)
			lanes[lane] += left[i + lane] * right[i + lane];
	for (; i < count; i++)
		sum += left[i] * right[i];
	for (unsigned lane = 0; lane < LANES; lane++)
		sum += lanes[lane];
	return sum;
}

static void add_point(const struct logistic *job, const double *restrict point, uint8_t label,
		      const double *restrict result, double *restrict partial)
{
	double score = multiply(point, result, weights(job));
	double chance = 1 / (1 + exp(-score));
	double residual = grid_20(chance - label);
	double surprise = label ? -score : score;

	for (uint64_t i = 0; i < weights(job); i++)
		partial[i] += residual * point[i];
	/* log(1 + exp(surprise)) */
	partial[weights(job)] +=
		grid_20((surprise > 0 ? surprise : 0) + log1p(exp(-fabs(surprise))));
	partial[weights(job) + 1] += surprise < 0;
}

void logistic_descend(struct logistic_worker *worker)
{
	const struct logistic *job = worker->job;

	memset(worker->partial, 0, logistic_length(job) * sizeof *worker->partial);
	for (uint64_t i = 0; i < worker->count; i++)
		add_point(job, worker->points + i * weights(job), worker->labels[i], worker->result,
			  worker->partial);
	if (worker->number == 0)
		memcpy(result_of(job, worker->partial), worker->result, logistic_result_bytes(job));
}

void logistic_step(struct logistic_worker *worker, uint64_t iteration)
{
	const struct logistic *job = worker->job;
	double loss = *loss_of(job, worker->sums) / (double)job->points;

	memcpy(worker->result, result_of(job, worker->sums), logistic_result_bytes(job));
	for (uint64_t i = 0; i < weights(job); i++)
		worker->result[i] -= RATE * worker->sums[i] / (double)job->points;
	worker->result[weights(job) + iteration - 1] = loss;
	if (worker->number == 0)
		printf("iteration %llu: loss %.6f, %.2f %% right\n", (unsigned long long)iteration,
		       loss, 100 * *right_of(job, worker->sums) / (double)job->points);
}

/* ---- the result ---- */

/* The result of one worker that has all points. */
static double *compute_alone(const struct logistic *job)
{
	struct logistic own = *job;
	struct logistic_worker *alone;

	own.workers = 1;
	alone = logistic_begin(&own, 0);
	alone->number = UINT64_MAX; /* it is silent */
	for (uint64_t i = 1; i <= job->iterations; i++) {
		logistic_descend(alone);
		memcpy(alone->sums, alone->partial, logistic_length(job) * sizeof *alone->sums);
		memcpy(result_of(job, alone->sums), alone->result, logistic_result_bytes(job));
		logistic_step(alone, i);
	}
	return logistic_end(alone);
}

int logistic_show(const struct logistic *job, const struct view *view, const double *result)
{
	const double *losses = result + weights(job);
	int status = EXIT_SUCCESS;

	printf("result: loss %.6f, weights %016llx\n", losses[job->iterations - 1],
	       (unsigned long long)hash_bytes(result, logistic_result_bytes(job)));
	plot_convergence(view, "logistic regression", "loss", losses, job->iterations);
	if (view->check) {
		double *alone = compute_alone(job);

		status = compare(result, alone, logistic_result_bytes(job));
		free(alone);
	}
	return status;
}
