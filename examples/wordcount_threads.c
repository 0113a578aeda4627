/* SPDX-License-Identifier: Apache-2.0 */
/* Word count in threads. wordcount.c is the same program with functions. */
#include "wordcount.h"
#include "thread.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct words all;

static void *count(void *argument)
{
	const struct wordcount_task *task = argument;
	struct words words;

	wordcount_part(task, &words);
	for (uint64_t i = 0; i < words.slot_count; i++) {
		const struct word *word = &words.slots[i];

		pthread_mutex_lock(&mutex);
		if (word->count)
			words_add(&all, word->text, word->count);
		pthread_mutex_unlock(&mutex);
	}
	words_free(&words);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct wordcount_task tasks[WORDCOUNT_PARTS_MAX];
	pthread_t threads[WORDCOUNT_PARTS_MAX];
	struct view view = {0};
	struct wordcount job;

	wordcount_take(argc, argv, &job, &view);
	for (uint64_t i = 0; i < job.parts; i++) {
		tasks[i] = (struct wordcount_task){.job = job, .part = i};
		create(&threads[i], count, &tasks[i]);
	}
	for (uint64_t i = 0; i < job.parts; i++) {
		pthread_join(threads[i], NULL);
		wordcount_print(&job, i);
	}
	print_time(&view, job.workers);
	return wordcount_show(&job, &view, &all);
}
