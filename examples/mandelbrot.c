/* SPDX-License-Identifier: Apache-2.0 */
/* The Mandelbrot set in functions. mandelbrot_threads.c is the program that was ported. */
#include "mandelbrot.h"
#include "function.h"

DSO_FUNCTION(compute)
{
	size_t bytes;
	uint8_t *band = mandelbrot_band(dso_argument(call, NULL), &bytes);

	return return_freed(call, band, bytes);
}

int main(int argc, char **argv)
{
	static struct mandelbrot_task tasks[MANDELBROT_BANDS_MAX];
	struct dso_thread *threads[MANDELBROT_BANDS_MAX];
	void *bands[MANDELBROT_BANDS_MAX];
	struct view view = {0};
	struct mandelbrot job;

	dso_function_main(argc, argv);
	mandelbrot_take(argc, argv, &job, &view);
	driver_open(&view, job.workers);
	for (uint64_t i = 0; i < job.bands; i++) {
		tasks[i] = (struct mandelbrot_task){.job = job, .band = i};
		create(compute, &tasks[i], sizeof tasks[i], &threads[i]);
	}
	for (uint64_t i = 0; i < job.bands; i++) {
		join(threads[i], &bands[i]);
		mandelbrot_print(&job, i);
	}
	print_time(&view, job.workers);
	driver_close();
	return mandelbrot_show(&job, &view, bands);
}
