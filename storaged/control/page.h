/* SPDX-License-Identifier: Apache-2.0 */
/* A page of a listing: a head, which says how many entries follow, and entries with their names. */
#ifndef STORAGED_CONTROL_PAGE_H
#define STORAGED_CONTROL_PAGE_H

#include "storaged/control/control.h"

#include <string.h>

struct page {
	/* of entries */
	uint32_t count;
	size_t fill;
	uint8_t body[CONTROL_BODY_BYTES_MAX];
};

static inline void page_begin(struct page *page, size_t head_bytes)
{
	page->count = 0;
	page->fill = head_bytes;
}

/* Returns false, and puts nothing, where there is no room for it. */
static inline bool page_put(struct page *page, const void *entry, size_t entry_bytes,
			    const char *name, size_t name_bytes)
{
	uint8_t *to = page->body + page->fill;

	if (entry_bytes + name_bytes > sizeof page->body - page->fill)
		return false;
	memcpy(to, entry, entry_bytes);
	memcpy(to + entry_bytes, name, name_bytes);
	page->fill += entry_bytes + name_bytes;
	page->count++;
	return true;
}

/* Answer the request @header with @page, whose head is @head. */
static inline void page_reply(struct page *page, struct control *control,
			      const struct control_header *header, const void *head,
			      size_t head_bytes)
{
	memcpy(page->body, head, head_bytes);
	control_reply(control, header, page->body, page->fill);
}

#endif
