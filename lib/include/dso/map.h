/* SPDX-License-Identifier: Apache-2.0 */
/* Maps and sets: bytes by keys. Included by dso/dso.h. */
#ifndef DSO_MAP_H
#define DSO_MAP_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- map: values of bytes, by keys of bytes; many clients change it at once ---- */

/*
 * Keys have 0 to 1,024 bytes, values 0 to 1 MiB. The map grows with what is put into it. Each call
 * is atomic for its key. No client waits for another one, also not for one that is frozen or has
 * ended in the middle of a call. An entry has a version: a number that is another one each time
 * that the entry is written, and says nothing else.
 *
 * All calls block for the round trips that they name, where no other client changes the same
 * entries. A client needs a place among those that change the map (dso_map_params.members) from its
 * first change until it closes the handle; those that only read need none.
 */

struct dso_map;

struct dso_map_params {
	uint32_t members;   /* sessions that change it at a time, 16 to 1,024; 0: any (1,024) */
	uint32_t ephemeral; /* see DSO_EPHEMERAL */
};

/* dso_map_open - open the map @name, created empty when there is none. *ret_map is the caller's, to
 * be given back with dso_map_close(). Errors as for dso_counter_open(). */
int dso_map_open(struct dso_session *session, const char *name, const struct dso_map_params *params,
		 struct dso_map **ret_map);

/* dso_map_close - free the handle. The map stays. Blocks for a round trip where the handle has
 * changed the map, and waits for what was submitted in the session. NULL does nothing. */
void dso_map_close(struct dso_map *map);

/*
 * dso_map_get - read the value of @key into @buffer of @buffer_bytes. *ret_length is its length,
 * *ret_version the entry's version; both are set with -EMSGSIZE, too. One round trip where key and
 * value are 40 bytes together at most, or where the handle has seen the entry (it remembers 32,768
 * places), otherwise two; more for values that are longer than those that the handle has read
 * before. Returns 0, -ENOENT (the map has no such key), -EMSGSIZE (the
 * value is longer than @buffer_bytes), -EINVAL (the key is longer than DSO_MAP_KEY_BYTES_MAX),
 * -EBADMSG (what lies there is no entry: something wrote over it), -ETIMEDOUT (others changed the
 * entry all the time), -ESTALE, -ENOMEM, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_map_get(struct dso_map *map, const void *key, size_t key_bytes, void *buffer,
		size_t buffer_bytes, size_t *ret_length, uint64_t *ret_version);

/*
 * dso_map_put - set the value of @key, whether or not it has one. *ret_version is the version that
 * it has given the entry. Where another client puts @key meanwhile, this put may count as the one
 * right before it: nobody reads its value or version then. Three round trips; one over an entry
 * that the handle has seen and that is longer than 40 bytes with its key. Returns 0, -EINVAL (the
 * key is longer than DSO_MAP_KEY_BYTES_MAX), -EMSGSIZE (the value is longer than
 * DSO_MAP_VALUE_BYTES_MAX), -ENOSPC (the arena is full, or hashes that are alike fill all that a
 * map can have), -EUSERS (as many sessions change the map as may at a time), -EBADMSG (what lies
 * there is no map: something wrote over it), -ETIMEDOUT (others were quicker all the time),
 * -ESTALE, -ECONNRESET (it may or may not have been put), -ENOMEM, -ENOTCONN, -ESHUTDOWN,
 * -EOPNOTSUPP (storaged is older than this library). With each error but -ECONNRESET this call has
 * not changed the entry.
 */
int dso_map_put(struct dso_map *map, const void *key, size_t key_bytes, const void *value,
		size_t length_bytes, uint64_t *ret_version);

/* dso_map_put_if_absent - the same, unless the map has the key: -EEXIST, with the entry's version
 * in *ret_version. Other errors as for dso_map_put(). */
int dso_map_put_if_absent(struct dso_map *map, const void *key, size_t key_bytes, const void *value,
			  size_t length_bytes, uint64_t *ret_version);

/* dso_map_replace - the same, if the entry has the version @expected. -EAGAIN: it has another one,
 * which is in *ret_version. -ENOENT: the map has no such key. Other errors as for dso_map_put(). */
int dso_map_replace(struct dso_map *map, const void *key, size_t key_bytes, uint64_t expected,
		    const void *value, size_t length_bytes, uint64_t *ret_version);

/* dso_map_remove - remove @key and its value. Two round trips, or three. Returns 0, -ENOENT (the
 * map has no such key), otherwise as dso_map_put(). */
int dso_map_remove(struct dso_map *map, const void *key, size_t key_bytes);

/*
 * dso_map_wait - wait until the map has @key in another version than @seen, and read it as
 * dso_map_get(). @seen is a version that was read before, or 0: any version will do. An entry that
 * is removed and put again has another version; that it was removed ends no wait. Versions in
 * between may be missed. Parks at storaged, after a spin of one round trip. While any client waits
 * at a map, each put into it costs two round trips more, and wakes all that wait, who look again.
 * Returns what dso_map_get() does, but for -ENOENT, and -ETIMEDOUT (not within @timeout, or others
 * changed the entry all the time), -ECANCELED (dso_interrupt()), -EINVAL (a timeout that is
 * negative, or a key that is too long), -ECONNRESET (connection lost; it has changed nothing).
 */
int dso_map_wait(struct dso_map *map, const void *key, size_t key_bytes, uint64_t seen,
		 void *buffer, size_t buffer_bytes, int64_t timeout, size_t *ret_length,
		 uint64_t *ret_version);

/* dso_map_contains - whether the map has @key: *ret_contains is 1 or 0. Errors as for
 * dso_map_get(). */
int dso_map_contains(struct dso_map *map, const void *key, size_t key_bytes, int *ret_contains);

/* How dso_map_merge() makes a value of the one that is there and the one that is given. */
enum dso_merge {
	DSO_SUM_INT64 = 1, /* int64 in 8 bytes, little-endian; it wraps */
	DSO_MIN_INT64 = 2,
	DSO_MAX_INT64 = 3,
	DSO_SUM_DOUBLE = 4, /* double in 8 bytes, little-endian */
	DSO_MIN_DOUBLE = 5, /* a NaN stays one */
	DSO_MAX_DOUBLE = 6,
	DSO_APPEND = 7, /* the bytes that are given, behind those that are there */
	DSO_FIRST = 8   /* the value that is there */
};

/*
 * dso_map_merge - make a value for @key of the one that it has and the given one, atomically. Where
 * the map has no such key, the value is the given one. Three round trips, again and again while
 * others change the same entry. Returns 0, -EINVAL (no such function, or a value of 8
 * bytes is expected and the given one or the one that is there has another length), -EMSGSIZE (the
 * value would be longer than DSO_MAP_VALUE_BYTES_MAX), otherwise as dso_map_put().
 */
int dso_map_merge(struct dso_map *map, const void *key, size_t key_bytes, enum dso_merge function,
		  const void *value, size_t length_bytes, uint64_t *ret_version);

/* A key and its value, for many at once. */
struct dso_map_item {
	const void *key;
	size_t key_bytes;
	void *value;         /* get_many: room for it; put_many: the value, not written to */
	size_t value_bytes;  /* get_many: of the room; put_many: of the value */
	size_t length_bytes; /* get_many sets it: of the value */
	uint64_t version;    /* set: of the entry */
	int result;          /* set: what the call for that key alone would have returned */
	uint32_t reserved;   /* ignored */
};

/*
 * dso_map_get_many - dso_map_get() for @count keys, with the round trips of one for 32 of them.
 * Each item has its own result. Returns 0 where each result is 0, otherwise the first that is not.
 */
int dso_map_get_many(struct dso_map *map, struct dso_map_item *items, size_t count);

/*
 * dso_map_put_many - dso_map_put() for @count keys, with the round trips of one for 32 of them,
 * which are atomic each, and not together. Of two items with the same key, the second is put after
 * the first. Each item has its own result. Returns 0 where each result is 0, otherwise the first
 * that is not.
 */
int dso_map_put_many(struct dso_map *map, struct dso_map_item *items, size_t count);

/* An entry, as dso_map_scan() finds it. The pointers are valid until the function returns. */
struct dso_map_entry {
	const void *key;
	size_t key_bytes;
	const void *value;
	size_t length_bytes;
	uint64_t version;
};

/*
 * dso_map_scan - call @each with the next entries, up to about 2,000. *cursor is 0 at first, and
 * again when there are no more. An entry that is there from the first call to the last is met
 * exactly once, also while the map grows; one that comes or goes meanwhile, or does both, may be
 * met or not. If @each returns other than 0 the call ends; the cursor stays, and the next call
 * begins with the same entries. @each gets @context and must not use the session. Blocks for a few
 * round trips. Returns 0, what @each returned, -EINVAL (a cursor that no call has given), otherwise
 * as dso_map_get().
 */
int dso_map_scan(struct dso_map *map, uint64_t *cursor,
		 int (*each)(const struct dso_map_entry *entry, void *context), void *context);

/* dso_map_size - how many entries there are. What comes or goes meanwhile may be counted or not.
 * Blocks for a round trip for each thousand or so. Errors as for dso_map_get(). */
int dso_map_size(struct dso_map *map, uint64_t *ret_size);

/*
 * dso_map_clear - remove each entry that is there when the call begins, also if it is written over
 * meanwhile; one that comes later may be removed or not. The memory stays the map's, for entries to
 * come. Blocks for some round trips for each thousand entries or so, however many others put
 * meanwhile: where they write over the same entries all the time it gives up, with -ETIMEDOUT,
 * after the session's timeout. Errors as for dso_map_remove(), but for -ENOENT; entries may be left
 * then.
 */
int dso_map_clear(struct dso_map *map);

/* ---- set: keys without values ---- */

/* As a map whose values are empty, with the same limits, errors, and round trips. */

struct dso_set;

struct dso_set_params {
	uint32_t members;   /* sessions that change it at a time, 16 to 1,024; 0: any (1,024) */
	uint32_t ephemeral; /* see DSO_EPHEMERAL */
};

/* dso_set_open - open the set @name, created empty when there is none. Errors as for
 * dso_counter_open(). */
int dso_set_open(struct dso_session *session, const char *name, const struct dso_set_params *params,
		 struct dso_set **ret_set);

/* dso_set_close - free the handle. The set stays. As dso_map_close(). */
void dso_set_close(struct dso_set *set);

/* dso_set_add - put @key into the set. *ret_added is 1, or 0 where it was in the set. Errors as for
 * dso_map_put(). */
int dso_set_add(struct dso_set *set, const void *key, size_t key_bytes, int *ret_added);

/* dso_set_remove - take @key out. *ret_removed is 1, or 0 where it was not in the set. Errors as
 * for dso_map_put(). */
int dso_set_remove(struct dso_set *set, const void *key, size_t key_bytes, int *ret_removed);

/* dso_set_contains - whether @key is in the set: *ret_contains is 1 or 0. Errors as for
 * dso_map_get(). */
int dso_set_contains(struct dso_set *set, const void *key, size_t key_bytes, int *ret_contains);

/* dso_set_size - how many keys are in the set. As dso_map_size(). */
int dso_set_size(struct dso_set *set, uint64_t *ret_size);

/* dso_set_scan - as dso_map_scan(); the values are empty. */
int dso_set_scan(struct dso_set *set, uint64_t *cursor,
		 int (*each)(const struct dso_map_entry *entry, void *context), void *context);

/* dso_set_clear - take out each key that is in the set when the call begins. As dso_map_clear(). */
int dso_set_clear(struct dso_set *set);

DSO_DECLARATIONS_END

#endif
