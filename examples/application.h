/* SPDX-License-Identifier: Apache-2.0 */
/* What the applications have in common, in threads as in functions: settings, numbers drawn from a
 * seed, sums that are exact, times, a picture. */
#ifndef APPLICATION_H
#define APPLICATION_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_BYTES 256 /* of a setting */
#define NAME_BYTES 64  /* of a run's name */

/* A setting, and its line of --help: a number from @least to @most, or a text of TEXT_BYTES. */
struct setting {
	const char *name; /* "--points" */
	const char *help;
	uint64_t *number; /* NULL: it is a text */
	char *text;
	uint64_t least, most;
};

/* What all applications can be told. */
struct view {
	char plot[TEXT_BYTES];     /* a file for an SVG; empty: none */
	char executor[TEXT_BYTES]; /* where functions run; empty: the library's default */
	uint64_t check;            /* 1: compute the result once more, alone, and compare */
	int64_t begin_ns;
};

/* Take the settings of @rows, which ends with a row without a name, and those of @view from the
 * command line; print the help and exit where that is asked for. */
void settings_take(int argc, char **argv, const char *about, const struct setting *rows,
		   struct view *view);

/* Another name for each run of an application: "kmeans-4711-1700000000". */
void name_run(char ret_name[NAME_BYTES], const char *application);

/* Say why, and exit with EXIT_FAILURE. */
void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Memory of zeros; gives up where there is none. */
void *provide(size_t count, size_t bytes);

/* Which of @count things are a worker's: *ret_first, and how many are returned. */
uint64_t share(uint64_t count, uint64_t worker, uint64_t workers, uint64_t *ret_first);

/* SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
 * The @number-th draw from @seed. */
uint64_t draw(uint64_t seed, uint64_t number);

/* The same, from 0 to 1. */
double draw_unit(uint64_t seed, uint64_t number);

/*
 * @value to the nearest multiple of 2^-20, or of 2^-16. Sums of such values are exact as long as
 * they have less than 2^33, or 2^37: so they are the same to the bit in any order and however the
 * terms are divided between workers.
 */
static inline double grid_20(double value)
{
	return value + 0x1.8p32 - 0x1.8p32;
}

static inline double grid_16(double value)
{
	return value + 0x1.8p36 - 0x1.8p36;
}

/* A hash of a result, to be printed and compared. */
uint64_t hash_bytes(const void *bytes, size_t count);

/* Print how long it took since the settings were taken. */
void print_time(const struct view *view, uint64_t workers);

/* Draw @values, one an iteration, into the file that was asked for. */
void plot_convergence(const struct view *view, const char *title, const char *what,
		      const double *values, uint64_t count);

/* Compare a result with the one that was computed alone. Returns the program's exit status. */
int compare(const void *result, const void *alone, size_t bytes);

#endif
