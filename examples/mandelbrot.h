/* SPDX-License-Identifier: Apache-2.0 */
/* The Mandelbrot set: the mathematics, the picture and the check, for threads and functions. */
#ifndef MANDELBROT_H
#define MANDELBROT_H

#include "application.h"

#define MANDELBROT_BANDS_MAX 4096

struct mandelbrot {
	uint64_t width, height, depth, bands, workers;
	char picture[TEXT_BYTES]; /* a file for a PNG; empty: none */
};

/* A band of rows: what one thread, or one call, computes. */
struct mandelbrot_task {
	struct mandelbrot job;
	uint64_t band;
};

void mandelbrot_take(int argc, char **argv, struct mandelbrot *job, struct view *view);

/* The greys of a band, a byte each, *ret_bytes of them, to be freed with free(). */
uint8_t *mandelbrot_band(const struct mandelbrot_task *task, size_t *ret_bytes);

/* Print that a band is there. */
void mandelbrot_print(const struct mandelbrot *job, uint64_t band);

/* Print the result, which is the bands, write the picture and check it. Returns the exit status. */
int mandelbrot_show(const struct mandelbrot *job, const struct view *view, void *const *bands);

#endif
