/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/extents.h"

#include "lib/store/chunks.h"

#include <stdbool.h>
#include <string.h>

#define NONE UINT32_MAX

/*
 * Free blocks are in lists by length. There is a row of lists for each power of two, and the lists
 * of a row divide it evenly. Each length below CLASSES_A_ROW granules has a list of its own. An
 * arena has fewer than 2^58 granules.
 */
#define ROW_BITS      5
#define CLASSES_A_ROW (1u << ROW_BITS)
#define ROWS          54

enum block_state { BLOCK_SPARE, BLOCK_FREE, BLOCK_USED };

struct block {
	uint64_t offset;
	uint64_t bytes;
	uint32_t before; /* neighbours by address, or NONE */
	uint32_t after;
	uint32_t previous; /* in its class's list, when free */
	uint32_t next;     /* likewise; in the list of spare descriptors, when spare */
	enum block_state state;
};

struct extents {
	uint64_t used_bytes;
	uint64_t free_bytes;
	uint32_t used_count;
	uint32_t count_max;
	uint32_t spare; /* head of the list of unused descriptors */
	struct chunks blocks;
	uint64_t row_map;         /* rows that have a free block */
	uint32_t class_map[ROWS]; /* classes of a row that have a block */
	uint32_t head[ROWS][CLASSES_A_ROW];
};

static struct block *block_at(const struct extents *extents, uint32_t index)
{
	return chunks_at(&extents->blocks, index);
}

/* The class of blocks of @bytes. Every block of a higher class is longer. */
static unsigned class_of(uint64_t bytes)
{
	uint64_t granules = bytes / EXTENTS_GRANULE_BYTES;
	unsigned top;

	if (granules < CLASSES_A_ROW)
		return (unsigned)granules;
	top = 63 - (unsigned)__builtin_clzll(granules);
	return ((top - ROW_BITS) << ROW_BITS) + (unsigned)(granules >> (top - ROW_BITS));
}

/* The head of the lowest class above @class that has a block, or NONE. */
static uint32_t first_above(const struct extents *extents, unsigned class)
{
	unsigned row = class >> ROW_BITS;
	uint32_t classes = extents->class_map[row] & ~0u << class % CLASSES_A_ROW << 1;

	if (!classes) {
		uint64_t rows = extents->row_map & ~0ULL << row << 1;

		if (!rows)
			return NONE;
		row = (unsigned)__builtin_ctzll(rows);
		classes = extents->class_map[row];
	}
	return extents->head[row][__builtin_ctz(classes)];
}

/* The first block of at least @enough among the first blocks of the list at @head; where there is
 * none, the longest of them. */
static uint32_t longest(const struct extents *extents, uint32_t head, uint64_t enough)
{
	uint32_t best = head;

	for (unsigned seen = 0; head != NONE && seen < EXTENTS_SEARCH_MAX; seen++) {
		const struct block *block = block_at(extents, head);

		if (block->bytes > block_at(extents, best)->bytes)
			best = head;
		if (block_at(extents, best)->bytes >= enough)
			break;
		head = block->next;
	}
	return best;
}

/*
 * A free block of at least @bytes, or NONE. The class of @bytes comes first, so that the place of a
 * deleted object is used by the next object of its kind. In a higher class every block is long
 * enough.
 */
static uint32_t find(const struct extents *extents, uint64_t bytes)
{
	unsigned class = class_of(bytes);
	uint32_t found =
		longest(extents, extents->head[class >> ROW_BITS][class % CLASSES_A_ROW], bytes);

	if (found != NONE && block_at(extents, found)->bytes >= bytes)
		return found;
	return first_above(extents, class);
}

static void insert(struct extents *extents, uint32_t index)
{
	struct block *block = block_at(extents, index);
	unsigned class = class_of(block->bytes);
	unsigned row = class >> ROW_BITS;
	uint32_t *head = &extents->head[row][class % CLASSES_A_ROW];

	block->state = BLOCK_FREE;
	block->previous = NONE;
	block->next = *head;
	if (*head != NONE)
		block_at(extents, *head)->previous = index;
	*head = index;
	extents->class_map[row] |= 1u << class % CLASSES_A_ROW;
	extents->row_map |= 1ULL << row;
}

static void remove_free(struct extents *extents, uint32_t index)
{
	struct block *block = block_at(extents, index);
	unsigned class = class_of(block->bytes);
	unsigned row = class >> ROW_BITS;

	assert(block->state == BLOCK_FREE);
	if (block->next != NONE)
		block_at(extents, block->next)->previous = block->previous;
	if (block->previous != NONE) {
		block_at(extents, block->previous)->next = block->next;
		return;
	}
	extents->head[row][class % CLASSES_A_ROW] = block->next;
	if (block->next == NONE)
		extents->class_map[row] &= ~(1u << class % CLASSES_A_ROW);
	if (!extents->class_map[row])
		extents->row_map &= ~(1ULL << row);
}

/* Make sure that there is a spare descriptor. Returns 0 or -ENOMEM. */
static int provide_spare(struct extents *extents)
{
	int error;

	if (extents->spare != NONE)
		return 0;
	/* Free blocks are never neighbours: between and around n used ones there are at most n +
	 * 1. */
	assert(extents->blocks.count <= 2 * (uint64_t)extents->count_max);
	error = chunks_append(&extents->blocks);
	if (error)
		return error;
	extents->spare = extents->blocks.count - 1;
	block_at(extents, extents->spare)->next = NONE;
	return 0;
}

static uint32_t take_spare(struct extents *extents)
{
	uint32_t index = extents->spare;

	extents->spare = block_at(extents, index)->next;
	return index;
}

static void give_spare(struct extents *extents, uint32_t index)
{
	struct block *block = block_at(extents, index);

	block->state = BLOCK_SPARE;
	block->next = extents->spare;
	extents->spare = index;
}

/* Shorten the block @index to @bytes and make the rest a free block. Needs a spare descriptor. */
static void split(struct extents *extents, uint32_t index, uint64_t bytes)
{
	uint32_t rest_index = take_spare(extents);
	struct block *rest = block_at(extents, rest_index);
	struct block *block = block_at(extents, index);

	rest->offset = block->offset + bytes;
	rest->bytes = block->bytes - bytes;
	rest->before = index;
	rest->after = block->after;
	if (block->after != NONE)
		block_at(extents, block->after)->before = rest_index;
	block->after = rest_index;
	block->bytes = bytes;
	insert(extents, rest_index);
}

/* Merge the block @index, which is in no list, with the block behind it. */
static void absorb_after(struct extents *extents, uint32_t index)
{
	struct block *block = block_at(extents, index);
	uint32_t gone = block->after;

	block->bytes += block_at(extents, gone)->bytes;
	block->after = block_at(extents, gone)->after;
	if (block->after != NONE)
		block_at(extents, block->after)->before = index;
	give_spare(extents, gone);
}

static bool is_free(const struct extents *extents, uint32_t index)
{
	return index != NONE && block_at(extents, index)->state == BLOCK_FREE;
}

int extents_new(uint64_t begin, uint64_t end, uint32_t count_max, struct extents **ret_extents)
{
	struct extents *extents = calloc(1, sizeof *extents);
	struct block *whole;

	assert(begin < end && count_max > 0 && count_max < NONE / 2);
	assert(begin % EXTENTS_GRANULE_BYTES == 0 && end % EXTENTS_GRANULE_BYTES == 0);
	if (!extents)
		return -ENOMEM;
	extents->count_max = count_max;
	extents->spare = NONE;
	extents->blocks.element_bytes = sizeof(struct block);
	memset(extents->head, 0xff, sizeof extents->head);
	if (provide_spare(extents)) {
		extents_free(extents);
		return -ENOMEM;
	}
	whole = block_at(extents, take_spare(extents));
	*whole = (struct block){
		.offset = begin, .bytes = end - begin, .before = NONE, .after = NONE};
	extents->free_bytes = end - begin;
	insert(extents, 0);
	*ret_extents = extents;
	return 0;
}

void extents_free(struct extents *extents)
{
	if (!extents)
		return;
	chunks_clear(&extents->blocks);
	free(extents);
}

int extents_take(struct extents *extents, uint64_t bytes, struct extent *ret_extent)
{
	struct block *block;
	uint32_t index;
	int error;

	assert(bytes > 0 && extents->used_count < extents->count_max);
	if (bytes > extents->free_bytes)
		return -ENOSPC; /* from here on rounding up cannot overflow */
	bytes = (bytes + EXTENTS_GRANULE_BYTES - 1) & ~(uint64_t)(EXTENTS_GRANULE_BYTES - 1);
	index = find(extents, bytes);
	if (index == NONE)
		return -ENOSPC;
	block = block_at(extents, index);
	if (block->bytes > bytes) {
		error = provide_spare(extents);
		if (error)
			return error;
	}
	remove_free(extents, index);
	if (block->bytes > bytes)
		split(extents, index, bytes);
	block->state = BLOCK_USED;
	extents->used_count++;
	extents->used_bytes += bytes;
	extents->free_bytes -= bytes;
	*ret_extent = (struct extent){.offset = block->offset, .bytes = bytes, .block = index};
	return 0;
}

void extents_give(struct extents *extents, const struct extent *extent)
{
	uint32_t index = extent->block;
	struct block *block = block_at(extents, index);

	assert(block->state == BLOCK_USED);
	assert(block->offset == extent->offset && block->bytes == extent->bytes);
	extents->used_count--;
	extents->used_bytes -= block->bytes;
	extents->free_bytes += block->bytes;
	if (is_free(extents, block->after)) {
		remove_free(extents, block->after);
		absorb_after(extents, index);
	}
	if (is_free(extents, block->before)) {
		index = block->before;
		remove_free(extents, index);
		absorb_after(extents, index);
	}
	insert(extents, index);
}

uint64_t extents_used_bytes(const struct extents *extents)
{
	return extents->used_bytes;
}

uint64_t extents_free_bytes(const struct extents *extents)
{
	return extents->free_bytes;
}

uint64_t extents_largest_bytes(const struct extents *extents)
{
	unsigned row, class;

	if (!extents->row_map)
		return 0;
	row = 63 - (unsigned)__builtin_clzll(extents->row_map);
	class = 31 - (unsigned)__builtin_clz(extents->class_map[row]);
	return block_at(extents, longest(extents, extents->head[row][class], UINT64_MAX))->bytes;
}
