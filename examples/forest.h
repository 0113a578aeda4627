/* SPDX-License-Identifier: Apache-2.0 */
/* A random forest: its trees, the data and the check, for threads and functions alike. */
#ifndef FOREST_H
#define FOREST_H

#include "application.h"
#include "dataset.h"

#include <stdbool.h>

#define FOREST_TREES_MAX  1024
#define FOREST_PARTS_MAX  256
#define FOREST_NODES_MAX  32767 /* of a tree */
#define FOREST_LABELS_MAX 64

struct forest {
	uint64_t points, dimensions, trees, parts, workers, seed;
	char data[TEXT_BYTES]; /* a table; empty: points are drawn */
	char run[NAME_BYTES];  /* what the names of shared objects begin with */
};

/* What a thread, or a call, is told: which tree to grow, or which part of the test to classify. */
struct forest_task {
	struct forest job;
	uint64_t number;
};

struct node {
	double threshold; /* a point with less goes to the left */
	uint16_t column;  /* that is compared */
	uint16_t label;   /* of a leaf */
	uint16_t left;    /* the number of that node; 0: this is a leaf */
	uint16_t right;
};

/* Of which the first node is the root. */
struct tree {
	uint64_t count;
	struct node nodes[FOREST_NODES_MAX];
};

static inline size_t tree_bytes(const struct tree *tree)
{
	return offsetof(struct tree, nodes) + tree->count * sizeof *tree->nodes;
}

/* Whether @bytes of what another process has written are a tree for such points. */
bool tree_is_whole(const struct tree *tree, size_t bytes, const struct forest_task *task);

void forest_take(int argc, char **argv, struct forest *job, struct view *view);

/* Grow tree @task->number from a sample of the points that are not for the test. */
struct tree *forest_grow(const struct forest_task *task);

/* Have the trees vote on each point of a part of the test. Returns the labels, *ret_bytes of them,
 * to be freed with free(). */
uint8_t *forest_classify(const struct forest_task *task, struct tree *const *trees,
			 size_t *ret_bytes);

/* Print that a tree is there. */
void forest_print(const struct forest *job, uint64_t tree);

/* Print the result, which is the labels of each part, and check it. Returns the exit status. */
int forest_show(const struct forest *job, const struct view *view, void *const *parts);

#endif
