/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset.h"
#include "application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Where Debian's package python3-sklearn has them. */
#define DIRECTORY  "/usr/lib/python3/dist-packages/sklearn/datasets/data"
#define LINE_BYTES 65536
#define ROWS_MAX   (UINT64_C(1) << 32)

static gzFile open_table(const char *name)
{
	const char *directory = getenv("EXAMPLE_DATA");
	char path[2 * TEXT_BYTES];
	gzFile file;

	if (strcmp(name, "digits") == 0 || strcmp(name, "breast_cancer") == 0)
		snprintf(path, sizeof path, "%s/%s.csv%s", directory ? directory : DIRECTORY, name,
			 *name == 'd' ? ".gz" : "");
	else
		snprintf(path, sizeof path, "%s", name);
	file = gzopen(path, "r");
	if (!file)
		give_up("cannot read %s: examples/data finds or fetches the data, and says what "
			"EXAMPLE_DATA is to be",
			path);
	return file;
}

/* Append the numbers of @line to @values. Returns how many; 0: it is a header. */
static uint64_t parse(char *line, double *values, uint64_t values_max)
{
	uint64_t count = 0;
	char *rest;

	for (char *field = strtok_r(line, ",\n", &rest); field;
	     field = strtok_r(NULL, ",\n", &rest)) {
		char *end;

		if (count == values_max)
			give_up("a row has more than %llu numbers", (unsigned long long)values_max);
		values[count++] = strtod(field, &end);
		if (end == field || *end)
			return 0;
	}
	return count;
}

static void append(struct dataset *dataset, const double *row, uint64_t numbers, uint64_t *room)
{
	if (dataset->rows == *room) {
		*room = *room ? 2 * *room : 256;
		dataset->values = reallocarray(dataset->values, *room,
					       dataset->columns * sizeof *dataset->values);
		dataset->labels = reallocarray(dataset->labels, *room, sizeof *dataset->labels);
		if (!dataset->values || !dataset->labels)
			give_up("no memory for %llu rows", (unsigned long long)*room);
	}
	if (numbers != dataset->columns + 1 || dataset->rows == ROWS_MAX)
		give_up("row %llu has %llu numbers, others %llu",
			(unsigned long long)dataset->rows + 1, (unsigned long long)numbers,
			(unsigned long long)dataset->columns + 1);
	memcpy(dataset->values + dataset->rows * dataset->columns, row,
	       dataset->columns * sizeof *row);
	dataset->labels[dataset->rows++] = (uint8_t)row[dataset->columns];
}

void dataset_read(const char *name, struct dataset *ret_dataset)
{
	char *line = provide(LINE_BYTES, 1);
	double *row = provide(LINE_BYTES / 2, sizeof *row);
	gzFile file = open_table(name);
	uint64_t room = 0;

	*ret_dataset = (struct dataset){0};
	while (gzgets(file, line, LINE_BYTES)) {
		uint64_t numbers = parse(line, row, LINE_BYTES / 2);

		if (numbers < 2)
			continue;
		if (!ret_dataset->columns)
			ret_dataset->columns = numbers - 1;
		append(ret_dataset, row, numbers, &room);
	}
	gzclose(file);
	free(line);
	free(row);
	if (!ret_dataset->rows)
		give_up("%s has no rows of numbers", name);
}

void dataset_measure(const char *name, uint64_t *ret_rows, uint64_t *ret_columns)
{
	struct dataset table;

	dataset_read(name, &table);
	*ret_rows = table.rows;
	*ret_columns = table.columns;
	free(table.values);
	free(table.labels);
}

void dataset_read_again(const char *name, uint64_t rows, uint64_t columns,
			struct dataset *ret_dataset)
{
	dataset_read(name, ret_dataset);
	if (ret_dataset->rows != rows || ret_dataset->columns != columns)
		give_up("%s is another table here", name);
}
