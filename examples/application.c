/* SPDX-License-Identifier: Apache-2.0 */
#include "application.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GAMMA 0x9e3779b97f4a7c15

void give_up(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

void *provide(size_t count, size_t bytes)
{
	void *memory = calloc(count ? count : 1, bytes);

	if (!memory)
		give_up("no memory for %zu times %zu bytes", count, bytes);
	return memory;
}

void name_run(char ret_name[NAME_BYTES], const char *application)
{
	snprintf(ret_name, NAME_BYTES, "%.30s-%d-%lld", application, (int)getpid(),
		 (long long)time(NULL));
}

/* ---- settings ---- */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void print_help(const char *about, const struct setting *rows)
{
	printf("usage: %s [SETTING VALUE]...\n\n%s\n\n", program_invocation_short_name, about);
	for (; rows->name; rows++) {
		if (rows->number)
			printf("  %-13s %s (%llu)\n", rows->name, rows->help,
			       (unsigned long long)*rows->number);
		else
			printf("  %-13s %s%s%s%s\n", rows->name, rows->help,
			       *rows->text ? " (" : "", rows->text, *rows->text ? ")" : "");
	}
}

static void set(const struct setting *row, const char *value)
{
	unsigned long long number;
	char *end;

	if (!row->number) {
		if (strlen(value) >= TEXT_BYTES)
			give_up("%s: more than %d bytes", row->name, TEXT_BYTES - 1);
		memcpy(row->text, value, strlen(value) + 1);
		return;
	}
	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || end == value || *end || *value == '-' || number < row->least ||
	    number > row->most)
		give_up("%s is a number from %llu to %llu, not \"%s\"", row->name,
			(unsigned long long)row->least, (unsigned long long)row->most, value);
	*row->number = number;
}

static const struct setting *find(const struct setting *rows, const char *name)
{
	while (rows->name && strcmp(rows->name, name) != 0)
		rows++;
	return rows->name ? rows : NULL;
}

void settings_take(int argc, char **argv, const char *about, const struct setting *rows,
		   struct view *view)
{
	struct setting all[16], *end = all;

	while (rows->name)
		*end++ = *rows++;
	view->check = 1;
	*end++ = (struct setting){
		"--check", "1: compute it once more, alone, and compare", &view->check, NULL, 0, 1};
	*end++ = (struct setting){
		"--plot", "a file for a picture (SVG, by gnuplot)", NULL, view->plot, 0, 0};
	*end++ = (struct setting){"--executor",
				  "where functions run; threads take no notice",
				  NULL,
				  view->executor,
				  0,
				  0};
	*end = (struct setting){0};
	for (int i = 1; i < argc; i += 2) {
		const struct setting *row = find(all, argv[i]);

		if (strcmp(argv[i], "--help") == 0) {
			print_help(about, all);
			exit(EXIT_SUCCESS);
		}
		if (!row || i + 1 == argc) {
			fprintf(stderr, "%s: %s %s; --help lists the settings\n",
				program_invocation_short_name, argv[i],
				row ? "takes a value" : "is no setting");
			exit(2);
		}
		set(row, argv[i + 1]);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	view->begin_ns = now_ns();
}

void print_time(const struct view *view, uint64_t workers)
{
	printf("took %.3f s with %llu workers\n", (double)(now_ns() - view->begin_ns) / 1e9,
	       (unsigned long long)workers);
}

/* ---- numbers ---- */

uint64_t share(uint64_t count, uint64_t worker, uint64_t workers, uint64_t *ret_first)
{
	uint64_t each = count / workers, rest = count % workers;

	*ret_first = worker * each + (worker < rest ? worker : rest);
	return each + (worker < rest);
}

uint64_t draw(uint64_t seed, uint64_t number)
{
	uint64_t z = seed * GAMMA + (number + 1) * 0xd1342543de82ef95;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

double draw_unit(uint64_t seed, uint64_t number)
{
	return (double)(draw(seed, number) >> 11) * 0x1p-53;
}

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
uint64_t hash_bytes(const void *bytes, size_t count)
{
	const uint8_t *byte = bytes;
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3;
	return hash;
}

/* ---- results ---- */

void plot_convergence(const struct view *view, const char *title, const char *what,
		      const double *values, uint64_t count)
{
	FILE *gnuplot;

	if (!*view->plot)
		return;
	if (strpbrk(view->plot, "'\n"))
		give_up("--plot: a name without quotes, please");
	gnuplot = popen("gnuplot", "w");
	if (!gnuplot)
		give_up("gnuplot cannot be started: %s", strerror(errno));
	fprintf(gnuplot,
		"set terminal svg size 640,400 dynamic background '#ffffff'\n"
		"set output '%s'\nset title '%s'\nset xlabel 'iteration'\nset ylabel '%s'\n"
		"set grid\nset key off\nplot '-' with linespoints linewidth 2 pointtype 7\n",
		view->plot, title, what);
	for (uint64_t i = 0; i < count; i++)
		fprintf(gnuplot, "%llu %.17g\n", (unsigned long long)i + 1, values[i]);
	fputs("e\n", gnuplot);
	if (pclose(gnuplot))
		give_up("gnuplot did not draw %s; is the package gnuplot-nox installed?",
			view->plot);
	printf("picture: %s\n", view->plot);
}

int compare(const void *result, const void *alone, size_t bytes)
{
	if (memcmp(result, alone, bytes) != 0)
		give_up("WRONG: the same program alone finds %016llx",
			(unsigned long long)hash_bytes(alone, bytes));
	printf("check: alone it finds the same to the bit\n");
	return EXIT_SUCCESS;
}
