/* SPDX-License-Identifier: Apache-2.0 */
/* The Mandelbrot set in threads. mandelbrot.c is the same program with functions. */
#include "mandelbrot.h"
#include "thread.h"

static void *compute(void *argument)
{
	size_t bytes;

	return mandelbrot_band(argument, &bytes);
}

int main(int argc, char **argv)
{
	static struct mandelbrot_task tasks[MANDELBROT_BANDS_MAX];
	pthread_t threads[MANDELBROT_BANDS_MAX];
	void *bands[MANDELBROT_BANDS_MAX];
	struct view view = {0};
	struct mandelbrot job;

	mandelbrot_take(argc, argv, &job, &view);
	for (uint64_t i = 0; i < job.bands; i++) {
		tasks[i] = (struct mandelbrot_task){.job = job, .band = i};
		create(&threads[i], compute, &tasks[i]);
	}
	for (uint64_t i = 0; i < job.bands; i++) {
		pthread_join(threads[i], &bands[i]);
		mandelbrot_print(&job, i);
	}
	print_time(&view, job.workers);
	return mandelbrot_show(&job, &view, bands);
}
