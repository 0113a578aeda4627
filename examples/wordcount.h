/* SPDX-License-Identifier: Apache-2.0 */
/* Words, or URLs, and how often they are in a text: for threads and functions alike. */
#ifndef WORDCOUNT_H
#define WORDCOUNT_H

#include "application.h"

#define WORDCOUNT_PARTS_MAX 1024
#define WORDCOUNT_BYTES_MAX 200 /* of a word; longer ones are cut */

struct wordcount {
	uint64_t bytes, parts, workers, seed, urls;
	char text[TEXT_BYTES]; /* a directory whose files are read; empty: words are drawn */
	char run[NAME_BYTES];  /* what the names of shared objects begin with */
};

/* A part of the text: what one thread, or one call, counts. */
struct wordcount_task {
	struct wordcount job;
	uint64_t part;
};

/* A word, and how often it is there. */
struct word {
	char text[WORDCOUNT_BYTES_MAX];
	uint64_t count;
};

/* Words in no order. */
struct words {
	struct word *slots; /* a hash table with open addressing; empty ones have a count of 0 */
	uint64_t slot_count, count;
};

void wordcount_take(int argc, char **argv, struct wordcount *job, struct view *view);

void words_add(struct words *words, const char *text, uint64_t count);
void words_free(struct words *words);

/* Count the words of a part. */
void wordcount_part(const struct wordcount_task *task, struct words *ret_words);

/* Print that a part was counted. */
void wordcount_print(const struct wordcount *job, uint64_t part);

/* Print the result, check and free it. Returns the exit status. */
int wordcount_show(const struct wordcount *job, const struct view *view, struct words *words);

#endif
