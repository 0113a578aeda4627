/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiters that are parked on words until they are woken, in storaged (storaged/session/futex.c) and
 * in an embedded store (lib/client/embedded.c). What a word means is the objects' affair. The list
 * looks at a word after its waiter was parked (lib/core/park.h), and when a waiter is to be woken.
 *
 * Order: waiters are woken in the order in which they parked. A waiter that was woken in vain keeps
 * its place. A waiter that wants more of a wake-up than there is, as several permits, is passed by,
 * and the passes are counted (lib/core/park.h). A waiter that wants to own a word is answered when
 * the list has taken the word for it. Any other waiter tries for the word beside all clients.
 *
 * Pause: after a word was given away, it is not given away again for the list's pause. A word that
 * was given away is idle until its new owner has been woken, and in that time clients that are
 * awake could take and release it several times. In the pause they do so, and waiters that come
 * park. At its end the list looks at the word. (A. d'Antras's parking_lot, whose mutexes are fair
 * "eventually", does it in a similar way.)
 *
 * Looks: nobody wakes a waiter for a sum of words, as of a counter, because an addition is one
 * fetch-and-add that does not know of waiters. The list looks at the words: 50 us apart at first,
 * and seldomer the longer the wait has lasted, 800 us apart at most. So a look comes late by no
 * more than an eighth of the wait, and a waiter that waits for long costs 1,250 looks a second. The
 * looks of all waiters fall on the same ticks, so that the number of wake-ups of the list's thread
 * does not grow with them. No wake-up can be lost, because none is sent.
 *
 * Death: a client that changes a word and is about to wake its waiters may die between the two. So
 * after the end of a session the waiters of each object that it had open are looked at again:
 * waitlist_recheck.
 *
 * The list has no thread, no clock and no timer. Its caller tells it the time, which never goes
 * back, calls waitlist_end_pauses at waitlist_due_ns, and waitlist_look at waitlist_look_due_ns.
 * One thread at a time uses it.
 */
#ifndef LIB_CORE_WAITLIST_H
#define LIB_CORE_WAITLIST_H

#include "lib/core/deadlines.h"
#include "lib/core/park.h"

#define WAITLIST_RECHECK_MAX 64                    /* words looked at in one go */
#define WAITLIST_PAUSE_NS    (300 * INT64_C(1000)) /* a few times what a hand-over takes */

/* Between two looks for a sum: at first, and doubled so often, after so many looks each. */
#define WAITLIST_LOOK_NS     (50 * INT64_C(1000))
#define WAITLIST_LOOK_LEVELS 5
#define WAITLIST_LOOKS_EACH  8
/* Words that one call of waitlist_look looks at, and a waiter's more. */
#define WAITLIST_LOOK_WORDS 256

/* A word, or with @word 0 all words of an object: a region begins with its header. */
struct waitlist_word {
	/* to the region; no two regions have the same one */
	struct transport *transport;
	/* offset of the object's header, in the region */
	uint64_t object;
	/* offset in the region */
	uint64_t word;
};

struct waitlist;

/* A waiter that is parked, or was. It lies in a struct of the caller's. */
struct parked {
	/* in a bucket; alone: not parked */
	struct list link;
	/* where it is parked, or was the last time, */
	struct waitlist *list;
	/* and on which word */
	struct waitlist_word at;
	struct park park;
	/* in the order in which waiters parked */
	uint64_t place;
	/* see park_is_woken */
	unsigned passes;
	/* when its sum is looked at next, and how often it was; alone: it waits for no sum */
	struct deadline look;
	unsigned looks;
};

/* Why a waiter need not wait any more. */
enum wait_end {
	/* it is to look at its word itself */
	WAIT_WOKEN,
	/* the word is its own */
	WAIT_TAKEN,
	/* there was nothing to wait for when it had been parked */
	WAIT_CHANGED,
	/* by waitlist_cancel */
	WAIT_CANCELLED,
	/* its word cannot be reached; whether it was taken is unknown */
	WAIT_FAILED,
};

/* What a list's caller does. It calls the list back only by the functions named there. */
struct waitlist_ops {
	/* Tell the waiter, which is not in the list any more. @taken is the word with WAIT_TAKEN.
	 * May call waitlist_first_in_pause. */
	void (*answer)(struct waitlist *list, struct parked *parked, enum wait_end end,
		       uint64_t taken);
	/* The waiter was told that its word is its own as @value, or with @value 0 of a wake-up
	 * that is watched: see later whether it came. NULL: nothing is done. */
	void (*watch)(struct waitlist *list, struct parked *parked, uint64_t value, int64_t now_ns);
	/* Words cannot be read, for the negative errno @error. NULL: nothing is done. */
	void (*failed)(int error);
};

struct waitlist_bucket;

struct waitlist {
	const struct waitlist_ops *ops;
	/* by object */
	struct waitlist_bucket *buckets;
	uint32_t mask;
	/* that were given out */
	uint64_t places;
	/* waiters, at this moment */
	uint32_t parked_count;
	/* of buckets */
	struct deadlines pauses;
	/* of waiters for sums, by how seldom they are looked at */
	struct deadlines looks[WAITLIST_LOOK_LEVELS];
};

/* With at least @buckets_min buckets, and pauses of @pause_ns. Returns 0 or -ENOMEM; waitlist_close
 * is due either way. */
int waitlist_open(struct waitlist *list, const struct waitlist_ops *ops, uint32_t buckets_min,
		  int64_t pause_ns);
/* Waiters that are parked stay as they are. */
void waitlist_close(struct waitlist *list);

static inline void parked_init(struct parked *parked)
{
	*parked = (struct parked){0};
	list_init(&parked->link);
	list_init(&parked->look.link);
}

static inline bool waitlist_is_parked(const struct parked *parked)
{
	return !list_empty(&parked->link);
}

/* Park @parked as @park says on a word of @object; look at the word, and answer the waiter where it
 * need not wait. With park->again it keeps the place that it had on the same word. */
void waitlist_wait(struct waitlist *list, struct parked *parked, struct transport *transport,
		   uint64_t object, const struct park *park, int64_t now_ns);
/* The waiter does not want to wait any longer. It is answered with WAIT_CANCELLED, unless it can be
 * given what it waits for. Does nothing where it is not parked. */
void waitlist_cancel(struct waitlist *list, struct parked *parked, int64_t now_ns);
/* Take the waiter out, where it is parked, without an answer. */
void waitlist_remove(struct parked *parked);

struct waitlist_wake {
	/* shares that it has for waiters */
	uint32_t count;
	/* waiters that it wakes at most */
	uint32_t waiters_max;
	/* see struct waitlist_ops: watch */
	bool is_watched;
};

/* Wake the waiters at @at. Of those that want to own the word it is the first alone, unless a
 * waiter before it was woken only to look. Returns how many were woken. */
uint32_t waitlist_wake(struct waitlist *list, const struct waitlist_word *at,
		       struct waitlist_wake wake, int64_t now_ns);
/* Wake all waiters of the object, to look. */
void waitlist_wake_object(struct waitlist *list, struct transport *transport, uint64_t object);
/* The same for those whose word leaves them nothing to wait for. */
void waitlist_recheck(struct waitlist *list, struct transport *transport, uint64_t object);

/* End the pauses that are over at @now_ns, and look at their words. */
void waitlist_end_pauses(struct waitlist *list, int64_t now_ns);
/* When the first pause is over; INT64_MAX: there is none. */
int64_t waitlist_due_ns(const struct waitlist *list);

/* Look at sums that are due at @now_ns, as many as fit into one call, and answer the waiters whose
 * sum is reached. */
void waitlist_look(struct waitlist *list, int64_t now_ns);
/* When the first sum is to be looked at; INT64_MAX: there is none. */
int64_t waitlist_look_due_ns(const struct waitlist *list);

/* The first waiter at the word of @at, where the word is in a pause; or NULL. *ret_due_ns is when
 * the pause is over. For a caller whose waiters keep the time themselves. */
struct parked *waitlist_first_in_pause(const struct waitlist *list, const struct waitlist_word *at,
				       int64_t *ret_due_ns);

#endif
