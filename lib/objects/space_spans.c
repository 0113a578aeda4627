/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans: the search for pages, the leasing of a span that has free blocks, the making of a span of
 * free pages, the giving back, and the dissolving of a span that has no used block.
 *
 * Whatever the session is in the middle of when it ends, its lease words say which pages may be
 * half done: a lease word is written before the first page word is changed.
 */
#include "lib/objects/space_inside.h"

/* Spans made at a time, at most. */
/* Page words that one search looks at. */
#define PAGES_IN_A_SEARCH (16 * SPACE_WINDOW_WORDS)

/* ---- those that this member leases ---- */

struct space_span *space_span_of(struct space_member *member, unsigned extent, uint64_t offset)
{
	uint64_t page = offset / SPACE_PAGE_BYTES;

	for (unsigned i = 0; i < member->span_count; i++) {
		struct space_span *span = &member->spans[member->used[i]];

		if (span->extent == extent && page >= span->page &&
		    page < span->page + span->class.pages)
			return span;
	}
	return NULL;
}

struct space_span *space_span_with(struct space_member *member, const struct space_class *class)
{
	for (unsigned i = 0; i < member->span_count; i++) {
		struct space_span *span = &member->spans[member->used[i]];

		if (span->class.number == class->number && span->class.pages == class->pages &&
		    span->free_count)
			return span;
	}
	return NULL;
}

void space_span_put(struct space_span *span, unsigned block, uint64_t state)
{
	if (span->free_count >= span->class.blocks || block >= span->class.blocks)
		return;
	span->free[span->free_count] = (uint8_t)block;
	span->states[span->free_count++] = state;
}

/* A slot for a span that is to be leased; NULL: all are used. */
static struct space_span *add_span(struct space_member *member, unsigned extent, uint64_t page,
				   const struct space_class *class)
{
	unsigned slot;

	if (member->span_count == SPACE_LEASES_MAX)
		return NULL;
	/* The slots beyond those that are used are a permutation of the rest. */
	slot = member->used[member->span_count++];
	member->spans[slot].class = *class;
	member->spans[slot].extent = (uint8_t)extent;
	member->spans[slot].slot = (uint8_t)slot;
	member->spans[slot].page = (uint32_t)page;
	member->spans[slot].taken = member->spans[slot].claiming = 0;
	member->spans[slot].free_count = 0;
	return &member->spans[slot];
}

static void drop_span(struct space_member *member, const struct space_span *span)
{
	unsigned i = 0, last = --member->span_count;

	while (member->used[i] != span->slot)
		i++;
	member->used[i] = member->used[last];
	member->used[last] = span->slot;
}

/* ---- words ---- */

static uint64_t me(const struct space *space)
{
	return space->member->index + 1;
}

/* The word of the first page of a span of @class that @member leases; 0: nobody does. */
static uint64_t head_word(const struct space_class *class, uint64_t member)
{
	return space_page(class->number, class->pages, member) | SPACE_PAGE_TOUCHED;
}

static uint64_t head_offset(const struct space *space, const struct space_span *span)
{
	return space_page_offset(space, span->extent, span->page);
}

/* The WRITE of the span's lease word. */
static struct op lease_op(struct space *space, const struct space_span *span)
{
	struct space_member *member = space->member;
	le64_t *staged = &member->staged.leases[span->slot];

	*staged = le64_of(space_lease_word(span->extent, span->page, span->class.pages));
	return space_write_op(member->record_offset + offsetof(struct space_record, leases) +
				      span->slot * sizeof *staged,
			      staged, sizeof *staged);
}

static uint64_t state_offset(const struct space *space, const struct space_span *span,
			     unsigned block)
{
	return space->extents[span->extent].offset + (uint64_t)span->page * SPACE_PAGE_BYTES +
	       (uint64_t)block * span->class.block_bytes;
}

/* Loads of the states of all blocks. */
static unsigned load_ops(const struct space *space, const struct space_span *span, struct op *ops)
{
	for (unsigned i = 0; i < span->class.blocks; i++)
		ops[i] = space_op(DATA_FAA, state_offset(space, span, i), 0, 0);
	return span->class.blocks;
}

/* Of those that are free, the first one is taken first. Blocks that were taken and are not claimed
 * yet are not. */
static void put_loaded(struct space_span *span, const struct op *ops)
{
	for (unsigned i = span->class.blocks; i-- > 0;)
		if (!(ops[i].value & SPACE_STATE_USED))
			space_span_put(span, i, ops[i].value);
}

/* ---- leasing a span that there is ---- */

/* Lease the span of @class whose first page had @word. Returns 0, -EAGAIN (it has another word
 * now), -ENOSPC (no slot), or an error. */
static int lease(struct space *space, unsigned extent, uint64_t page, uint64_t word,
		 const struct space_class *class, struct space_span **ret_span)
{
	struct space_member *member = space->member;
	struct space_span *span = add_span(member, extent, page, class);
	struct op *ops = member->ops;
	unsigned count = 0;
	int r;

	if (!span)
		return -ENOSPC;
	ops[count++] = lease_op(space, span);
	ops[count++] =
		space_op(DATA_CAS, head_offset(space, span), word, head_word(class, me(space)));
	count += load_ops(space, span, ops + count);
	r = session_execute(space->object, ops, count);
	if (r == 0 && !space_op_succeeded(&ops[1])) {
		drop_span(member, span);
		return -EAGAIN;
	}
	if (r == 0)
		put_loaded(span, ops + 2);
	*ret_span = span;
	return r;
}

/* ---- giving back ---- */

/* Give the span back: its free blocks are counted. */
static int give(struct space *space, struct space_span *span)
{
	uint64_t word = head_word(&span->class, me(space)), offset = head_offset(space, span);
	int r = 0;

	for (unsigned i = 0; i < SPACE_TRIES; i++) {
		uint64_t count = space_page_count(word) + span->free_count, next;
		struct op op;

		count = count > 0xfff ? 0xfff : count;
		next = head_word(&span->class, 0) | count * SPACE_PAGE_COUNT;
		op = space_op(DATA_CAS, offset, word, next);
		r = session_execute_one(space->object, &op);
		if (r || space_op_succeeded(&op))
			break;
		word = op.value;
		if (space_page_member(word) != me(space))
			break; /* not what sessions write: it is nobody's business any more */
	}
	drop_span(space->member, span);
	return r;
}

/* Nothing is left of the span. Give it back, or find that blocks have become free. */
static int give_or_look(struct space *space, struct space_span *span)
{
	uint64_t leased = head_word(&span->class, me(space)), word = leased;
	struct op *ops = space->member->ops;
	int r = space_change_word(space, head_offset(space, span), &word,
				  head_word(&span->class, 0), 0);

	if (r == 0)
		drop_span(space->member, span);
	if (r != -EAGAIN)
		return r;
	if ((word ^ leased) & ~SPACE_PAGE_COUNT_MASK)
		return give(space, span);
	/* From here on what becomes free is counted anew; what is free already the loads find. */
	r = space_change_word(space, head_offset(space, span), &word, leased, 0);
	if (r == -EAGAIN)
		return give(space, span);
	if (r == 0)
		r = session_execute(space->object, ops, load_ops(space, span, ops));
	if (r == 0)
		put_loaded(span, ops);
	return r;
}

int space_spans_release(struct space *space, bool all)
{
	struct space_member *member = space->member;
	int r = 0;

	for (unsigned i = member->span_count; r == 0 && i-- > 0;) {
		struct space_span *span = &member->spans[member->used[i]];

		if (span->taken)
			continue;
		if (all || member->span_count == SPACE_LEASES_MAX)
			r = give(space, span);
		else if (span->free_count == 0)
			r = give_or_look(space, span);
	}
	return r;
}

/* ---- pages that are half done ---- */

/* A page word that @op was to change was counted up meanwhile, by a session that was late. */
static int free_late(struct space *space, const struct op *op)
{
	uint64_t word = op->operand;
	int r = space_change_word(space, op->offset, &word, op->swap, SPACE_PAGE_COUNT_MASK);

	return r == -EAGAIN ? 0 : r;
}

/* Make pages free that are tails of a span from @page on, page @from of it to before page @end: all
 * of them, or those that @member made. They are touched if they were, or are to be. */
static int free_tails(struct space *space, unsigned extent, uint64_t page, uint64_t from,
		      uint64_t end, uint64_t member, uint64_t touched)
{
	struct op *ops = space->member->ops;
	int r = 0;

	while (r == 0 && from < end) {
		unsigned count = 0, tails = 0;

		for (; from + count < end && count < SPACE_SPAN_BLOCKS_MAX; count++)
			ops[count] = space_op(DATA_FAA,
					      space_page_offset(space, extent, page + from + count),
					      0, 0);
		r = session_execute(space->object, ops, count);
		for (unsigned i = 0; r == 0 && i < count; i++) {
			uint64_t word = ops[i].value;

			if (space_page_class(word) == SPACE_PAGE_TAIL &&
			    space_page_span(word) == from + i &&
			    (!member || space_page_member(word) == member))
				ops[tails++] = space_op(DATA_CAS, ops[i].offset, word,
							(word & SPACE_PAGE_TOUCHED) | touched);
		}
		if (r == 0 && tails)
			r = session_execute(space->object, ops, tails);
		for (unsigned i = 0; r == 0 && i < tails; i++)
			if (!space_op_succeeded(&ops[i]))
				r = free_late(space, &ops[i]);
		from += count;
	}
	return r;
}

/* Undo what @member, which is this one or has ended, may have done to the @pages from @page on and
 * not finished. *word is then the word of the first one. */
static int repair(struct space *space, unsigned extent, uint64_t page, uint64_t pages,
		  uint64_t member, uint64_t *word)
{
	struct op op = space_op(DATA_FAA, space_page_offset(space, extent, page), 0, 0);
	uint64_t left = space_extent_pages(space, extent) - page, kept = 1;
	struct space_class class;
	int r = session_execute_one(space->object, &op);

	*word = op.value;
	if (r)
		return r;
	if (space_page_class(*word) == SPACE_PAGE_RESERVED && space_page_member(*word) == member) {
		uint64_t span = space_page_span(*word), touched = *word & SPACE_PAGE_TOUCHED;

		r = free_tails(space, extent, page, 1, span < left ? span : left, 0, touched);
		return r ? r
			 : space_change_word(space, op.offset, word, touched,
					     SPACE_PAGE_COUNT_MASK);
	}
	/* Tails without a head: others had it first. */
	if (space_class_of_page(*word, &class))
		kept = class.pages;
	return free_tails(space, extent, page, kept, pages < left ? pages : left, member, 0);
}

/* The session that leased the span has ended. The next one that leases it finds what is free. */
static int take_lease_off(struct space *space, unsigned extent, uint64_t page,
			  const struct space_class *class, uint64_t member)
{
	struct op op = space_op(DATA_FAA, space_page_offset(space, extent, page),
				class->blocks * SPACE_PAGE_COUNT, 0);
	uint64_t word = head_word(class, member);
	int r = session_execute_one(space->object, &op);

	if (r == 0)
		r = space_change_word(space, op.offset, &word, head_word(class, 0),
				      SPACE_PAGE_COUNT_MASK);
	return r == -EAGAIN ? 0 : r;
}

int space_spans_recover(struct space *space, uint64_t lease, uint32_t member)
{
	unsigned extent = lease >> 32 & UINT8_MAX;
	uint64_t page = lease >> 12 & 0xfffff, pages = lease & 0xfff, word;
	struct space_class class;
	int r;

	if (pages == 0 || extent >= SPACE_RECORD_EXTENT || lease >> 40)
		return 0;
	r = space_extent(space, extent, 0);
	if (r)
		return r == -EBADMSG ? 0 : r;
	if (page < space_first_page(space, extent) || page >= space_extent_pages(space, extent))
		return 0;
	r = repair(space, extent, page, pages, member + 1, &word);
	if (r || space_page_member(word) != member + 1 || !space_class_of_page(word, &class))
		return r == -EAGAIN ? 0 : r;
	return take_lease_off(space, extent, page, &class, member + 1);
}

/* ---- making a span of free pages ---- */

static uint64_t reserved_word(const struct space *space, const struct space_class *class)
{
	return space_page(SPACE_PAGE_RESERVED, class->pages, me(space)) | SPACE_PAGE_TOUCHED;
}

/* Page @i of a span that is made. */
static struct op reserve_op(const struct space *space, const struct space_span *span, unsigned i,
			    uint64_t seen)
{
	uint64_t word = i ? space_page(SPACE_PAGE_TAIL, i, me(space)) | (seen & SPACE_PAGE_TOUCHED)
			  : reserved_word(space, &span->class);
	return space_op(DATA_CAS, space_page_offset(space, span->extent, span->page + i), seen,
			word);
}

/* Reserve pages of the span that were seen as *seen, each, or were free in another way. Returns 0
 * (*seen is touched if one of them is), -EAGAIN (not all could be had), or an error. */
static int reserve(struct space *space, const struct space_span *span, uint64_t *seen)
{
	struct op *ops = space->member->ops;
	unsigned pages = span->class.pages, lead = 1;
	uint64_t touched = *seen & SPACE_PAGE_TOUCHED;

	ops[0] = lease_op(space, span);
	for (unsigned done = 0; done < pages; lead = 0) {
		unsigned count = lead, again = 0;
		int r;

		for (; done < pages && count < SPACE_OPS_MAX; done++)
			ops[count++] = reserve_op(space, span, done, *seen);
		r = session_execute(space->object, ops, count);
		for (unsigned i = lead; r == 0 && i < count; i++) {
			uint64_t word = ops[i].value;
			unsigned page = done - (count - i);

			if (space_op_succeeded(&ops[i]))
				continue;
			if (space_page_class(word) != SPACE_PAGE_FREE)
				return -EAGAIN;
			touched |= word & SPACE_PAGE_TOUCHED;
			ops[again++] = reserve_op(space, span, page, word);
		}
		if (r == 0 && again)
			r = session_execute(space->object, ops, again);
		for (unsigned i = 0; r == 0 && i < again; i++)
			if (!space_op_succeeded(&ops[i]))
				return -EAGAIN;
		if (r)
			return r;
	}
	*seen = touched;
	return 0;
}

/* The states of pages that were touched may be anything. No session can run an atomic on them
 * yet. */
static int write_states(struct space *space, const struct space_span *span)
{
	static const le64_t zero;
	struct op *ops = space->member->ops;

	for (unsigned i = 0; i < span->class.blocks; i++)
		ops[i] = space_write_op(state_offset(space, span, i), &zero, sizeof zero);
	return session_execute(space->object, ops, span->class.blocks);
}

/* Make a span of free pages from @page on, of which the first one was seen as @seen. Returns 0,
 * -EAGAIN (others were quicker), -ENOSPC (no slot), or an error. */
static int make(struct space *space, unsigned extent, uint64_t page,
		const struct space_class *class, uint64_t seen)
{
	struct space_member *member = space->member;
	struct space_span *span = add_span(member, extent, page, class);
	uint64_t word = reserved_word(space, class), left;
	int r;

	if (!span)
		return -ENOSPC;
	r = reserve(space, span, &seen);
	if (r == -EAGAIN) {
		r = repair(space, extent, page, class->pages, me(space), &left);
		drop_span(member, span);
		return r ? r : -EAGAIN;
	}
	if (r == 0 && seen)
		r = write_states(space, span);
	if (r == 0)
		r = space_change_word(space, head_offset(space, span), &word,
				      head_word(class, me(space)), SPACE_PAGE_COUNT_MASK);
	for (unsigned i = class->blocks; r == 0 && i-- > 0;)
		space_span_put(span, i, 0);
	return r == -EAGAIN ? -EBADMSG : r;
}

/* ---- dissolving a span ---- */

/* Make free pages of the span of @class at @page, which had @word, if no block of it is used.
 * Returns 0, -EAGAIN (they are not free, or others were quicker), or an error. */
static int dissolve(struct space *space, unsigned extent, uint64_t page, uint64_t word,
		    const struct space_class *class)
{
	struct space_span *span;
	int r = lease(space, extent, page, word, class, &span);

	if (r)
		return r;
	if (span->free_count < class->blocks) {
		r = give(space, span);
		return r ? r : -EAGAIN;
	}
	word = head_word(class, me(space));
	r = space_change_word(space, head_offset(space, span), &word, reserved_word(space, class),
			      SPACE_PAGE_COUNT_MASK);
	if (r == 0)
		r = repair(space, extent, page, class->pages, me(space), &word);
	drop_span(space->member, span);
	return r == -EAGAIN ? -EBADMSG : r;
}

/* ---- the search ---- */

struct search {
	const struct space_class *class;
	uint64_t left; /* pages to be looked at */
	/* the window is of this extent, and begins with this page */
	unsigned extent;
	uint64_t from, count;
	/* free pages in a row, up to where it is */
	uint64_t free, free_from, free_word;
};

/* Read the page words from @page on. */
static int read_window(struct space *space, struct search *search, unsigned extent, uint64_t page)
{
	uint64_t count = space_extent_pages(space, extent) - page;
	struct op op;

	search->extent = extent;
	search->from = page;
	search->count = count < SPACE_WINDOW_WORDS ? count : SPACE_WINDOW_WORDS;
	op = space_read_op(space_page_offset(space, extent, page), space->member->window,
			   (uint32_t)(8 * search->count));
	return session_execute_one(space->object, &op);
}

/* Try to get something of the pages that begin with the one where the search is, whose word was
 * seen as @word. Returns 0 (there is a span now), -EAGAIN (*pages on it may go on, of which all are
 * free, or none), or an error. */
static int look_at(struct space *space, struct search *search, uint64_t page, uint64_t word,
		   uint64_t *pages, bool *free)
{
	const struct space_class *class = search->class;
	struct space_class found;
	struct space_span *span;
	int r;

	*pages = 1;
	*free = space_page_class(word) == SPACE_PAGE_FREE;
	if (*free || space_page_member(word) || space_page_count(word) == 0 ||
	    !space_class_of_page(word, &found) ||
	    found.pages > space_extent_pages(space, search->extent) - page)
		return -EAGAIN;
	if (found.number == class->number && found.pages == class->pages) {
		r = lease(space, search->extent, page, word, &found, &span);
		if (r == 0 && span->free_count == 0) {
			r = give(space, span);
			r = r ? r : -EAGAIN;
		}
		*pages = found.pages;
		return r;
	}
	if (space_page_count(word) < found.blocks)
		return -EAGAIN;
	r = dissolve(space, search->extent, page, word, &found);
	*free = r == 0;
	*pages = r == 0 ? found.pages : 1;
	return r ? r : -EAGAIN;
}

/* Count the free pages up to before @next, and make a span if there are enough. */
static int count_free(struct space *space, struct search *search, uint64_t page, uint64_t pages,
		      uint64_t word)
{
	int r;

	if (search->free == 0) {
		search->free_from = page;
		search->free_word = word;
	}
	search->free += pages;
	if (search->free < search->class->pages)
		return -EAGAIN;
	r = make(space, search->extent, search->free_from, search->class, search->free_word);
	search->free = 0;
	return r;
}

int space_spans_find(struct space *space, const struct space_class *class, bool everywhere)
{
	struct space_member *member = space->member;
	struct search search = {.class = class};
	int r = -EAGAIN;

	for (unsigned i = 0; i < space->extent_count; i++)
		search.left += space_extent_pages(space, i);
	if (everywhere)
		member->extent = member->page = 0;
	else if (search.left > PAGES_IN_A_SEARCH)
		search.left = PAGES_IN_A_SEARCH;
	if (space->extent_count == 0)
		return -EAGAIN;
	while (r == -EAGAIN && search.left) {
		uint64_t page = member->page, pages, word;
		bool is_free;

		if (page < space_first_page(space, member->extent))
			page = space_first_page(space, member->extent);
		if (page >= space_extent_pages(space, member->extent)) {
			member->extent = (member->extent + 1) % space->extent_count;
			member->page = search.free = search.count = 0;
			search.left--; /* of the pages with page words */
			continue;
		}
		if (page < search.from || page >= search.from + search.count) {
			r = read_window(space, &search, member->extent, page);
			if (r)
				break;
		}
		word = le64_get(member->window[page - search.from]);
		r = look_at(space, &search, page, word, &pages, &is_free);
		if (r == -EAGAIN && is_free)
			r = count_free(space, &search, page, pages,
				       space_page_class(word) == SPACE_PAGE_FREE
					       ? word
					       : SPACE_PAGE_TOUCHED);
		else
			search.free = 0;
		member->page = page + pages;
		search.left -= pages < search.left ? pages : search.left;
	}
	return r;
}
