/* SPDX-License-Identifier: Apache-2.0 */
#include "forest.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_DRAWN 8
#define TEST_PART    5  /* each fifth point is for the test */
#define LEAF_POINTS  2  /* so few are not divided */
#define THRESHOLDS   12 /* that are tried for a column */

/* What numbers are drawn for. */
enum { DRAW_LABEL = 1, DRAW_CENTRE = 2, DRAW_NOISE = 3, DRAW_SAMPLE = 4, DRAW_SPLIT = 5 };

void forest_take(int argc, char **argv, struct forest *job, struct view *view)
{
	*job = (struct forest){
		.points = 4000, .dimensions = 20, .trees = 24, .parts = 8, .workers = 2, .seed = 1};
	const struct setting rows[] = {
		{"--points", "points that are drawn", &job->points, NULL, 10, 1 << 22},
		{"--dimensions", "of a point that is drawn", &job->dimensions, NULL, 1, 4096},
		{"--trees", "trees; each is a thread, or a call", &job->trees, NULL, 1,
		 FOREST_TREES_MAX},
		{"--parts", "of the test; each is a thread, or a call", &job->parts, NULL, 1,
		 FOREST_PARTS_MAX},
		{"--workers", "functions at a time", &job->workers, NULL, 1, 1024},
		{"--seed", "what points and trees are drawn from", &job->seed, NULL, 0, UINT64_MAX},
		{"--data", "a table instead: digits, breast_cancer, or a file", NULL, job->data, 0,
		 0},
		{0},
	};

	settings_take(argc, argv, "Grows a random forest, and has it classify points.", rows, view);
	name_run(job->run, "forest");
	if (*job->data)
		dataset_measure(job->data, &job->points, &job->dimensions);
	printf("random forest: %llu trees for %s, seed %llu\n", (unsigned long long)job->trees,
	       *job->data ? job->data : "points that are drawn", (unsigned long long)job->seed);
}

/* ---- points ---- */

static void draw_points(const struct forest *job, struct dataset *table)
{
	uint64_t seed = 8 * job->seed;

	table->rows = job->points;
	table->columns = job->dimensions;
	table->values = provide(table->rows * table->columns, sizeof *table->values);
	table->labels = provide(table->rows, sizeof *table->labels);
	for (uint64_t row = 0; row < table->rows; row++) {
		uint64_t label = draw(seed + DRAW_LABEL, row) % LABELS_DRAWN;

		table->labels[row] = (uint8_t)label;
		for (uint64_t i = 0; i < table->columns; i++)
			table->values[row * table->columns + i] =
				draw_unit(seed + DRAW_CENTRE, label * table->columns + i) +
				2 * draw_unit(seed + DRAW_NOISE, row * table->columns + i);
	}
}

static void load(const struct forest *job, struct dataset *ret_table)
{
	if (*job->data)
		dataset_read(job->data, ret_table);
	else
		draw_points(job, ret_table);
	for (uint64_t row = 0; row < ret_table->rows; row++)
		if (ret_table->labels[row] >= FOREST_LABELS_MAX)
			give_up("row %llu has a label of more than %d", (unsigned long long)row + 1,
				FOREST_LABELS_MAX - 1);
}

static void unload(struct dataset *table)
{
	free(table->values);
	free(table->labels);
}

static bool is_for_test(uint64_t row)
{
	return row % TEST_PART == 0;
}

static uint64_t test_rows(const struct dataset *table)
{
	return (table->rows + TEST_PART - 1) / TEST_PART;
}

/* ---- growing ---- */

struct grower {
	struct dataset table;
	uint64_t seed, drawn;
	struct tree *tree;
};

/* How a node divides its points. */
struct split {
	uint16_t column;
	double threshold, impurity;
};

static uint64_t draw_next(struct grower *grower, uint64_t below)
{
	return draw(grower->seed, grower->drawn++) % below;
}

static double value_of(const struct grower *grower, uint32_t row, uint64_t column)
{
	return grower->table.values[row * grower->table.columns + column];
}

/* Gini's impurity, times the number of points. */
static double impurity_of(const uint32_t counts[FOREST_LABELS_MAX])
{
	double all = 0, squares = 0;

	for (unsigned label = 0; label < FOREST_LABELS_MAX; label++) {
		all += counts[label];
		squares += (double)counts[label] * counts[label];
	}
	return all > 0 ? all - squares / all : 0;
}

/* Of both sides together; infinite where one is empty. */
static double impurity_after(const struct grower *grower, const uint32_t *rows, uint64_t count,
			     uint64_t column, double threshold)
{
	uint32_t left[FOREST_LABELS_MAX] = {0}, right[FOREST_LABELS_MAX] = {0};
	uint64_t to_left = 0;

	for (uint64_t i = 0; i < count; i++) {
		bool is_left = value_of(grower, rows[i], column) < threshold;

		(is_left ? left : right)[grower->table.labels[rows[i]]]++;
		to_left += is_left;
	}
	return to_left == 0 || to_left == count ? INFINITY : impurity_of(left) + impurity_of(right);
}

/* Of some columns that are drawn, and some thresholds, the best. */
static struct split find_split(struct grower *grower, const uint32_t *rows, uint64_t count)
{
	struct split best = {.impurity = INFINITY};
	uint64_t columns = (uint64_t)sqrt((double)grower->table.columns) + 1;

	for (uint64_t i = 0; i < columns; i++) {
		uint64_t column = draw_next(grower, grower->table.columns);

		for (unsigned j = 0; j < THRESHOLDS; j++) {
			double threshold = value_of(grower, rows[draw_next(grower, count)], column);
			double impurity = impurity_after(grower, rows, count, column, threshold);

			if (impurity < best.impurity)
				best = (struct split){(uint16_t)column, threshold, impurity};
		}
	}
	return best;
}

/* Those that go to the left first. Returns how many. */
static uint64_t divide(const struct grower *grower, uint32_t *rows, uint64_t count,
		       const struct split *split)
{
	uint64_t to_left = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint32_t row = rows[i];

		if (value_of(grower, row, split->column) < split->threshold) {
			rows[i] = rows[to_left];
			rows[to_left++] = row;
		}
	}
	return to_left;
}

/* Returns the number of the node. */
static uint16_t grow(struct grower *grower, uint32_t *rows, uint64_t count)
{
	struct tree *tree = grower->tree;
	uint16_t number = (uint16_t)tree->count++;
	struct node *node = &tree->nodes[number];
	uint32_t counts[FOREST_LABELS_MAX] = {0};
	struct split split;
	uint64_t to_left;

	for (uint64_t i = 0; i < count; i++)
		counts[grower->table.labels[rows[i]]]++;
	for (uint16_t label = 0; label < FOREST_LABELS_MAX; label++)
		if (counts[label] > counts[node->label])
			node->label = label;
	if (count <= LEAF_POINTS || counts[node->label] == count ||
	    tree->count + 2 > FOREST_NODES_MAX)
		return number;
	split = find_split(grower, rows, count);
	if (split.impurity == INFINITY)
		return number;
	to_left = divide(grower, rows, count, &split);
	node->column = split.column;
	node->threshold = split.threshold;
	node->left = grow(grower, rows, to_left);
	node->right = grow(grower, rows + to_left, count - to_left);
	return number;
}

struct tree *forest_grow(const struct forest_task *task)
{
	struct grower grower = {.seed = draw(8 * task->job.seed + DRAW_SPLIT, task->number),
				.tree = provide(1, sizeof *grower.tree)};
	uint64_t seed = draw(8 * task->job.seed + DRAW_SAMPLE, task->number), count = 0;
	uint32_t *rows;

	load(&task->job, &grower.table);
	rows = provide(grower.table.rows, sizeof *rows);
	for (uint64_t i = 0; count < grower.table.rows - test_rows(&grower.table); i++) {
		uint64_t row = draw(seed, i) % grower.table.rows;

		if (!is_for_test(row))
			rows[count++] = (uint32_t)row;
	}
	grow(&grower, rows, count);
	free(rows);
	unload(&grower.table);
	return grower.tree;
}

/* ---- classifying ---- */

static uint16_t ask(const struct tree *tree, const double *point)
{
	const struct node *node = tree->nodes;

	while (node->left)
		node = &tree->nodes[point[node->column] < node->threshold ? node->left
									  : node->right];
	return node->label;
}

static uint8_t vote(const struct forest *job, struct tree *const *trees, const double *point)
{
	uint32_t counts[FOREST_LABELS_MAX] = {0};
	uint8_t most = 0;

	for (uint64_t i = 0; i < job->trees; i++)
		counts[ask(trees[i], point)]++;
	for (uint8_t label = 1; label < FOREST_LABELS_MAX; label++)
		if (counts[label] > counts[most])
			most = label;
	return most;
}

uint8_t *forest_classify(const struct forest_task *task, struct tree *const *trees,
			 size_t *ret_bytes)
{
	struct dataset table;
	uint64_t first;
	uint8_t *labels;

	load(&task->job, &table);
	*ret_bytes = share(test_rows(&table), task->number, task->job.parts, &first);
	labels = provide(*ret_bytes, 1);
	for (uint64_t i = 0; i < *ret_bytes; i++)
		labels[i] = vote(&task->job, trees,
				 table.values + (first + i) * TEST_PART * table.columns);
	unload(&table);
	return labels;
}

/* Ways lead to nodes of higher numbers alone, and so to a leaf. */
bool tree_is_whole(const struct tree *tree, size_t bytes, const struct forest_task *task)
{
	if (bytes < offsetof(struct tree, nodes) || tree->count == 0 ||
	    tree->count > FOREST_NODES_MAX || tree_bytes(tree) != bytes)
		return false;
	for (uint64_t i = 0; i < tree->count; i++) {
		const struct node *node = &tree->nodes[i];
		bool is_leaf = node->left == 0;

		if (node->label >= FOREST_LABELS_MAX || node->column >= task->job.dimensions)
			return false;
		if (!is_leaf && (node->left <= i || node->right <= i || node->left >= tree->count ||
				 node->right >= tree->count))
			return false;
	}
	return true;
}

void forest_print(const struct forest *job, uint64_t tree)
{
	printf("tree %llu of %llu\n", (unsigned long long)tree + 1, (unsigned long long)job->trees);
}

/* ---- the result ---- */

static uint8_t *compute_alone(const struct forest *job)
{
	struct tree **trees = provide(job->trees, sizeof *trees);
	struct forest_task task = {.job = *job};
	uint8_t *labels;
	size_t bytes;

	for (; task.number < job->trees; task.number++)
		trees[task.number] = forest_grow(&task);
	task.number = 0;
	task.job.parts = 1;
	labels = forest_classify(&task, trees, &bytes);
	for (uint64_t i = 0; i < job->trees; i++)
		free(trees[i]);
	free(trees);
	return labels;
}

int forest_show(const struct forest *job, const struct view *view, void *const *parts)
{
	struct dataset table;
	uint64_t right = 0, rows;
	int status = EXIT_SUCCESS;
	uint8_t *labels;

	load(job, &table);
	rows = test_rows(&table);
	labels = provide(rows, 1);
	for (uint64_t i = 0; i < job->parts; i++) {
		uint64_t first, count = share(rows, i, job->parts, &first);

		if (count)
			memcpy(labels + first, parts[i], count);
	}
	for (uint64_t i = 0; i < rows; i++)
		right += labels[i] == table.labels[i * TEST_PART];
	printf("result: %llu of %llu points of the test are right, labels %016llx\n",
	       (unsigned long long)right, (unsigned long long)rows,
	       (unsigned long long)hash_bytes(labels, rows));
	if (view->check) {
		uint8_t *alone = compute_alone(job);

		status = compare(labels, alone, rows);
		free(alone);
	}
	free(labels);
	unload(&table);
	return status;
}
