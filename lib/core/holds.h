/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which session holds what. The words of open objects are read (lib/core/sweep.h says which), and
 * put together object by object and session by session. No client is asked, and nothing is changed.
 */
#ifndef LIB_CORE_HOLDS_H
#define LIB_CORE_HOLDS_H

#include "lib/store/store.h"
#include "lib/core/sweep.h"
#include "lib/core/transport.h"

/* The most words read, and objects passed, for a page; the last object is finished beyond that. */
#define HOLDS_TURN_MAX 1024

/* What one session holds of one object. */
struct hold {
	const struct store_object_stat *stat;
	enum control_hold_role role;
	uint16_t owner;
	uint32_t count; /* of words */
	uint64_t token; /* the fencing token; of several permits the largest number of a hold */
	const struct sweep_word *words; /* themselves */
};

/*
 * Call @each with the holds of @store, from *cursor (0 at first; any number does no harm) on, until
 * @each returns false: that hold is then the first of the next page. *cursor is where the next page
 * begins, 0 after the last; a page may be empty and not the last. Returns 0, -ENOMEM, or the error
 * of @transport, with *cursor as it was.
 */
int holds_page(const struct store *store, struct transport *transport, uint64_t *cursor,
	       bool (*each)(const struct hold *hold, void *context), void *context);

#endif
