/* SPDX-License-Identifier: Apache-2.0 */
/* The lengths of blocks: mostly an eighth apart, in spans of so many pages that a thirty-second of
 * them is wasted at most. */
#include "lib/objects/space_inside.h"

static const struct {
	uint16_t granules; /* of a block */
	uint8_t pages;     /* of a span, 8 at most: see space_state_distance */
} classes[] = {
	{2, 1},   {3, 1},   {4, 1},   {5, 1},   {6, 1},   {7, 1},   {8, 1},   {9, 1},   {10, 1},
	{11, 1},  {12, 1},  {13, 2},  {14, 1},  {15, 1},  {16, 1},  {18, 1},  {20, 2},  {22, 2},
	{24, 2},  {27, 3},  {30, 2},  {32, 1},  {36, 1},  {40, 3},  {45, 3},  {48, 3},  {54, 3},
	{59, 3},  {64, 1},  {69, 3},  {76, 3},  {85, 1},  {93, 3},  {102, 2}, {113, 4}, {128, 1},
	{142, 4}, {153, 3}, {170, 2}, {182, 5}, {204, 4}, {224, 7}, {256, 1}, {292, 7}, {320, 5},
	{341, 4}, {358, 7}, {384, 3}, {426, 5}, {448, 7}, {512, 2},
};

#define CLASSES (sizeof classes / sizeof *classes)

static struct space_class class_at(unsigned i)
{
	uint32_t block_bytes = classes[i].granules * SPACE_GRANULE_BYTES;

	return (struct space_class){
		.number = (uint8_t)(SPACE_PAGE_CLASS + i),
		.pages = classes[i].pages,
		.blocks = (uint16_t)(classes[i].pages * SPACE_PAGE_BYTES / block_bytes),
		.block_bytes = block_bytes,
	};
}

static struct space_class long_class(uint64_t pages)
{
	return (struct space_class){
		.number = SPACE_PAGE_LONG,
		.pages = (uint16_t)pages,
		.blocks = 1,
		.block_bytes = (uint32_t)(pages * SPACE_PAGE_BYTES),
	};
}

struct space_class space_class_of(uint64_t bytes)
{
	unsigned low = 0, high = CLASSES;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if ((uint64_t)classes[middle].granules * SPACE_GRANULE_BYTES < bytes)
			low = middle + 1;
		else
			high = middle;
	}
	return low < CLASSES ? class_at(low)
			     : long_class((bytes + SPACE_PAGE_BYTES - 1) / SPACE_PAGE_BYTES);
}

bool space_class_of_page(uint64_t word, struct space_class *ret_class)
{
	unsigned class = space_page_class(word);
	uint64_t span = space_page_span(word);

	if (class == SPACE_PAGE_LONG && span)
		*ret_class = long_class(span);
	else if (class >= SPACE_PAGE_CLASS && class < SPACE_PAGE_CLASS + CLASSES)
		*ret_class = class_at(class - SPACE_PAGE_CLASS);
	else
		return false;
	return ret_class->pages == span;
}
