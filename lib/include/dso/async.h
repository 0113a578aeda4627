/* SPDX-License-Identifier: Apache-2.0 */
/* The asynchronous form. Included by dso/dso.h. */
#ifndef DSO_ASYNC_H
#define DSO_ASYNC_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- the asynchronous form ---- */

/*
 * Each one-sided verb has a twin that takes a @tag and returns without waiting for the answer.
 * Operations of a session are executed in the order of their submission and complete in that order.
 * They may stay in the process until dso_flush(), which rings the doorbell once for all of them. A
 * buffer belongs to the operation until its completion was reaped. A twin returns the errors of its
 * verb that are known at once (-ERANGE, -EINVAL, -EOPNOTSUPP, -ESTALE, -ENOTCONN, -ESHUTDOWN) and
 * -EAGAIN (DSO_OUTSTANDING_MAX operations are submitted and not yet reaped: reap some); then
 * nothing was submitted. Every other error of the verb is the status of its completion.
 */
#define DSO_SUBMIT_BYTES_MAX 65536

struct dso_counter;
struct dso_memory;

struct dso_completion {
	uint64_t tag;
	int32_t status;    /* 0 or a negative errno, as the verb would return */
	uint32_t reserved; /* zero */
	uint64_t value;    /* of an atomic: the value before it */
};

/* dso_memory_read_submit - dso_memory_read(), asynchronous. Returns 0, -EMSGSIZE (more than
 * DSO_SUBMIT_BYTES_MAX), -ERANGE (outside the object, or 0 bytes), and as all of these. */
int dso_memory_read_submit(struct dso_memory *memory, uint64_t offset, void *buffer,
			   size_t length_bytes, uint64_t tag);
/* dso_memory_write_submit - dso_memory_write(), asynchronous. Returns 0, -EMSGSIZE (more than
 * DSO_SUBMIT_BYTES_MAX), -ERANGE (outside the object, or 0 bytes), and as all of these. */
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
 * dso_flush - ring the doorbell: start everything submitted. Blocks only while the connection takes
 * no more. Returns 0, -ENOTCONN (the connection is lost: dso_reap() has the outcomes).
 */
int dso_flush(struct dso_session *session);

/*
 * dso_reap - take up to @count_max completions, oldest first, into @completions. Where none is
 * there yet it flushes, and waits until there is at least one, for at most @timeout (nanoseconds,
 * DSO_NOWAIT, DSO_FOREVER); DSO_FOREVER, too, ends when the connection is given up. *ret_count is
 * how many were taken: 0 when nothing is outstanding, otherwise at least 1. Where @count_max is 0
 * it takes nothing, flushes nothing and does not wait. Returns 0, -ETIMEDOUT (nothing has completed
 * in time), -EINVAL (a negative timeout other than DSO_FOREVER), -ENOTCONN (in a forked child).
 */
int dso_reap(struct dso_session *session, struct dso_completion *completions, size_t count_max,
	     int64_t timeout, size_t *ret_count);

/*
 * dso_fd - a file descriptor that polls readable when dso_reap() may have something to return. The
 * descriptor is the session's and stays the same; do not close it. Each call arms it: reap with
 * DSO_NOWAIT until -ETIMEDOUT or a count of 0, call dso_fd(), then poll. Does not block. After
 * -EMFILE and its like it can be called again. Returns the descriptor, -EMFILE (this process has as
 * many descriptors as it may), -ENFILE (the system has), -ENOMEM (the kernel has no memory for it),
 * -ENOSPC (this user watches as many descriptors as epoll allows), -ENOTCONN (in a forked child).
 */
int dso_fd(struct dso_session *session);

DSO_DECLARATIONS_END

#endif
