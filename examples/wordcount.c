/* SPDX-License-Identifier: Apache-2.0 */
/* Word count in functions. wordcount_threads.c is the program that was ported. */
#include "wordcount.h"
#include "function.h"

#include <string.h>

/*
 * What a function says of a word. The value of a word in the shared map is a row of these, to which
 * each function appends its own. A function that is run again appends another one of the same part,
 * which does not count: a sum would count it twice.
 */
struct say {
	uint64_t part, count;
};

static _Thread_local struct dso_map *all;

static void open_map(struct dso_session *session, const char *run)
{
	struct dso_map_params params = {.ephemeral = DSO_EPHEMERAL};

	must(session, dso_map_open(session, run, &params, &all));
}

DSO_FUNCTION(count)
{
	const struct wordcount_task *task = dso_argument(call, NULL);
	struct words words;

	open_map(dso_call_session(call), task->job.run);
	wordcount_part(task, &words);
	for (uint64_t i = 0; i < words.slot_count; i++) {
		const struct word *word = &words.slots[i];
		struct say say = {task->part, word->count};

		if (word->count)
			must(dso_call_session(call),
			     dso_map_merge(all, word->text, strlen(word->text), DSO_APPEND, &say,
					   sizeof say, NULL));
	}
	words_free(&words);
	dso_map_close(all);
	return 0;
}

/* Add the counts of an entry up, of each part the first. */
static int add_up(const struct dso_map_entry *entry, void *context)
{
	bool is_counted[WORDCOUNT_PARTS_MAX] = {false};
	char text[WORDCOUNT_BYTES_MAX] = {0};
	struct say say;

	if (entry->key_bytes >= sizeof text)
		return -EBADMSG;
	memcpy(text, entry->key, entry->key_bytes);
	for (size_t at = 0; at + sizeof say <= entry->length_bytes; at += sizeof say) {
		memcpy(&say, (const char *)entry->value + at, sizeof say);
		if (say.part >= WORDCOUNT_PARTS_MAX)
			return -EBADMSG;
		if (!is_counted[say.part])
			words_add(context, text, say.count);
		is_counted[say.part] = true;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct wordcount_task tasks[WORDCOUNT_PARTS_MAX];
	struct dso_thread *threads[WORDCOUNT_PARTS_MAX];
	struct words words = {0};
	struct view view = {0};
	struct wordcount job;
	uint64_t cursor = 0;

	dso_function_main(argc, argv);
	wordcount_take(argc, argv, &job, &view);
	driver_open(&view, job.workers);
	open_map(driver.session, job.run);
	for (uint64_t i = 0; i < job.parts; i++) {
		tasks[i] = (struct wordcount_task){.job = job, .part = i};
		create(count, &tasks[i], sizeof tasks[i], &threads[i]);
	}
	for (uint64_t i = 0; i < job.parts; i++) {
		join(threads[i], NULL);
		wordcount_print(&job, i);
	}
	do
		must(driver.session, dso_map_scan(all, &cursor, add_up, &words));
	while (cursor);
	print_time(&view, job.workers);
	driver_close();
	return wordcount_show(&job, &view, &words);
}
