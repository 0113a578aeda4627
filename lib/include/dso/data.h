/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, registers, and memory of one's own. Included by dso/dso.h. */
#ifndef DSO_DATA_H
#define DSO_DATA_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- counter: an int64 ---- */

struct dso_counter_params {
	int64_t initial; /* the value at creation */
	/* words that additions spread over, 1 to 64; 0: any (1 at creation). With more than
		 * one, adding scales with contention and reading costs as many atomics */
	uint32_t stripes;
	uint32_t reserved; /* zero */
};

/*
 * dso_counter_open - open the counter @name, created when there is none. @params NULL: whatever
 * exists, else the defaults. One control round trip. *ret_counter is given back with
 * dso_counter_close(). Returns 0, -EINVAL (the name is empty or NULL; a parameter is out of range,
 * or other than the existing object's: of a counter the stripes alone; a reserved one is not zero),
 * -ENAMETOOLONG, -EEXIST (an object of another type has that name), -ENOSPC (the arena is full),
 * -ENFILE (the namespace has as many objects as it may), -EMFILE (the session has as many objects
 * open as it may), -EIO (storaged has no memory of its own for it), -ECONNRESET (the connection was
 * lost before the answer came: it may have been created or not), -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT,
 * -EPROTO, -ENOMEM.
 */
int dso_counter_open(struct dso_session *session, const char *name,
		     const struct dso_counter_params *params, struct dso_counter **ret_counter);

/* dso_counter_close - give a handle back; waits for what was submitted in the session. The counter
 * stays. NULL does nothing. */
void dso_counter_close(struct dso_counter *counter);

/*
 * dso_counter_add - add @delta to the counter, atomically, on its storage host.
 * One one-sided fetch-and-add. On success *ret_before (may be NULL) holds the value before the
 * addition; of a striped counter, that of the stripe added to. Overflow wraps.
 * Returns 0, -ESTALE (the counter was deleted), -ECONNRESET (connection lost before the outcome was
 * known: the addition may or may not have happened; it is never retried), -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_add(struct dso_counter *counter, int64_t delta, int64_t *ret_before);

/*
 * dso_counter_get - read the counter. One fetch-and-add of 0 a stripe, in one round trip; of a
 * striped counter the sum need not be a value that it had at one instant, but counts every addition
 * that ended before the call. Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_get(struct dso_counter *counter, int64_t *ret_value);

/*
 * dso_counter_set - give the counter @value. Compare-and-swap until it holds.
 * Returns 0, -EOPNOTSUPP (the counter is striped), -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN,
 * -ETIMEDOUT (others changed it all the time for longer than the session's timeout).
 */
int dso_counter_set(struct dso_counter *counter, int64_t value);

/*
 * dso_counter_exchange - give the counter @value and learn what it was before. Errors as for set.
 */
int dso_counter_exchange(struct dso_counter *counter, int64_t value, int64_t *ret_before);

/*
 * dso_counter_cas - give the counter @value if it holds @expected. One one-sided compare-and-swap.
 * *ret_before holds the value before: it was swapped if that equals @expected.
 * Returns 0 (also where it was not swapped), -EOPNOTSUPP (the counter is striped), -ESTALE,
 * -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_cas(struct dso_counter *counter, int64_t expected, int64_t value,
		    int64_t *ret_before);

/* ---- register: bytes with a version ---- */

struct dso_register_params {
	/* 1 to 64 MiB; 0: any (64 KiB at creation). Takes twice that of memory */
	uint64_t capacity_bytes;
	uint64_t reserved; /* zero */
};

/*
 * dso_register_open - open the register @name, created empty at version 0 when there is none.
 * *ret_register is given back with dso_register_close(). Errors as for dso_counter_open().
 */
int dso_register_open(struct dso_session *session, const char *name,
		      const struct dso_register_params *params, struct dso_register **ret_register);

/* dso_register_close - give a handle back. The register stays. NULL does nothing. */
void dso_register_close(struct dso_register *reg);

/*
 * dso_register_get - read one whole version into @buffer of @buffer_bytes. One round trip where the
 * version is still the one last seen by this handle or follows it by two, and the value no longer
 * than the last one read or 4 KiB, and than 64 KiB; else two, and one more for each further 4 MiB.
 * *ret_length is its length, *ret_version its number (0: never set). Both are also set when it
 * returns -EMSGSIZE (the value is longer than @buffer_bytes; a @buffer of NULL has none). On
 * failure the contents of @buffer are undefined. Returns 0, -EMSGSIZE, -ESTALE, -ETIMEDOUT (writers
 * replaced it faster than it could be read), -EBADMSG (what lies there is not what a writer wrote),
 * -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_get(struct dso_register *reg, void *buffer, size_t buffer_bytes,
		     size_t *ret_length, uint64_t *ret_version);

/*
 * dso_register_set - replace the value by @length_bytes of @value. Two round trips; one more where
 * another session has set it since this handle last looked, and for each further 4 MiB. Readers see
 * the old value or the new one, never a mixture; a writer that dies leaves the old one.
 * *ret_version is the new one's number.
 * Returns 0, -EMSGSIZE (longer than the capacity), -EOVERFLOW (it is at DSO_REGISTER_VERSION_MAX,
 * and stays there), -ESTALE, -ETIMEDOUT (other writers were at it for longer than the session's
 * timeout), -ECONNRESET (it may or may not have been set), -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_set(struct dso_register *reg, const void *value, size_t length_bytes,
		     uint64_t *ret_version);

/*
 * dso_register_set_if_version - as set, if the version is still @expected (0: never set). A number
 * beyond DSO_REGISTER_VERSION_MAX is no version, and never the register's.
 * Returns 0, -EAGAIN (the version is another; *ret_version, also set then, is that), and as set.
 */
int dso_register_set_if_version(struct dso_register *reg, uint64_t expected, const void *value,
				size_t length_bytes, uint64_t *ret_version);

/*
 * dso_register_exchange - as set, and read the value replaced into @buffer, as get does. When that
 * is longer than @buffer_bytes nothing is changed and -EMSGSIZE is returned, with the length and
 * version of the value that is there.
 */
int dso_register_exchange(struct dso_register *reg, const void *value, size_t length_bytes,
			  void *buffer, size_t buffer_bytes, size_t *ret_length,
			  uint64_t *ret_version);

/*
 * dso_register_version - the number of the current version, 0 if never set. One fetch-and-add of 0.
 * Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_version(struct dso_register *reg, uint64_t *ret_version);

/*
 * dso_register_size - the length of the current value, 0 if never set. Errors as for
 * dso_register_get(), but for -EMSGSIZE.
 */
int dso_register_size(struct dso_register *reg, size_t *ret_length);

/* dso_register_capacity - the bytes that a value may have. Does not block. */
uint64_t dso_register_capacity(const struct dso_register *reg);

/* ---- memory of one's own ---- */

struct dso_memory_params {
	uint64_t size_bytes; /* 1 to 2^40; 0: any (4096 at creation) */
	uint64_t reserved;   /* zero */
};

/*
 * dso_memory_open - open @name, created zeroed when there is none. *ret_memory is given back with
 * dso_memory_close(). Errors as for dso_counter_open().
 */
int dso_memory_open(struct dso_session *session, const char *name,
		    const struct dso_memory_params *params, struct dso_memory **ret_memory);

/* dso_memory_close - give a handle back. The memory stays. NULL does nothing. */
void dso_memory_close(struct dso_memory *memory);

/* dso_memory_size - its bytes. Does not block. */
uint64_t dso_memory_size(const struct dso_memory *memory);

/*
 * dso_memory_read - copy @length_bytes from @offset into @buffer. Not atomic, not even 8 bytes of
 * it: a READ is a hint, the result of an atomic is a fact. Returns 0, -ERANGE (outside the object),
 * -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_memory_read(struct dso_memory *memory, uint64_t offset, void *buffer, size_t length_bytes);

/*
 * dso_memory_write - copy @length_bytes of @buffer to @offset. Not atomic; never use it on a word
 * that atomics change. Returns 0, -ERANGE (outside the object), -ESTALE, -ECONNRESET, -ENOTCONN,
 * -ESHUTDOWN.
 */
int dso_memory_write(struct dso_memory *memory, uint64_t offset, const void *buffer,
		     size_t length_bytes);

/*
 * dso_memory_cas - if the 8 bytes at @offset equal @expected, replace them by @value.
 * *ret_before is what they were. Returns 0 (also where nothing was replaced), -ERANGE (outside the
 * object), -EINVAL (@offset is no multiple of 8), -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_memory_cas(struct dso_memory *memory, uint64_t offset, uint64_t expected, uint64_t value,
		   uint64_t *ret_before);

/*
 * dso_memory_fetch_add - add @delta to the 8 bytes at @offset; *ret_before is what they were. With
 * a @delta of 0 it is an atomic load. Errors as for cas.
 */
int dso_memory_fetch_add(struct dso_memory *memory, uint64_t offset, uint64_t delta,
			 uint64_t *ret_before);

/*
 * dso_memory_wait - sleep until somebody wakes the word at @offset, if it still has the value
 * @expected: futex(2) on memory of another host. It spins for about a control round trip before it
 * sleeps at storaged. Afterwards look at the word by fetch_add of 0: being woken says nothing of
 * its value, and it may happen without a wake, as when a session ended that had the memory open.
 * Changes of the word wake nobody by themselves. @timeout: nanoseconds, DSO_NOWAIT, DSO_FOREVER.
 * Returns 0 (woken, or the word had another value), -ETIMEDOUT (not woken in time),
 * -ECANCELED (dso_interrupt()), -ERANGE (outside the object), -EINVAL (@offset is no multiple of 8,
 * or the timeout negative), -EOPNOTSUPP (storaged is older than this library).
 */
int dso_memory_wait(struct dso_memory *memory, uint64_t offset, uint64_t expected, int64_t timeout);

/*
 * dso_memory_wake - wake up to @count of those that sleep on the word at @offset, the longest
 * sleeping first; UINT32_MAX: all. To be called after the word was changed. *ret_woken is how many
 * there were; where it is not wanted (NULL) storaged is not waited for. Returns 0, -ERANGE (outside
 * the object), -EINVAL (@offset is no multiple of 8), -EOPNOTSUPP (storaged is older than this
 * library).
 */
int dso_memory_wake(struct dso_memory *memory, uint64_t offset, uint32_t count,
		    uint32_t *ret_woken);

DSO_DECLARATIONS_END

#endif
