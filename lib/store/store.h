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
 * Free a store. Ends the openers that still have something open; store_opener_end may be called for
 * them afterwards all the same, and must be for the others. NULL does nothing.
 */
void store_free(struct store *store);

/*
 * Memory is zeroed before it is used again, except pages that were never touched. Up to
 * CLEAN_AT_ONCE_BYTES that happens when the last handle of a deleted object comes back. Longer
 * objects are left to this call, which zeroes up to @bytes_max, so that no caller waits for long.
 * Returns whether there is more: then NO_MEMORY may be temporary.
 */
bool store_clean(struct store *store, uint64_t bytes_max);
bool store_is_dirty(const struct store *store);

/*
 * In a forked child: replace the arena by zeroed memory of the child's own at the same address.
 * What is done to the store afterwards has no effect on the parent's. Returns 0 or the errno of
 * mmap.
 */
int store_detach(struct store *store);

void *store_base(const struct store *store);
uint64_t store_region_bytes(const struct store *store);
uint64_t store_used_bytes(const struct store *store);   /* deleted and still open included */
uint32_t store_object_count(const struct store *store); /* in the directory */
int store_fd(const struct store *store);                /* its size is sealed; the store keeps it */

/* Locks that are created from now on belong to @owner at first. Without this call, and with 0, to
 * no session. */
void store_hold_new(struct store *store, uint16_t owner);

void store_opener_begin(struct store *store, struct store_opener *opener,
			bool (*deleted)(struct store_opener *opener, uint32_t handle));

/*
 * Give back every handle. The opener must be fenced: none of its operations can land any more.
 * Calling it again does nothing.
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

/* Find what @handle refers to, which may be any number. Returns false when there is no such handle.
 * The handle of a deleted object is found, too, with *ret_deleted set. */
bool store_refer(const struct store_opener *opener, uint32_t handle,
		 struct store_reference *ret_reference, bool *ret_deleted);

/*
 * Give the object of @handle, which may be any number, the extent @number of @bytes, zeroed, where
 * it has none; the extents go with the object. Fills in @extents, at most @count_max (1 at least),
 * with that one and those that there are of the numbers behind it, up to the first that there is
 * not. With @bytes zero none is made, and *ret_count may be 0. @detail as of store_open. Returns
 * WIRE_OK, STALE (no such handle, or the object was deleted), RANGE (number or bytes), NO_MEMORY,
 * OBJECTS_MAX (an extent counts as an object), INTERNAL.
 */
enum wire_status store_grow(struct store_opener *opener, uint32_t handle, unsigned number,
			    uint64_t bytes, struct store_extent *extents, unsigned count_max,
			    unsigned *ret_count, char *detail, size_t detail_bytes);

/* Give back @handle, which may be any number. Returns WIRE_OK, or STALE when there is no such
 * handle. */
enum wire_status store_close(struct store_opener *opener, uint32_t handle);

/*
 * Delete the object called @name. It leaves the directory at once. The openers that have it open
 * are told by store_tell, and its memory is given back when they were told and the last handle is
 * back. *ret_deletion (may be NULL) is for store_is_told. Returns WIRE_OK, NAME, NOT_FOUND.
 */
enum wire_status store_delete(struct store *store, const char *name, size_t name_bytes,
			      uint64_t *ret_deletion);

#define PREFIX_LOOKS_MAX   256 /* at objects, in one call of store_delete_prefix */
#define PREFIX_DELETED_MAX 64  /* objects that it deletes */

struct store_prefix {
	uint32_t cursor; /* where to go on; 0 at first, and after the last */
	uint32_t count;  /* deleted by this call */
	/* the last one's, for store_is_told: those before it were not open; 0: there is none */
	uint64_t deletion;
};

/* Delete some of the objects whose names begin with @prefix, from the cursor (any number) of
 * *ret_progress on. The first one that is open is the last of the call. */
void store_delete_prefix(struct store *store, const char *prefix, size_t prefix_bytes,
			 struct store_prefix *ret_progress);

/* Tell openers of deletions, of several in turn: call `deleted` for up to @count_max handles.
 * Returns whether there is more to tell. */
bool store_tell(struct store *store, unsigned count_max);
bool store_is_telling(const struct store *store);
/* Whether `deleted` was called for every handle of the object of @deletion. */
bool store_is_told(const struct store *store, uint64_t deletion);
/* Tell @opener of the deletions that it could not take before, as far as it takes them now. Returns
 * whether that was all. */
bool store_opener_tell(struct store_opener *opener);

/* Returns WIRE_OK, NAME, NOT_FOUND. */
enum wire_status store_stat(const struct store *store, const char *name, size_t name_bytes,
			    struct store_object_stat *ret_stat);

/*
 * Find the object at or after *cursor (0 at first), in no order; *cursor moves behind it. Returns
 * false after the last. O(1) amortised over a listing.
 */
bool store_next(const struct store *store, uint32_t *cursor, struct store_object_stat *ret_stat);

/* The same for open objects; others are passed over 64 at a time. Where it returns true, *cursor -
 * 1 finds the same object again. */
bool store_next_open(const struct store *store, uint32_t *cursor,
		     struct store_object_stat *ret_stat);

/*
 * For the sweep of a dead session: find the opener's open handle at or after *cursor (0 or 1 at
 * first), also of a deleted object; *cursor moves behind it. *cursor is no handle: the reference
 * has the handle, which may be closed before the next call. Returns false after the last.
 */
bool store_opener_next(const struct store_opener *opener, uint32_t *cursor,
		       struct store_reference *ret_reference);

#endif
