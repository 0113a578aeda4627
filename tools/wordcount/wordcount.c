/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wordcount - the job of tools/quickstart, and an example of a function: each of several processes
 * counts the words of its share of the files into counters that all of them share.
 *
 *   wordcount count INDEX OF FILE...   be process INDEX of OF: counts every OF-th file
 *   wordcount report                   print what all of them counted: a line `COUNT WORD` each
 *
 * Counters: "words" is what wc -w counts; "word:NAME" is how often NAME, a run of ASCII letters in
 * lower case, occurs. Every occurrence is one fetch-and-add on storaged's memory.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* tdestroy */
#endif
#include <ctype.h>
#include <dso/dso.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX         "word:"
#define WORD_BYTES_MAX 200
#define SAMPLES_MAX    1000000

struct word {
	char name[sizeof PREFIX + WORD_BYTES_MAX];
	struct dso_counter *counter;
};

static struct dso_session *session;
static void *words; /* a tree of struct word, so that each counter is opened once */
static int64_t samples_ns[SAMPLES_MAX];
static size_t sample_count;

static void die(const char *what)
{
	fprintf(stderr, "wordcount: %s\n", what);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * DSO_SECOND + now.tv_nsec;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct word *)left)->name, ((const struct word *)right)->name);
}

static struct dso_counter *counter_of(const char *name)
{
	struct word *word = calloc(1, sizeof *word);
	struct word **found;

	if (!word)
		die("out of memory");
	snprintf(word->name, sizeof word->name, "%s", name);
	found = tsearch(word, &words, by_name);
	if (!found)
		die("out of memory");
	if (*found != word)
		free(word);
	else if (dso_counter_open(session, name, NULL, &word->counter))
		die(dso_error(session));
	return (*found)->counter;
}

static void add(struct dso_counter *counter)
{
	int64_t begin_ns = now_ns();

	if (dso_counter_add(counter, 1, NULL))
		die(dso_error(session));
	if (sample_count < SAMPLES_MAX)
		samples_ns[sample_count++] = now_ns() - begin_ns;
}

/* As wc -w in the C locale: white space ends a word, a printable character begins one. */
static void count_file(const char *path, struct dso_counter *total)
{
	FILE *file = fopen(path, "r");
	char name[sizeof PREFIX + WORD_BYTES_MAX] = PREFIX;
	size_t letters = 0;
	bool inside = false;
	int character;

	if (!file)
		die(path);
	do {
		character = getc(file);
		if (character == EOF || isspace(character)) {
			if (inside)
				add(total);
			inside = false;
		} else if (isprint(character)) {
			inside = true;
		}
		if (character != EOF && isascii(character) && isalpha(character)) {
			if (letters < WORD_BYTES_MAX)
				name[sizeof PREFIX - 1 + letters++] = (char)tolower(character);
		} else if (letters) {
			name[sizeof PREFIX - 1 + letters] = 0;
			letters = 0;
			add(counter_of(name));
		}
	} while (character != EOF);
	fclose(file);
}

static int by_value(const void *left, const void *right)
{
	int64_t l = *(const int64_t *)left, r = *(const int64_t *)right;

	return l < r ? -1 : l > r;
}

static void count(int index, int of, char **paths, int path_count)
{
	struct dso_counter *total = counter_of("words");
	int files = 0;

	for (int i = index; i < path_count; i += of, files++)
		count_file(paths[i], total);
	qsort(samples_ns, sample_count, sizeof *samples_ns, by_value);
	printf("  function %d: %2d files, %6zu fetch-and-adds over %s, p50 %.2f us, p99 %.2f us\n",
	       index, files, sample_count, dso_transport(session),
	       sample_count ? (double)samples_ns[sample_count / 2] / 1000 : 0,
	       sample_count ? (double)samples_ns[sample_count * 99 / 100] / 1000 : 0);
}

static int collect(const struct dso_stat *stat, void *names)
{
	if (!strncmp(stat->name, PREFIX, sizeof PREFIX - 1))
		fprintf(names, "%s\n", stat->name);
	return 0;
}

/* dso_list's callback must not use the session: names first, then values. */
static void report(void)
{
	FILE *names = tmpfile();
	char name[DSO_NAME_BYTES_MAX + 2];

	if (!names || dso_list(session, collect, names))
		die(names ? dso_error(session) : "no temporary file");
	rewind(names);
	while (fgets(name, sizeof name, names)) {
		struct dso_counter *counter;
		int64_t value;

		name[strcspn(name, "\n")] = 0;
		if (dso_counter_open(session, name, NULL, &counter) ||
		    dso_counter_get(counter, &value))
			die(dso_error(session));
		printf("%lld %s\n", (long long)value, name + sizeof PREFIX - 1);
		dso_counter_close(counter);
	}
	fclose(names);
}

int main(int argc, char **argv)
{
	bool counting = argc >= 4 && !strcmp(argv[1], "count");
	int index = counting ? atoi(argv[2]) : 0, of = counting ? atoi(argv[3]) : 1;

	if ((!counting && (argc != 2 || strcmp(argv[1], "report"))) || index < 0 || of <= index) {
		fprintf(stderr, "usage: wordcount count INDEX OF FILE... | wordcount report\n");
		return 2;
	}
	if (dso_open(NULL, NULL, &session))
		die(dso_error(NULL));
	if (counting)
		count(index, of, argv + 4, argc - 4);
	else
		report();
	tdestroy(words, free);
	dso_close(session);
	return 0;
}
