/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store: one namespace's arena (a sealed memfd) and its directory of names. What decides lies in
 * private memory; the arena holds only what clients may write, and nothing in it is ever believed.
 *
 * An object's memory is reused only when it was deleted and nobody has it open: an opener gives
 * each handle back by store_close, or all at once by store_opener_end when its session is dead and
 * fenced.
 *
 * Threads: one at a time; the user locks.
 */
#ifndef LIB_STORE_STORE_H
#define LIB_STORE_STORE_H

#include "lib/store/opener.h"

/*
 * Make a store. Returns 0, -EINVAL (limits), -ENOMEM, or the errno of memfd_create, ftruncate,
 * fcntl, mmap or getrandom.
 */
int store_new(const struct store_limits *limits, struct store **ret_store);

/*
 * Free a store. Ends the openers that have something open still; store_opener_end may follow all
 * the same, and must for the others. NULL does nothing.
 */
void store_free(struct store *store);

/*
 * Memory is zeroed before it is used again, but for pages that nobody ever touched. Up to
 * CLEAN_AT_ONCE_BYTES that happens when the last handle of a deleted object comes back; longer
 * objects wait for this call, which zeroes up to @bytes_max, so that nobody waits for long. Returns
 * whether there is more: then NO_MEMORY may be only for the moment.
 */
bool store_clean(struct store *store, uint64_t bytes_max);
bool store_is_dirty(const struct store *store);

/*
 * In a forked child: zeroed memory of the child's own takes the arena's place, at the same address.
 * What is done to the store after that has no effect on the parent's. Returns 0 or the errno of
 * mmap.
 */
int store_detach(struct store *store);

void *store_base(const struct store *store);
uint64_t store_region_bytes(const struct store *store);
uint64_t store_used_bytes(const struct store *store);   /* deleted and still open included */
uint32_t store_object_count(const struct store *store); /* in the directory */
int store_fd(const struct store *store); /* sealed against change of size; the store's */

/* Locks that are created from now on have @owner at first: 0, nobody, unless this says
 * otherwise. */
void store_hold_new(struct store *store, uint16_t owner);

void store_opener_begin(struct store *store, struct store_opener *opener,
			bool (*deleted)(struct store_opener *opener, uint32_t handle));

/*
 * Give back every handle. The opener must be fenced: none of its operations can land any more. A
 * second time does nothing.
 */
void store_opener_end(struct store_opener *opener);

/*
 * Open the object @name (of @name_bytes, 1 to 255, no zero byte: else WIRE_NAME) of @type, creating
 * it when @flags (enum control_open_flags) say so. @parameters as in CONTROL_OPEN, not looked at
 * (may be NULL) without CONTROL_OPEN_PARAMETERS. The memory of a new object is zeroed and
 * initialised; a generation comes again only 4,294,967,295 creations later. Opening the same object
 * twice gives two handles. @detail (may be NULL, of @detail_bytes) gets the particulars of a
 * refusal: which parameter differs, how much the arena has; it is empty where the status says all.
 * Returns WIRE_OK, NAME, TYPE, PARAMETERS, NOT_FOUND, NO_MEMORY, OBJECTS_MAX, OPENS_MAX, MALFORMED
 * (unknown type), INTERNAL (the host is out of memory).
 */
enum wire_status store_open(struct store_opener *opener, enum object_type type, const char *name,
			    size_t name_bytes, unsigned flags, const uint64_t parameters[4],
			    struct store_reference *ret_reference, char *detail,
			    size_t detail_bytes);

/* What @handle, any number, refers to. Returns false when there is no such handle. A deleted
 * object's is one still, and *ret_deleted is set. */
bool store_refer(const struct store_opener *opener, uint32_t handle,
		 struct store_reference *ret_reference, bool *ret_deleted);

/* Give @handle, any number, back. Returns WIRE_OK, or STALE when there is no such handle. */
enum wire_status store_close(struct store_opener *opener, uint32_t handle);

/*
 * Delete by name: it is gone from the directory at once, those who have it open are told by
 * store_tell, the memory goes when they were told and the last handle is back. *ret_deletion (may
 * be NULL) is for store_is_told. Returns WIRE_OK, NAME, NOT_FOUND.
 */
enum wire_status store_delete(struct store *store, const char *name, size_t name_bytes,
			      uint64_t *ret_deletion);

/* Tell of deletions, of several in turns: call `deleted` for up to @count_max handles. Returns
 * whether there is more. */
bool store_tell(struct store *store, unsigned count_max);
bool store_is_telling(const struct store *store);
/* Whether `deleted` was called for every handle of the object of @deletion. */
bool store_is_told(const struct store *store, uint64_t deletion);
/* Tell @opener what it could not take the news of, as far as it takes it now. Returns whether that
 * is all. */
bool store_opener_tell(struct store_opener *opener);

/* Returns WIRE_OK, NAME, NOT_FOUND. */
enum wire_status store_stat(const struct store *store, const char *name, size_t name_bytes,
			    struct store_object_stat *ret_stat);

/*
 * The object at or after *cursor (0 at first), in no order; *cursor moves behind it. Returns false
 * after the last. O(1) amortised over a listing.
 */
bool store_next(const struct store *store, uint32_t *cursor, struct store_object_stat *ret_stat);

/* The same for objects that somebody has open; what nobody has open is passed over 64 at a time.
 * Where it returns true, *cursor - 1 finds the same object again. */
bool store_next_open(const struct store *store, uint32_t *cursor,
		     struct store_object_stat *ret_stat);

/*
 * For a sweep after a session's death: the next of the opener's open handles at or after *cursor (0
 * or 1 at first), as a reference (deleted objects too); *cursor moves behind it. The cursor is no
 * handle: that one is in the reference, and may be closed on the way. Returns false after the last.
 */
bool store_opener_next(const struct store_opener *opener, uint32_t *cursor,
		       struct store_reference *ret_reference);

#endif
