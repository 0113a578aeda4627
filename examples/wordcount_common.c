/* SPDX-License-Identifier: Apache-2.0 */
#include "wordcount.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN       5    /* words of the result */
#define VOCABULARY  5000 /* words that are drawn from */
#define SLOTS_FIRST 1024

void wordcount_take(int argc, char **argv, struct wordcount *job, struct view *view)
{
	*job = (struct wordcount){.bytes = 1 << 23, .parts = 16, .workers = 2, .seed = 1};
	const struct setting rows[] = {
		{"--text", "a directory whose files are read; without it words are drawn", NULL,
		 job->text, 0, 0},
		{"--bytes", "of the words that are drawn", &job->bytes, NULL, 1, UINT64_C(1) << 40},
		{"--urls", "1: count URLs", &job->urls, NULL, 0, 1},
		{"--parts", "of the text; each is a thread, or a call", &job->parts, NULL, 1,
		 WORDCOUNT_PARTS_MAX},
		{"--workers", "functions at a time", &job->workers, NULL, 1, 1024},
		{"--seed", "what words are drawn from", &job->seed, NULL, 0, UINT64_MAX},
		{0},
	};

	settings_take(argc, argv, "Counts the words, or the URLs, of a text.", rows, view);
	name_run(job->run, "wordcount");
	printf("%s of %s%s, %llu parts, seed %llu\n", job->urls ? "URLs" : "words",
	       *job->text ? "the files of " : "a text that is drawn", job->text,
	       (unsigned long long)job->parts, (unsigned long long)job->seed);
}

/* ---- words ---- */

static struct word *find(const struct words *words, const char *text)
{
	uint64_t slot = hash_bytes(text, strlen(text)) % words->slot_count;

	while (words->slots[slot].count && strcmp(words->slots[slot].text, text) != 0)
		slot = (slot + 1) % words->slot_count;
	return &words->slots[slot];
}

static void grow(struct words *words)
{
	struct words wider = {.slot_count = words->slots ? 4 * words->slot_count : SLOTS_FIRST};

	wider.slots = provide(wider.slot_count, sizeof *wider.slots);
	wider.count = words->count;
	for (uint64_t i = 0; i < words->slot_count; i++)
		if (words->slots[i].count)
			*find(&wider, words->slots[i].text) = words->slots[i];
	free(words->slots);
	*words = wider;
}

void words_add(struct words *words, const char *text, uint64_t count)
{
	struct word *word;

	if (2 * words->count >= words->slot_count)
		grow(words);
	word = find(words, text);
	words->count += word->count == 0;
	word->count += count;
	if (word->count == count)
		memcpy(word->text, text, strlen(text) + 1);
}

void words_free(struct words *words)
{
	free(words->slots);
	*words = (struct words){0};
}

/* ---- texts ---- */

/* What has been read of a word. */
struct scanner {
	const struct wordcount *job;
	struct words *words;
	char word[WORDCOUNT_BYTES_MAX];
	size_t length;
};

static bool belongs(const struct scanner *scanner, int c)
{
	if (scanner->job->urls)
		return isgraph(c) && !strchr("\"'<>()[]{},;", c);
	return isalpha(c);
}

static void end_word(struct scanner *scanner)
{
	bool counts = scanner->length > 0;

	scanner->word[scanner->length] = 0;
	while (scanner->job->urls && scanner->length &&
	       strchr(".:!?*`", scanner->word[scanner->length - 1]))
		scanner->word[--scanner->length] = 0;
	if (scanner->job->urls)
		counts = strncmp(scanner->word, "http://", 7) == 0 ||
			 strncmp(scanner->word, "https://", 8) == 0;
	if (counts)
		words_add(scanner->words, scanner->word, 1);
	scanner->length = 0;
}

static void scan(struct scanner *scanner, int c)
{
	if (!isascii(c) || !belongs(scanner, c))
		end_word(scanner);
	else if (scanner->length < WORDCOUNT_BYTES_MAX - 1)
		scanner->word[scanner->length++] = (char)(scanner->job->urls ? c : tolower(c));
}

static void scan_file(struct scanner *scanner, const char *path)
{
	FILE *file = fopen(path, "r");
	int c;

	if (!file)
		give_up("cannot read %s", path);
	while ((c = getc(file)) != EOF)
		scan(scanner, c);
	end_word(scanner);
	fclose(file);
}

static int is_file(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

/* The files of which the number leaves the part's over. */
static void scan_files(struct scanner *scanner, uint64_t part)
{
	struct dirent **entries;
	int count = scandir(scanner->job->text, &entries, is_file, alphasort);

	if (count < 0)
		give_up("cannot read the directory %s", scanner->job->text);
	for (int i = 0; i < count; i++) {
		char path[2 * TEXT_BYTES + 2];

		snprintf(path, sizeof path, "%s/%s", scanner->job->text, entries[i]->d_name);
		if ((uint64_t)i % scanner->job->parts == part)
			scan_file(scanner, path);
		free(entries[i]);
	}
	free(entries);
}

/* The words of low numbers are the frequent ones; each eighth "word" is a URL. */
static void draw_words(struct scanner *scanner, uint64_t part)
{
	const struct wordcount *job = scanner->job;
	uint64_t first, bytes = share(job->bytes, part, job->parts, &first);
	uint64_t seed = draw(job->seed, part);

	for (uint64_t i = 0, length = 0; length < bytes; i++) {
		double unit = draw_unit(seed, i);
		uint64_t number = (uint64_t)(VOCABULARY * unit * unit * unit);
		char text[64], *next = text;

		if (number % 8 == 7)
			next += sprintf(next, "http://%llu.example/", (unsigned long long)number);
		for (uint64_t letters = draw(job->seed, number) | UINT64_C(1) << 40; letters;
		     letters /= 26)
			*next++ = (char)('a' + letters % 26);
		*next++ = ' ';
		for (char *c = text; c < next; c++)
			scan(scanner, *c);
		length += (uint64_t)(next - text);
	}
	end_word(scanner);
}

void wordcount_part(const struct wordcount_task *task, struct words *ret_words)
{
	struct scanner scanner = {.job = &task->job, .words = ret_words};

	*ret_words = (struct words){0};
	if (*task->job.text)
		scan_files(&scanner, task->part);
	else
		draw_words(&scanner, task->part);
}

void wordcount_print(const struct wordcount *job, uint64_t part)
{
	printf("part %llu of %llu\n", (unsigned long long)part + 1, (unsigned long long)job->parts);
}

/* ---- the result ---- */

static int by_count(const void *left, const void *right)
{
	const struct word *l = left, *r = right;

	return l->count != r->count ? (l->count < r->count ? 1 : -1) : strcmp(l->text, r->text);
}

/* The words without gaps, the frequent ones first. */
static void sort(struct words *words)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < words->slot_count; i++)
		if (words->slots[i].count)
			words->slots[count++] = words->slots[i];
	qsort(words->slots, count, sizeof *words->slots, by_count);
	words->slot_count = count;
}

static bool are_equal(const struct words *left, const struct words *right)
{
	if (left->count != right->count)
		return false;
	for (uint64_t i = 0; i < left->count; i++)
		if (by_count(&left->slots[i], &right->slots[i]) != 0)
			return false;
	return true;
}

static void check(const struct wordcount *job, const struct words *words)
{
	struct wordcount_task task = {.job = *job};
	struct words alone = {0};

	for (; task.part < job->parts; task.part++) {
		struct words part;

		wordcount_part(&task, &part);
		for (uint64_t i = 0; i < part.slot_count; i++)
			if (part.slots[i].count)
				words_add(&alone, part.slots[i].text, part.slots[i].count);
		words_free(&part);
	}
	sort(&alone);
	if (!are_equal(words, &alone))
		give_up("WRONG: the same program alone finds other counts");
	words_free(&alone);
	printf("check: alone it finds the same\n");
}

int wordcount_show(const struct wordcount *job, const struct view *view, struct words *words)
{
	uint64_t total = 0, hash = 0;

	sort(words);
	for (uint64_t i = 0; i < words->count; i++) {
		const struct word *word = &words->slots[i];

		total += word->count;
		hash = hash * 31 + hash_bytes(word->text, strlen(word->text)) * word->count;
		if (i < SHOWN)
			printf("%9llu %s\n", (unsigned long long)word->count, word->text);
	}
	printf("result: %llu %s, %llu of them distinct, %016llx\n", (unsigned long long)total,
	       job->urls ? "URLs" : "words", (unsigned long long)words->count,
	       (unsigned long long)hash);
	if (view->check)
		check(job, words);
	words_free(words);
	return EXIT_SUCCESS;
}
