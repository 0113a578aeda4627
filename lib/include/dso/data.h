/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, registers, and memory of one's own. Included by dso/dso.h. */
#ifndef DSO_DATA_H
#define DSO_DATA_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

struct dso_counter;

/* ---- counter: an int64 ---- */

struct dso_counter_params {
	int64_t initial; /* the value at creation */
	/* words that additions are spread over, 1 to DSO_COUNTER_STRIPES_MAX; 0: any (1 at
	 * creation). More than one makes adding faster under contention, and reading costs one
	 * atomic for each. */
	uint32_t stripes;
	uint32_t ephemeral; /* see DSO_EPHEMERAL */
};

/*
 * dso_counter_open - open the counter @name, creating it when there is none. @params NULL: accept
 * whatever exists, and create with the defaults. Blocks for one control round trip. *ret_counter is
 * the caller's, to be given back with dso_counter_close(). Returns 0, -EINVAL (the name is empty or
 * NULL; a parameter is out of range, or differs from the existing object's, of a counter only the
 * stripes, and whether it is ephemeral; there is no place for the handle), -EOPNOTSUPP (storaged is
 * too old to know of ephemeral objects), -ENAMETOOLONG,
 * -EEXIST (an object of another type has that name), -ENOSPC (the arena is full), -ENFILE (the
 * namespace has as many objects as it may), -EMFILE (the session has as many objects open as it
 * may), -EIO (storaged has no memory of its own for it), -ECONNRESET (the connection was lost
 * before the answer came: the object may or may not have been created), -ENOTCONN, -ESHUTDOWN,
 * -ETIMEDOUT, -EPROTO (what storaged answered breaks the protocol, or storaged is older than this
 * type of object), -ENOMEM.
 */
int dso_counter_open(struct dso_session *session, const char *name,
		     const struct dso_counter_params *params, struct dso_counter **ret_counter);

/* dso_counter_close - free the handle. The counter stays. Waits for what was submitted in the
 * session. NULL does nothing. */
void dso_counter_close(struct dso_counter *counter);

/*
 * dso_counter_add - add @delta to the counter, atomically, on its storage host.
 * One one-sided fetch-and-add. *ret_before is the value before the addition; of a striped counter
 * it is that of the stripe that was added to. Overflow wraps. Returns 0, -ESTALE (the counter was
 * deleted), -ECONNRESET (the connection was lost before the outcome was known: the addition may or
 * may not have happened; it is never retried), -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_add(struct dso_counter *counter, int64_t delta, int64_t *ret_before);

/*
 * dso_counter_get - read the counter. One fetch-and-add of 0 a stripe, all in one round trip. The
 * sum of a striped counter need not be a value that it had at one instant, but it counts every
 * addition that ended before the call. Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_get(struct dso_counter *counter, int64_t *ret_value);

/*
 * dso_counter_set - set the counter to @value. Repeats a compare-and-swap until it succeeds, for at
 * most the session's timeout. Returns 0, -EOPNOTSUPP (the counter is striped), -ESTALE,
 * -ECONNRESET, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT (other sessions kept changing it for longer than
 * that).
 */
int dso_counter_set(struct dso_counter *counter, int64_t value);

/*
 * dso_counter_exchange - set the counter to @value; *ret_before is its value before. Waits as
 * dso_counter_set() does. Errors as for set.
 */
int dso_counter_exchange(struct dso_counter *counter, int64_t value, int64_t *ret_before);

/*
 * dso_counter_cas - set the counter to @value if it holds @expected. One one-sided
 * compare-and-swap. *ret_before is the value before: the counter was set if that equals @expected.
 * Returns 0 (also where it was not set), -EOPNOTSUPP (the counter is striped), -ESTALE,
 * -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_cas(struct dso_counter *counter, int64_t expected, int64_t value,
		    int64_t *ret_before);

/*
 * dso_counter_wait - wait until the counter's value is @at_least, or more, for at most @timeout
 * (nanoseconds, DSO_NOWAIT, DSO_FOREVER). *ret_value is the value that ended the wait. Additions
 * cost nothing more for a counter that is waited for, and send no message: the waiter is parked at
 * storaged, which looks at the counter itself. Its looks are 50 us apart at first and up to 800 us
 * apart later, so that the end of a wait comes late by up to an eighth of the wait, 800 us at most,
 * and a way from storaged; and later where so many sessions wait that looks would take more than a
 * fifth of storaged's time. A value that the counter had between two looks may go unnoticed. Of a
 * striped counter the value is the sum, as dso_counter_get() reads it. Returns 0, -ETIMEDOUT (the
 * value was not there within @timeout, also at a last look after it), -ECANCELED (dso_interrupt()
 * ended the wait), -EINVAL (the timeout is negative and not DSO_FOREVER), -ESTALE, -EOPNOTSUPP (it
 * had to wait, and storaged is older than this function), -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_wait(struct dso_counter *counter, int64_t at_least, int64_t timeout,
		     int64_t *ret_value);

/* dso_counter_wait_change - as dso_counter_wait(), until the counter's value is another one than
 * @seen. */
int dso_counter_wait_change(struct dso_counter *counter, int64_t seen, int64_t timeout,
			    int64_t *ret_value);

struct dso_register;

/* ---- register: bytes with a version ---- */

struct dso_register_params {
	/* 1 to DSO_REGISTER_BYTES_MAX; 0: any (64 KiB at creation). A register takes twice its
	 * capacity of memory. */
	uint64_t capacity_bytes;
	uint64_t ephemeral; /* see DSO_EPHEMERAL */
};

/*
 * dso_register_open - open the register @name, created empty at version 0 when there is none.
 * *ret_register is the caller's, to be given back with dso_register_close(). Errors as for
 * dso_counter_open().
 */
int dso_register_open(struct dso_session *session, const char *name,
		      const struct dso_register_params *params, struct dso_register **ret_register);

/* dso_register_close - free the handle. The register stays. Waits for what was submitted in the
 * session. NULL does nothing. */
void dso_register_close(struct dso_register *reg);

/*
 * dso_register_get - read one whole version into @buffer of @buffer_bytes. *ret_length is its
 * length, *ret_version its number (0: never set). Both are set also with -EMSGSIZE. After a failure
 * the contents of @buffer are undefined. A @buffer of NULL has room for 0 bytes. It takes one round
 * trip if the version is the one that this handle last saw, or an even number of versions newer,
 * and the value is at most 64 KiB and not longer than the larger of 4 KiB and the last value read.
 * A longer value takes one more for each 4 MiB of the rest. An odd number of versions newer takes
 * one more for the other slot, and one for each 4 MiB of the value. Returns 0, -EMSGSIZE (the value
 * is longer than @buffer_bytes), -ESTALE, -ETIMEDOUT (writers replaced it faster than it could be
 * read, for the session's timeout), -EBADMSG (what lies there is not what a writer wrote),
 * -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_get(struct dso_register *reg, void *buffer, size_t buffer_bytes,
		     size_t *ret_length, uint64_t *ret_version);

/*
 * dso_register_set - replace the value by @length_bytes of @value. *ret_version is the number of
 * the new version. Readers see the old value or the new one, never a mixture; a writer that dies
 * leaves the old one. It takes two round trips, one more where another session has set the register
 * since this handle last looked, and one more for each further 4 MiB. It waits for other writers,
 * for at most the session's timeout. Returns 0, -EMSGSIZE (longer than the capacity), -EOVERFLOW
 * (it is at DSO_REGISTER_VERSION_MAX, and stays there), -ESTALE, -ETIMEDOUT (other writers had it
 * for longer than that), -ECONNRESET (it may or may not have been set), -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_set(struct dso_register *reg, const void *value, size_t length_bytes,
		     uint64_t *ret_version);

/*
 * dso_register_set_if_version - as dso_register_set(), if the version is still @expected (0: never
 * set). A number beyond DSO_REGISTER_VERSION_MAX is no version, and so never the register's.
 * Returns 0, -EAGAIN (the version is another one; *ret_version is set to it), and as set.
 */
int dso_register_set_if_version(struct dso_register *reg, uint64_t expected, const void *value,
				size_t length_bytes, uint64_t *ret_version);

/*
 * dso_register_exchange - as dso_register_set(), and read the value that is replaced into @buffer
 * of @buffer_bytes, as dso_register_get() does. *ret_length is the length of the old value,
 * *ret_version the number of the new one. With -EMSGSIZE for the buffer both are set, to the length
 * and number of the value that is there. Returns 0, -EMSGSIZE (the new value is longer than the
 * capacity, or the old one than @buffer_bytes; nothing was changed), -EBADMSG (what lies there is
 * not what a writer wrote; nothing was changed), and as set.
 */
int dso_register_exchange(struct dso_register *reg, const void *value, size_t length_bytes,
			  void *buffer, size_t buffer_bytes, size_t *ret_length,
			  uint64_t *ret_version);

/*
 * dso_register_wait - wait until the version is newer than @newer_than (0: until it was ever set),
 * for at most @timeout (nanoseconds, DSO_NOWAIT, DSO_FOREVER), and read that version or a newer one
 * as dso_register_get() does. A @buffer of NULL reads no value: *ret_length is still its length.
 * Versions in between may go unnoticed. A session that sets the register wakes the waiters, and
 * sends no message where there are none. Returns 0, -ETIMEDOUT (no newer version within @timeout;
 * or, as for get, writers were faster than the reader), -ECANCELED (dso_interrupt() ended the
 * wait), -EINVAL (the timeout is negative and not DSO_FOREVER; @newer_than is
 * DSO_REGISTER_VERSION_MAX or more), -EOPNOTSUPP (it had to wait, and storaged is older than this
 * function), and as get.
 */
int dso_register_wait(struct dso_register *reg, uint64_t newer_than, void *buffer,
		      size_t buffer_bytes, int64_t timeout, size_t *ret_length,
		      uint64_t *ret_version);

/*
 * dso_register_version - the number of the current version, 0 if it was never set. One
 * fetch-and-add of 0. Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_version(struct dso_register *reg, uint64_t *ret_version);

/*
 * dso_register_size - the length of the current value, 0 if it was never set. Errors as for
 * dso_register_get(), but for -EMSGSIZE.
 */
int dso_register_size(struct dso_register *reg, size_t *ret_length);

/* dso_register_capacity - the most bytes that a value may have. Does not block. */
uint64_t dso_register_capacity(const struct dso_register *reg);

struct dso_memory;

/* ---- memory of one's own ---- */

struct dso_memory_params {
	uint64_t size_bytes; /* 1 to 2^40; 0: any (4096 at creation) */
	uint64_t ephemeral;  /* see DSO_EPHEMERAL */
};

/*
 * dso_memory_open - open the memory @name, created zeroed when there is none. *ret_memory is the
 * caller's, to be given back with dso_memory_close(). Errors as for dso_counter_open().
 */
int dso_memory_open(struct dso_session *session, const char *name,
		    const struct dso_memory_params *params, struct dso_memory **ret_memory);

/* dso_memory_close - free the handle. The memory stays. Waits for what was submitted in the
 * session. NULL does nothing. */
void dso_memory_close(struct dso_memory *memory);

/* dso_memory_size - how many bytes the memory has. Does not block. */
uint64_t dso_memory_size(const struct dso_memory *memory);

/*
 * dso_memory_read - copy @length_bytes from @offset into @buffer. A READ is not atomic, not even of
 * 8 bytes: it is a hint, and the result of an atomic is a fact. Returns 0, -ERANGE (outside the
 * object), -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_memory_read(struct dso_memory *memory, uint64_t offset, void *buffer, size_t length_bytes);

/*
 * dso_memory_write - copy @length_bytes of @buffer to @offset. A WRITE is not atomic; never use it
 * on a word that atomics change. Returns 0, -ERANGE (outside the object), -ESTALE, -ECONNRESET,
 * -ENOTCONN, -ESHUTDOWN.
 */
int dso_memory_write(struct dso_memory *memory, uint64_t offset, const void *buffer,
		     size_t length_bytes);

/*
 * dso_memory_cas - if the 8 bytes at @offset equal @expected, replace them by @value. *ret_before
 * is what they were before. Returns 0 (also where nothing was replaced), -ERANGE (outside the
 * object), -EINVAL (@offset is no multiple of 8), -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_memory_cas(struct dso_memory *memory, uint64_t offset, uint64_t expected, uint64_t value,
		   uint64_t *ret_before);

/*
 * dso_memory_fetch_add - add @delta to the 8 bytes at @offset; *ret_before is what they were
 * before. Overflow wraps. With a @delta of 0 it is an atomic load. Errors as for cas.
 */
int dso_memory_fetch_add(struct dso_memory *memory, uint64_t offset, uint64_t delta,
			 uint64_t *ret_before);

/*
 * dso_memory_wait - sleep until the word at @offset is woken by dso_memory_wake(), if it still has
 * the value @expected: futex(2) on memory of another host. It spins for about a control round trip
 * before it parks at storaged, and waits for at most @timeout (nanoseconds, DSO_NOWAIT,
 * DSO_FOREVER). A change of the word alone wakes no waiter. After a wake-up look at the word by a
 * dso_memory_fetch_add() of 0: the wake-up says nothing about its value, and it may come without a
 * dso_memory_wake(), as when a session ends that had the memory open. Returns 0 (woken, or the word
 * had another value), -ETIMEDOUT (not woken within @timeout), -ECANCELED (dso_interrupt() ended the
 * wait), -ERANGE (outside the object), -EINVAL (@offset is no multiple of 8; or the timeout is
 * negative and not DSO_FOREVER), -EOPNOTSUPP (storaged is older than this library).
 */
int dso_memory_wait(struct dso_memory *memory, uint64_t offset, uint64_t expected, int64_t timeout);

/*
 * dso_memory_wake - wake up to @count of the sessions that sleep on the word at @offset, the
 * longest sleeping first; UINT32_MAX: all. Call it after the word was changed. *ret_woken is how
 * many were woken. It waits for storaged's answer where @ret_woken is not NULL, or @count is more
 * than 1024; only then it can return -ETIMEDOUT or -EPROTO. Returns 0, -ERANGE (outside the
 * object), -EINVAL (@offset is no multiple of 8), -EOPNOTSUPP (storaged is older than this
 * library), -ETIMEDOUT, -EPROTO.
 */
int dso_memory_wake(struct dso_memory *memory, uint64_t offset, uint32_t count,
		    uint32_t *ret_woken);

DSO_DECLARATIONS_END

#endif
