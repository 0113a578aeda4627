/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds what: the words of objects that somebody has open are read, and what they say is put
 * together, object by object and session by session. Nobody is asked and nothing is changed; see
 * lib/core/sweep.h for which words those are.
 */
#ifndef LIB_CORE_HOLDS_H
#define LIB_CORE_HOLDS_H

#include "lib/store/store.h"
#include "lib/core/sweep.h"
#include "lib/core/transport.h"

/* Words read, and objects passed, for a page; one object more than that is finished. */
#define HOLDS_TURN_MAX 1024

/* What one session has of one object. */
struct hold {
	const struct store_object_stat *stat;
	enum control_hold_role role;
	uint16_t owner;
	uint32_t count; /* of words */
	uint64_t token; /* the fencing token; of several permits the largest number of a hold */
	const struct sweep_word *words; /* themselves */
};

/*
 * Call @each with holds of @store, from *cursor (0 at first, any number does no harm) on, until it
 * returns false: that one is the next page's first. *cursor is where the next page begins, 0 after
 * the last; a page may be empty and not the last. Returns 0, -ENOMEM, or what @transport says, and
 * *cursor is as it was.
 */
int holds_page(const struct store *store, struct transport *transport, uint64_t *cursor,
	       bool (*each)(const struct hold *hold, void *context), void *context);

#endif
