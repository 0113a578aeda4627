/* SPDX-License-Identifier: Apache-2.0 */
#include "mandelbrot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void mandelbrot_take(int argc, char **argv, struct mandelbrot *job, struct view *view)
{
	*job = (struct mandelbrot){
		.width = 800, .height = 600, .depth = 1000, .bands = 30, .workers = 2};
	const struct setting rows[] = {
		{"--width", "of the picture", &job->width, NULL, 1, 16384},
		{"--height", "of the picture", &job->height, NULL, 1, 16384},
		{"--depth", "iterations of a point at most", &job->depth, NULL, 1, 1000000},
		{"--bands", "bands of rows; each is a thread, or a call", &job->bands, NULL, 1,
		 MANDELBROT_BANDS_MAX},
		{"--workers", "functions at a time", &job->workers, NULL, 1, 1024},
		{"--picture", "a file for the picture (PNG)", NULL, job->picture, 0, 0},
		{0},
	};

	settings_take(argc, argv, "Draws the Mandelbrot set.", rows, view);
	printf("Mandelbrot set: %llu x %llu points, depth %llu, %llu bands\n",
	       (unsigned long long)job->width, (unsigned long long)job->height,
	       (unsigned long long)job->depth, (unsigned long long)job->bands);
}

/* How often z = z^2 + c stays within 2. */
static uint64_t escape(double re, double im, uint64_t depth)
{
	double x = 0, y = 0;
	uint64_t i = 0;

	for (; i < depth && x * x + y * y <= 4; i++) {
		double next = x * x - y * y + re;

		y = 2 * x * y + im;
		x = next;
	}
	return i;
}

static uint8_t grey(const struct mandelbrot *job, uint64_t column, uint64_t row)
{
	double step = 3.0 / (double)job->width;
	double re = -2.25 + step * (double)column;
	double im = step * ((double)row - (double)(job->height - 1) / 2);
	uint64_t count = escape(re, im, job->depth);

	return count == job->depth ? 0 : (uint8_t)(255 - 235 / (1 + (double)count / 8));
}

uint8_t *mandelbrot_band(const struct mandelbrot_task *task, size_t *ret_bytes)
{
	const struct mandelbrot *job = &task->job;
	uint64_t first, rows = share(job->height, task->band, job->bands, &first);
	uint8_t *greys = provide(rows * job->width, 1), *next = greys;

	for (uint64_t row = first; row < first + rows; row++)
		for (uint64_t column = 0; column < job->width; column++)
			*next++ = grey(job, column, row);
	*ret_bytes = rows * job->width;
	return greys;
}

void mandelbrot_print(const struct mandelbrot *job, uint64_t band)
{
	printf("band %llu of %llu\n", (unsigned long long)band + 1, (unsigned long long)job->bands);
}

/* ---- the picture: https://www.w3.org/TR/png/ ---- */

static void put_number(uint8_t *bytes, uint64_t number)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* @bytes begins with four bytes of the chunk's type. */
static void write_chunk(FILE *file, const uint8_t *bytes, size_t count)
{
	uint8_t length[4], checksum[4];

	put_number(length, count - 4);
	put_number(checksum, crc32(0, bytes, (uInt)count));
	fwrite(length, 1, sizeof length, file);
	fwrite(bytes, 1, count, file);
	fwrite(checksum, 1, sizeof checksum, file);
}

static void write_picture(const struct mandelbrot *job, const uint8_t *picture)
{
	uint64_t line = job->width + 1; /* with the number of its filter: 0, none */
	uint8_t head[17] = "IHDR", end[4] = "IEND";
	uint8_t *lines = provide(job->height, line), *packed;
	uLongf bytes = compressBound(job->height * line);
	FILE *file = fopen(job->picture, "w");

	if (!file)
		give_up("cannot write %s", job->picture);
	packed = provide(4 + bytes, 1);
	memcpy(packed, "IDAT", 4);
	for (uint64_t row = 0; row < job->height; row++)
		memcpy(lines + row * line + 1, picture + row * job->width, job->width);
	put_number(head + 4, job->width);
	put_number(head + 8, job->height);
	head[12] = 8; /* bits, of grey */
	if (compress(packed + 4, &bytes, lines, job->height * line) != Z_OK)
		give_up("the picture cannot be compressed");
	fwrite("\x89PNG\r\n\x1a\n", 1, 8, file);
	write_chunk(file, head, sizeof head);
	write_chunk(file, packed, 4 + bytes);
	write_chunk(file, end, sizeof end);
	if (ferror(file) | fclose(file))
		give_up("cannot write %s", job->picture);
	free(lines);
	free(packed);
	printf("picture: %s\n", job->picture);
}

/* ---- the result ---- */

static uint8_t *compute_alone(const struct mandelbrot *job)
{
	struct mandelbrot_task all = {.job = *job};
	size_t bytes;

	all.job.bands = 1;
	return mandelbrot_band(&all, &bytes);
}

int mandelbrot_show(const struct mandelbrot *job, const struct view *view, void *const *bands)
{
	uint8_t *picture = provide(job->width, job->height);
	int status = EXIT_SUCCESS;

	for (uint64_t i = 0; i < job->bands; i++) {
		uint64_t first, rows = share(job->height, i, job->bands, &first);

		if (rows)
			memcpy(picture + first * job->width, bands[i], rows * job->width);
	}
	printf("result: picture %016llx\n",
	       (unsigned long long)hash_bytes(picture, job->width * job->height));
	if (*job->picture)
		write_picture(job, picture);
	if (view->check) {
		uint8_t *alone = compute_alone(job);

		status = compare(picture, alone, job->width * job->height);
		free(alone);
	}
	free(picture);
	return status;
}
