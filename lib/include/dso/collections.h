/* SPDX-License-Identifier: Apache-2.0 */
/* Data of many items: queues. Included by dso/dso.h. */
#ifndef DSO_COLLECTIONS_H
#define DSO_COLLECTIONS_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- queue: items of bytes, of many producers, for many consumers ---- */

/*
 * A consumer gets the items of one producer in the order in which that producer pushed them, and
 * each item goes to one consumer. A producer that ends in the middle of a push leaves nothing
 * behind. A consumer that ends in the middle of a pop may take the item with it. A consumer that
 * leases an item and ends does not: the item comes back, and goes to another one. An item may come
 * behind later ones of its producer if it came back, or if a consumer ended or gave up waiting in
 * the middle of the pop that was to take it.
 */

struct dso_queue;

struct dso_queue_params {
	uint64_t capacity;   /* items, 1 to 2^20; 0: any (1,024 at creation) */
	uint32_t item_bytes; /* the most of an item, 1 to 65,536; 0: any (224 at creation) */
	uint32_t reserved;   /* zero */
};

struct dso_queue_item {
	void *bytes;         /* push: the item, not written to; pop and lease: room for one */
	size_t bytes_max;    /* pop and lease: of the room, dso_queue_item_bytes() at least */
	size_t length_bytes; /* of the item. pop and lease set it */
	uint64_t ticket;     /* set by pop and lease: what a lease is ended by */
	uint32_t deliveries; /* set by pop and lease: how often it was handed out, now included */
	uint32_t reserved;   /* not looked at */
};

/*
 * dso_queue_open - open the queue @name, created empty when there is none. It takes its capacity
 * times the longest item of memory, and 32 bytes an item, in whole lines of 64. *ret_queue is
 * given back with dso_queue_close(). Errors as for dso_counter_open().
 */
int dso_queue_open(struct dso_session *session, const char *name,
		   const struct dso_queue_params *params, struct dso_queue **ret_queue);

/* dso_queue_close - give a handle back. What it has leased is given back, too. The queue stays.
 * NULL does nothing. */
void dso_queue_close(struct dso_queue *queue);

/* dso_queue_capacity - the items that it takes. Does not block. */
uint32_t dso_queue_capacity(const struct dso_queue *queue);

/* dso_queue_item_bytes - the bytes that an item may have. Does not block. */
uint32_t dso_queue_item_bytes(const struct dso_queue *queue);

/*
 * dso_queue_push - append an item of @length_bytes (0 is allowed). While the queue is full it waits
 * for at most @timeout (nanoseconds, DSO_NOWAIT, DSO_FOREVER). Three round trips.
 * Returns 0, -ETIMEDOUT (full all the time), -EPIPE (the queue is shut down), -EMSGSIZE (longer
 * than an item may be), -ECANCELED (dso_interrupt), -EINVAL (@timeout), -ESTALE, -ECONNRESET (it
 * may have been appended or not), -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP (storaged is too old).
 */
int dso_queue_push(struct dso_queue *queue, const void *bytes, size_t length_bytes,
		   int64_t timeout);

/*
 * dso_queue_push_many - append @count items in order; three round trips for 32 of them. On an
 * error, too, *ret_pushed (may be NULL) is how many were appended: the first ones. With -ECONNRESET
 * up to 32 behind them may have been. Errors as for dso_queue_push(); with -EMSGSIZE nothing was.
 */
int dso_queue_push_many(struct dso_queue *queue, const struct dso_queue_item *items, size_t count,
			int64_t timeout, size_t *ret_pushed);

/*
 * dso_queue_pop - take the first item into @buffer, which has room for dso_queue_item_bytes().
 * While the queue is empty it waits for at most @timeout. Two round trips where there are items,
 * and this handle knows it; else three. *ret_length (may be NULL) is its length.
 * Returns 0, -ETIMEDOUT (empty all the time), -EPIPE (empty, and shut down), -EMSGSIZE
 * (@buffer_bytes is less than an item may have; nothing was taken), -EBADMSG (the item is not what
 * a producer wrote: somebody wrote over it; it is taken off and lost), -ECANCELED (dso_interrupt),
 * -EINVAL (@timeout), -ESTALE, -ECONNRESET (an item may have been taken, and is lost), -ENOTCONN,
 * -ESHUTDOWN, -EOPNOTSUPP (storaged is too old).
 */
int dso_queue_pop(struct dso_queue *queue, void *buffer, size_t buffer_bytes, int64_t timeout,
		  size_t *ret_length);

/*
 * dso_queue_pop_many - wait for an item as dso_queue_pop() does, and take those that are there with
 * it, up to @count in all. On an error, too, *ret_popped (may be NULL) is how many were taken, and
 * those are whole. Errors as for dso_queue_pop().
 */
int dso_queue_pop_many(struct dso_queue *queue, struct dso_queue_item *items, size_t count,
		       int64_t timeout, size_t *ret_popped);

/*
 * dso_queue_lease - take the first item as dso_queue_pop() does, and keep its place: if this
 * session ends before it is acknowledged, the item comes back to the queue. So it is delivered at
 * least once; item->deliveries tells how often it was, at most one too many. Errors as for
 * dso_queue_pop(), and -ENOBUFS (the handle has DSO_QUEUE_LEASES_MAX leases); with -ECONNRESET
 * nothing is lost.
 */
int dso_queue_lease(struct dso_queue *queue, struct dso_queue_item *item, int64_t timeout);

/*
 * dso_queue_acknowledge - the leased item with @ticket is done with: it is taken off. Returns 0,
 * -EPERM (this handle has not leased it, or not any more), -ESTALE, -ECONNRESET (it may have been
 * taken off, or come back), -ENOTCONN, -ESHUTDOWN.
 */
int dso_queue_acknowledge(struct dso_queue *queue, uint64_t ticket);

/* dso_queue_give_back - the leased item with @ticket goes to another one. Errors as for
 * dso_queue_acknowledge(). */
int dso_queue_give_back(struct dso_queue *queue, uint64_t ticket);

/*
 * dso_queue_length - how many items there are that no consumer has begun to take. Others may push
 * and pop meanwhile. One round trip. Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_queue_length(struct dso_queue *queue, uint64_t *ret_length);

/*
 * dso_queue_shutdown - nothing is pushed any more: who pushes, or waits to, gets -EPIPE, and so
 * does who pops when there are no items left. A push that is under way may get it, too. For ever.
 * Returns 0, -ESTALE, -ECONNRESET (it may be shut down or not), -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP
 * (storaged is too old).
 */
int dso_queue_shutdown(struct dso_queue *queue);

DSO_DECLARATIONS_END

#endif
