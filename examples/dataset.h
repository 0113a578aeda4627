/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of numbers with a label for each row, as scikit-learn ships them. */
#ifndef DATASET_H
#define DATASET_H

#include <stdint.h>

struct dataset {
	uint64_t rows, columns; /* without the labels */
	double *values;         /* row by row; freed with free() */
	uint8_t *labels;        /* the same */
};

/* Read the table @name: "digits", "breast_cancer", or the path of a file of lines of numbers with
 * commas between them, whose last one is the label; gzip or plain. examples/data finds, or fetches,
 * the first two; the environment variable EXAMPLE_DATA names their directory. Gives up where it
 * cannot be read. */
void dataset_read(const char *name, struct dataset *ret_dataset);

/* How large the table is. Gives up as dataset_read(). */
void dataset_measure(const char *name, uint64_t *ret_rows, uint64_t *ret_columns);

/* The same as dataset_read(), for a function; gives up, too, where the table is of another size
 * than at the driver. */
void dataset_read_again(const char *name, uint64_t rows, uint64_t columns,
			struct dataset *ret_dataset);

#endif
