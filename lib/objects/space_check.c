/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages of a space say: all of it, for fsck and stat. It changes nothing. */
#include "lib/objects/space_inside.h"

#include <stdlib.h>

struct look {
	struct space *space;
	bool (*is_referenced)(void *context, const struct space_name *block);
	void *context;
	struct space_report *report;
	unsigned extent;
	le64_t *words; /* of the extent's pages */
	uint64_t pages;
};

/* Know every extent that there is. */
static int know_all(struct space *space)
{
	int r = 0;

	while (r == 0 && space->extent_count < SPACE_RECORD_EXTENT)
		r = space_extent(space, space->extent_count, 0);
	return r == -EBADMSG ? 0 : r;
}

static int read_words(struct space *space, unsigned extent, le64_t *words)
{
	uint64_t pages = space_extent_pages(space, extent);
	int r = 0;

	for (uint64_t done = 0; r == 0 && done < pages;) {
		uint64_t count =
			pages - done < SPACE_WINDOW_WORDS ? pages - done : SPACE_WINDOW_WORDS;
		struct op op = space_read_op(space_page_offset(space, extent, done), words + done,
					     (uint32_t)(8 * count));

		r = session_execute_one(space->object, &op);
		done += count;
	}
	return r;
}

static void check_block(struct look *look, uint64_t page, uint64_t inside, uint64_t state,
			uint64_t *free)
{
	struct space_name name = {
		.reference = space_reference(look->extent, page * SPACE_PAGE_BYTES + inside),
		.state = state};

	if (!(state & SPACE_STATE_USED)) {
		++*free;
		return;
	}
	look->report->used_blocks++;
	if (space_state_distance(state) != inside / SPACE_PAGE_BYTES)
		look->report->broken_pages++;
	if (!look->is_referenced(look->context, &name))
		look->report->unreferenced_blocks++;
}

static int check_span(struct look *look, uint64_t page, const struct space_class *class)
{
	uint64_t base = look->space->extents[look->extent].offset + page * SPACE_PAGE_BYTES;
	uint64_t word = le64_get(look->words[page]), free = 0;
	struct op ops[SPACE_SPAN_BLOCKS_MAX];
	int r;

	for (unsigned i = 1; i < class->pages; i++) {
		uint64_t tail = le64_get(look->words[page + i]);

		if (space_page_class(tail) != SPACE_PAGE_TAIL || space_page_span(tail) != i)
			look->report->broken_pages++;
	}
	for (unsigned i = 0; i < class->blocks; i++)
		ops[i] = space_op(DATA_FAA, base + (uint64_t)i * class->block_bytes, 0, 0);
	r = session_execute(look->space->object, ops, class->blocks);
	for (unsigned i = 0; r == 0 && i < class->blocks; i++)
		check_block(look, page, (uint64_t)i * class->block_bytes, ops[i].value, &free);
	look->report->free_blocks += free;
	if (space_page_member(word))
		look->report->leased_spans++;
	else if (space_page_count(word) < free)
		look->report->uncounted_spans++;
	return r;
}

static int check_extent(struct look *look)
{
	uint64_t page = space_first_page(look->space, look->extent);
	int r = 0;

	while (r == 0 && page < look->pages) {
		uint64_t word = le64_get(look->words[page]);
		struct space_class class;

		if (space_page_class(word) == SPACE_PAGE_FREE) {
			look->report->free_pages++;
			page++;
		} else if (space_class_of_page(word, &class) && class.pages <= look->pages - page) {
			r = check_span(look, page, &class);
			page += class.pages;
		} else {
			look->report->broken_pages++;
			page++;
		}
	}
	return r;
}

int space_check(struct space *space,
		bool (*is_referenced)(void *context, const struct space_name *block), void *context,
		struct space_report *ret_report)
{
	struct look look = {.space = space,
			    .is_referenced = is_referenced,
			    .context = context,
			    .report = ret_report};
	int r = know_all(space);

	*ret_report = (struct space_report){0};
	for (; r == 0 && look.extent < space->extent_count; look.extent++) {
		look.pages = space_extent_pages(space, look.extent);
		look.words = malloc(look.pages * sizeof *look.words);
		if (!look.words)
			return -ENOMEM;
		r = read_words(space, look.extent, look.words);
		if (r == 0)
			r = check_extent(&look);
		free(look.words);
	}
	return r;
}

/* What is free of the page with @word, in bytes. */
static uint64_t free_bytes(uint64_t word)
{
	struct space_class class;
	uint64_t count = space_page_count(word);

	if (space_page_class(word) == SPACE_PAGE_FREE)
		return SPACE_PAGE_BYTES;
	if (!space_class_of_page(word, &class) || space_page_member(word))
		return 0;
	return (count < class.blocks ? count : class.blocks) * class.block_bytes;
}

int space_count(struct space *space, struct space_tally *ret_tally)
{
	int r = know_all(space);

	*ret_tally = (struct space_tally){.extents = space->extent_count};
	for (unsigned extent = 0; r == 0 && extent < space->extent_count; extent++) {
		uint64_t pages = space_extent_pages(space, extent);
		le64_t *words = malloc(pages * sizeof *words);

		if (!words)
			return -ENOMEM;
		r = read_words(space, extent, words);
		ret_tally->bytes += space->extents[extent].bytes;
		for (uint64_t i = space_first_page(space, extent); r == 0 && i < pages; i++)
			ret_tally->free_bytes += free_bytes(le64_get(words[i]));
		free(words);
	}
	return r;
}
