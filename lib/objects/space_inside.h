/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the space share. */
#ifndef LIB_OBJECTS_SPACE_INSIDE_H
#define LIB_OBJECTS_SPACE_INSIDE_H

#include "lib/objects/space.h"
#include "lib/objects/word.h"

#define SPACE_SPAN_BLOCKS_MAX 128
#define SPACE_OPS_MAX         (SPACE_SPAN_BLOCKS_MAX + 2)
#define SPACE_WINDOW_WORDS    512
/* After so many tries a word that others change again and again is none that sessions write. */
#define SPACE_TRIES 64

/* Blocks of one length, and the span that they come from. */
struct space_class {
	uint8_t number; /* enum space_page_class */
	uint16_t pages;
	uint16_t blocks; /* of a span */
	uint32_t block_bytes;
};

/* A span that this member leases. */
struct space_span {
	struct space_class class;
	uint8_t extent;
	uint8_t slot;
	/* blocks that were taken and are not claimed yet, and those whose claim is under way */
	uint8_t taken, claiming;
	uint32_t page;
	/* free blocks: their numbers and states, the last one is taken next */
	uint16_t free_count;
	uint8_t free[SPACE_SPAN_BLOCKS_MAX];
	uint64_t states[SPACE_SPAN_BLOCKS_MAX];
};

/* A block to be freed. */
struct space_due {
	struct space_name name;
	uint64_t offset;
	unsigned op;      /* in the batch under way */
	bool is_prepared; /* it is in a batch */
};

/* A block that this member has made unreachable and keeps for its next operation, so that it need
 * neither be freed nor another one be found. Its state was changed to one that nobody else knows,
 * since others that had named the old one may still free that. */
struct space_kept {
	struct space_name name; /* reference 0: none */
	uint64_t offset;
	uint32_t bytes;
};

/* The keeping of a block, in a batch. */
struct space_keeping {
	struct space_due due; /* reference 0: none */
	uint64_t state;       /* the new one */
};

struct space_member {
	uint32_t index;
	uint64_t word; /* as it is */
	uint64_t record_offset;
	uint64_t seed, drawn; /* of the uses of blocks */
	unsigned spans_made;
	/* where the search goes on */
	unsigned extent;
	uint64_t page;
	unsigned due_count;
	unsigned put_off; /* times that an operation has left what is due to the next */
	struct space_due due[SPACE_INTENTS_MAX];
	struct space_kept kept;
	struct space_keeping keeping;
	struct space_span spans[SPACE_LEASES_MAX];
	/* those that are used, by their slots */
	unsigned span_count;
	uint8_t used[SPACE_LEASES_MAX];
	/* what is written while a batch is under way */
	struct space_record staged;
	struct op ops[SPACE_OPS_MAX];
	le64_t window[SPACE_WINDOW_WORDS];
};

static inline struct op space_op(uint8_t opcode, uint64_t offset, uint64_t operand, uint64_t swap)
{
	return (struct op){.opcode = opcode,
			   .length_bytes = 8,
			   .offset = offset,
			   .operand = operand,
			   .swap = swap};
}

static inline struct op space_write_op(uint64_t offset, const void *bytes, uint32_t count)
{
	return (struct op){.opcode = DATA_WRITE,
			   .length_bytes = count,
			   .offset = offset,
			   .buffer = (void *)(uintptr_t)bytes};
}

static inline struct op space_read_op(uint64_t offset, void *bytes, uint32_t count)
{
	return (struct op){
		.opcode = DATA_READ, .length_bytes = count, .offset = offset, .buffer = bytes};
}

static inline bool space_op_succeeded(const struct op *op)
{
	return op->value == op->operand;
}

/* ---- extents (space_blocks.c) ---- */

/* Make sure that extent @number is known, and make it with @bytes where that is not zero. Returns 0
 * or as space_take; -EBADMSG where there is none. */
int space_extent(struct space *space, unsigned number, uint64_t bytes);
/* Where a page word is. */
static inline uint64_t space_page_offset(const struct space *space, unsigned extent, uint64_t page)
{
	return space->extents[extent].offset + 8 * page;
}
static inline uint64_t space_extent_pages(const struct space *space, unsigned extent)
{
	return space->extents[extent].bytes / SPACE_PAGE_BYTES;
}
/* The first page that is not page words. */
static inline uint64_t space_first_page(const struct space *space, unsigned extent)
{
	return (space_extent_pages(space, extent) * 8 + SPACE_PAGE_BYTES - 1) / SPACE_PAGE_BYTES;
}

/* Change the word from what it is, but for the bits @ignored, which stay, as long as the others are
 * those of *word. Returns 0, -EAGAIN (they are others), or an error; *word is then what it is. */
int space_change_word(struct space *space, uint64_t offset, uint64_t *word, uint64_t value,
		      uint64_t ignored);

/* ---- classes (space_classes.c) ---- */

/* The class of blocks of at least @bytes. */
struct space_class space_class_of(uint64_t bytes);
/* The class of the first page of a span, with that word. Returns false where it is no such. */
bool space_class_of_page(uint64_t word, struct space_class *ret_class);

/* ---- spans (space_spans.c) ---- */

/* The leased span that the block at @offset of @extent is in; NULL: it is not leased. */
struct space_span *space_span_of(struct space_member *member, unsigned extent, uint64_t offset);
/* A span of @class with a free block that this member has; NULL: there is none. */
struct space_span *space_span_with(struct space_member *member, const struct space_class *class);
/* Lease spans of @class, so that there is one. Returns 0, -EAGAIN (none was found where it looked),
 * or an error. @everywhere: look at every page there is. */
int space_spans_find(struct space *space, const struct space_class *class, bool everywhere);
/* Give back spans that nothing can be taken of, or look which blocks of them have become free. All:
 * give back all that can be. */
int space_spans_release(struct space *space, bool all);
/* Take the lease @slot of the record of a member that has ended off the pages. */
int space_spans_recover(struct space *space, uint64_t lease, uint32_t member);
void space_span_put(struct space_span *span, unsigned block, uint64_t state);

/* ---- members (space_members.c) ---- */

int space_members_join(struct space *space);
void space_members_leave(struct space *space);
/* Recover what members that have ended left behind. *ret_any: there was one. */
int space_members_recover(struct space *space, bool *ret_any);

#endif
