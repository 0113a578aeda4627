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
 * behind. A consumer that ends in the middle of a pop may take the item with it. The items that a
 * consumer has leased come back when it ends, and go to another consumer. An item may be delivered
 * after later items of its producer if it came back; or if the consumer that was to take it ended,
 * gave up waiting, took one that came back instead, or stood still for some milliseconds just when
 * a session ended that had the queue open.
 */

struct dso_queue;

/*
 * A rendezvous keeps no items: a push returns when a consumer has taken the item, or leased it. The
 * capacity is how many items can wait to be taken, so how many producers can wait with them.
 */
enum dso_queue_kind {
	DSO_QUEUE_ANY = 0, /* DSO_QUEUE_BUFFER at creation */
	DSO_QUEUE_BUFFER = 1,
	DSO_QUEUE_RENDEZVOUS = 2
};

struct dso_queue_params {
	/* items, 1 to 4,096; 0: any (1,024 at creation, 64 of a rendezvous) */
	uint64_t capacity;
	uint32_t item_bytes; /* the longest item, 1 to 65,536; 0: any (224 at creation) */
	uint16_t kind;       /* enum dso_queue_kind */
	uint16_t ephemeral;  /* see DSO_EPHEMERAL */
};

struct dso_queue_item {
	void *bytes;         /* push: the item, not written to; pop and lease: room for one */
	size_t bytes_max;    /* pop and lease: its room, at least dso_queue_item_bytes() */
	size_t length_bytes; /* of the item. pop and lease set it */
	uint64_t ticket;     /* set by pop and lease: names a lease, to end it */
	uint32_t deliveries; /* set by pop and lease: how often it was handed out, with this time */
	uint32_t reserved;   /* ignored */
};

/*
 * dso_queue_open - open the queue @name, created empty when there is none. It takes as much memory
 * as its capacity times the longest item and 32 bytes, in whole lines of 64. *ret_queue is the
 * caller's, to be given back with dso_queue_close(). Errors as for dso_counter_open().
 */
int dso_queue_open(struct dso_session *session, const char *name,
		   const struct dso_queue_params *params, struct dso_queue **ret_queue);

/* dso_queue_close - free the handle, and give back the items that it has leased, which go to other
 * consumers. The queue stays. Blocks for the round trips that this takes, and waits for what was
 * submitted in the session. NULL does nothing. */
void dso_queue_close(struct dso_queue *queue);

/* dso_queue_capacity - how many items the queue takes. Does not block. */
uint32_t dso_queue_capacity(const struct dso_queue *queue);

/* dso_queue_is_rendezvous - whether its pushes wait for consumers: 1 or 0. Does not block. */
int dso_queue_is_rendezvous(const struct dso_queue *queue);

/* dso_queue_item_bytes - the most bytes that an item may have. Does not block. */
uint32_t dso_queue_item_bytes(const struct dso_queue *queue);

/*
 * dso_queue_push - append an item of @length_bytes (0 is allowed). While the queue is full it waits
 * for at most @timeout (nanoseconds, DSO_NOWAIT, DSO_FOREVER). It takes two round trips, and three
 * where others push as well. Returns 0, -ETIMEDOUT (the queue was full, or others were quicker, all
 * the time), -EPIPE (the queue is shut down), -EMSGSIZE (longer than an item may be), -ECANCELED
 * (dso_interrupt() ended the wait), -EINVAL (the timeout is negative and not DSO_FOREVER), -ESTALE,
 * -ECONNRESET (the item may or may not have been appended), -EBADMSG (the words of the queue make
 * no sense: something wrote over them), -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP (it had to wait or to
 * wake others, and storaged is older than this library).
 *
 * In a rendezvous it waits until a consumer has taken the item, for 2 ms at least, so that
 * DSO_NOWAIT finds a consumer that is waiting. When the time is over, and on -EPIPE and -ECANCELED,
 * the item is withdrawn: it was not taken, and is not. A producer that ends while it waits leaves
 * its item, which a consumer may take. After a withdrawal dso_queue_length() counts the item until
 * a consumer has passed its place.
 */
int dso_queue_push(struct dso_queue *queue, const void *bytes, size_t length_bytes,
		   int64_t timeout);

/*
 * dso_queue_push_many - append @count items in order, with the round trips of one for 256 of them;
 * in a rendezvous one after the other, each when the one before was taken.
 * *ret_pushed is how many were appended, the first ones; it is set on an error, too. With
 * -ECONNRESET up to 256 after them may have been appended. With -EMSGSIZE none was. Errors as for
 * dso_queue_push().
 */
int dso_queue_push_many(struct dso_queue *queue, const struct dso_queue_item *items, size_t count,
			int64_t timeout, size_t *ret_pushed);

/*
 * dso_queue_pop - take the first item into @buffer of @buffer_bytes, at least
 * dso_queue_item_bytes(). While the queue is empty it waits for at most @timeout; for an item that
 * is being written 100 ms at least, once a call, so that items do not overtake it. *ret_length is
 * the length of the item. It takes two round trips where there are items and this handle knows of
 * them; otherwise three. Returns 0, -ETIMEDOUT (the queue was empty, or others were quicker, all
 * the time), -EPIPE (it is empty, and shut down), -EMSGSIZE (@buffer_bytes is less than an item may
 * have; nothing was taken), -EBADMSG (the item is not what a producer wrote; it was taken off and
 * is lost), -ECANCELED (dso_interrupt() ended the wait), -EINVAL (the timeout is negative and not
 * DSO_FOREVER), -ESTALE, -ECONNRESET (an item may have been taken, and is lost), -ENOTCONN,
 * -ESHUTDOWN, -EOPNOTSUPP (it had to wait or to wake others, and storaged is older than this
 * library).
 */
int dso_queue_pop(struct dso_queue *queue, void *buffer, size_t buffer_bytes, int64_t timeout,
		  size_t *ret_length);

/*
 * dso_queue_pop_many - wait for an item as dso_queue_pop() does, and take the items that are there
 * with it, up to @count in all. *ret_popped is how many were taken; it is set on an error, too, and
 * those items are whole; with -EBADMSG an item beside them was taken off and lost. Errors as for
 * dso_queue_pop().
 */
int dso_queue_pop_many(struct dso_queue *queue, struct dso_queue_item *items, size_t count,
		       int64_t timeout, size_t *ret_popped);

/*
 * dso_queue_lease - take the first item as dso_queue_pop() does, and keep its place: if this
 * session ends before it has acknowledged the item, the item comes back to the queue. So it is
 * delivered at least once; item->deliveries is how often, at most one too many. A lease has no time
 * limit, and the item keeps its slot: when the queue has gone round once, pushes wait for that
 * item. With -ECONNRESET nothing is lost. Over a network it takes one round trip behind the look or
 * the wake-up by which this handle learned of the item. Errors as for dso_queue_pop(), and -ENOBUFS
 * (the handle has DSO_QUEUE_LEASES_MAX leases).
 */
int dso_queue_lease(struct dso_queue *queue, struct dso_queue_item *item, int64_t timeout);

/*
 * dso_queue_acknowledge - take the leased item with @ticket off the queue: it is done with. Does
 * not wait for others: one round trip, and one more where producers wait for room. Returns 0,
 * -EPERM (this handle has not leased it, or not any more), -ESTALE, -ECONNRESET (it may have been
 * taken off, or come back), -ENOTCONN, -ESHUTDOWN.
 */
int dso_queue_acknowledge(struct dso_queue *queue, uint64_t ticket);

/* dso_queue_give_back - put the leased item with @ticket back for another consumer. Does not wait
 * for others. Errors as for dso_queue_acknowledge(). */
int dso_queue_give_back(struct dso_queue *queue, uint64_t ticket);

/*
 * dso_queue_length - how many items there are that no consumer has begun to take. Others may push
 * and pop meanwhile. It takes one round trip. Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN,
 * -ESHUTDOWN.
 */
int dso_queue_length(struct dso_queue *queue, uint64_t *ret_length);

/*
 * dso_queue_shutdown - end the queue for ever. After it every push fails with -EPIPE, also one that
 * waits; a pop does so once the queue is empty. A push that is under way may fail, too. It cannot
 * be undone: delete the queue and create it anew. Does not wait for others. Returns 0, -ESTALE,
 * -ECONNRESET (it may or may not be shut down), -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP (it is shut
 * down, but waiters were not woken: storaged is older than this library).
 */
int dso_queue_shutdown(struct dso_queue *queue);

DSO_DECLARATIONS_END

#endif
