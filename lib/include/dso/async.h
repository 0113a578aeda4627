/* SPDX-License-Identifier: Apache-2.0 */
/* The asynchronous form. Included by dso/dso.h. */
#ifndef DSO_ASYNC_H
#define DSO_ASYNC_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- the asynchronous form ---- */

/*
 * Each one-sided verb has a twin that takes a @tag and returns at once. Operations of a session are
 * executed in the order of their submission and complete in that order. They may leave the process
 * only at dso_flush(), which rings the doorbell once for all of them. Buffers belong to the
 * operation until its completion was reaped. Besides the errors of the verb that are known at once
 * (-ERANGE, -EINVAL, -ESTALE, -ENOTCONN, -ESHUTDOWN), each returns -EAGAIN (DSO_OUTSTANDING_MAX are
 * submitted and not yet reaped: flush and reap).
 */
#define DSO_SUBMIT_BYTES_MAX 65536

struct dso_completion {
	uint64_t tag;
	int32_t status;    /* 0 or a negative errno, as of the verb */
	uint32_t reserved; /* zero */
	uint64_t value;    /* atomics: the value before */
};

/* dso_memory_read_submit - dso_memory_read(), asynchronous. Returns also -EMSGSIZE (more than
 * DSO_SUBMIT_BYTES_MAX), -ERANGE (0 bytes, too). */
int dso_memory_read_submit(struct dso_memory *memory, uint64_t offset, void *buffer,
			   size_t length_bytes, uint64_t tag);
/* dso_memory_write_submit - dso_memory_write(), asynchronous. Returns also -EMSGSIZE (more than
 * DSO_SUBMIT_BYTES_MAX), -ERANGE (0 bytes, too). */
int dso_memory_write_submit(struct dso_memory *memory, uint64_t offset, const void *buffer,
			    size_t length_bytes, uint64_t tag);
/* dso_memory_cas_submit - dso_memory_cas(), asynchronous. */
int dso_memory_cas_submit(struct dso_memory *memory, uint64_t offset, uint64_t expected,
			  uint64_t value, uint64_t tag);
/* dso_memory_fetch_add_submit - dso_memory_fetch_add(), asynchronous. */
int dso_memory_fetch_add_submit(struct dso_memory *memory, uint64_t offset, uint64_t delta,
				uint64_t tag);
/* dso_counter_add_submit - dso_counter_add(), asynchronous. */
int dso_counter_add_submit(struct dso_counter *counter, int64_t delta, uint64_t tag);
/* dso_counter_cas_submit - dso_counter_cas(), asynchronous. */
int dso_counter_cas_submit(struct dso_counter *counter, int64_t expected, int64_t value,
			   uint64_t tag);

/*
 * dso_flush - ring the doorbell: start everything submitted. May block, for at most the session's
 * timeout, where the connection takes no more. Returns 0, -ENOTCONN (the connection is lost:
 * dso_reap() has the outcomes).
 */
int dso_flush(struct dso_session *session);

/*
 * dso_reap - take up to @count_max completions, oldest first, into @completions. Where none is
 * there yet it flushes, and waits until there is at least one, for at most @timeout (DSO_NOWAIT,
 * DSO_FOREVER); also DSO_FOREVER ends when the connection is given up. *ret_count is 0 when nothing
 * is outstanding, and at least 1 else. Returns 0, -ETIMEDOUT (nothing has completed in time),
 * -EINVAL (a negative timeout other than DSO_FOREVER), -ENOTCONN (in a forked child). Where
 * @count_max is 0 it takes nothing, flushes nothing and does not wait: 0, with a *ret_count of 0.
 */
int dso_reap(struct dso_session *session, struct dso_completion *completions, size_t count_max,
	     int64_t timeout, size_t *ret_count);

/*
 * dso_fd - a file descriptor that polls readable when dso_reap() may have something to return. It
 * belongs to the session and stays the same. It is armed by each call: reap with DSO_NOWAIT until
 * -ETIMEDOUT or a count of 0, call dso_fd(), then poll. Returns the descriptor, -EMFILE (the
 * process has as many descriptors as it may; it can be called again), -ENOTCONN (in a forked
 * child).
 */
int dso_fd(struct dso_session *session);

DSO_DECLARATIONS_END

#endif
