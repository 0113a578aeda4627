/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue (proto/layout.h): what its two ends have in common.
 *
 * Tickets order everything: producers take those of the tail, consumers those of the head, and the
 * ticket t of both meets in slot t % capacity. A ticket is taken by a fetch-and-add while there is
 * much between head and tail, and near the ends by a compare-and-swap, so that nobody takes one for
 * a slot that is not there yet. A producer that claims the
 * slots of the tickets that it is about to take, and does not get these, lets them go: who has such
 * a ticket may give it back, so that an item there would not be below the tail. Whoever waits for
 * items or for space has no ticket, and parks on an event. (Tickets and a sequence a slot:
 * D. Vyukov's bounded MPMC queue; skipping a slot whose
 * producer does not come: A. Morrison and Y. Afek, "Fast concurrent queues for x86 processors",
 * PPoPP'13, where a consumer makes a slot unusable for the lap.)
 *
 * Who has a ticket waits for the other side of its slot for QUEUE_SLOT_WAIT_NS at most: it is on
 * its way, frozen or dead. A consumer then makes the slot empty in the next lap; its producer finds
 * that, and takes another ticket. A slot that is claimed cannot be skipped: the consumer marks it
 * as left behind, and counts that. For a slot that has not come to that lap yet it makes the
 * tickets void up to its own: it looks at the slot behind that, and a producer at the void behind
 * its claim, so one sees the other. Consumers that see another count look through all slots for one
 * that is marked and full, and take the oldest. Where a session has ended, which may have had a
 * ticket, they first let those that live take what they have tickets for, and make all tickets
 * below the head void. Then they look for full slots below the head, marked or not, and mark those
 * that are claimed.
 */
#ifndef LIB_OBJECTS_QUEUE_H
#define LIB_OBJECTS_QUEUE_H

#include "lib/objects/event.h"
#include "lib/objects/object.h"
#include "proto/layout.h"

#include <xxhash.h>

#define QUEUE_SLOT_WAIT_NS  (2 * DSO_MILLISECOND)
#define QUEUE_CLAIM_WAIT_NS (100 * DSO_MILLISECOND) /* for a producer that has claimed the slot */
#define QUEUE_MARGIN        64 /* tickets between head and tail, from which on they are added to */
#define QUEUE_RIVALS        3  /* beside as many as so many others take in the meantime */
#define QUEUE_VAIN_MIN      64 /* tickets in vain that a call has in any case */
#define QUEUE_VAIN_MAX      65536
#define QUEUE_BATCH         256  /* items that one batch of operations is about */
#define QUEUE_STAGED_MAX    1024 /* bytes of an item that are sent and read along with its slot */

struct dso_queue {
	struct object object;
	uint64_t capacity, stride;
	uint32_t item_bytes;
	/* the part of an item that is staged, at most, and from one staged slot to the next */
	uint32_t staged_bytes, staged_stride;
	/* as last seen; the tail without QUEUE_SHUT */
	uint64_t tail, head;
	bool is_shut, is_rendezvous;
	/* of a rendezvous: the ticket of the item that a push waits for */
	uint64_t awaited;
	/* of a producer: others took tickets when it last did */
	bool has_rivals;
	/* of the event that this session is enlisted at, while it is in a call; 0: at none */
	uint64_t enlisted;
	/* the word of what was missed: as last seen, and before the last vain search */
	uint64_t missed, looked_for;
	/* tickets of the items that this handle has leased */
	uint64_t *leased;
	uint32_t leases;
	/* QUEUE_BATCH slots, each with the staged part of its item */
	uint8_t *staged;
	/* an atomic that is executed behind that by which an item is leased; NULL: none */
	struct op *beside;
};

static inline uint64_t queue_lap(const struct dso_queue *queue, uint64_t ticket)
{
	return (ticket / queue->capacity) & FENCING_COUNT_MASK;
}

/* Whether there are so many of @tickets for this end of the queue, as it was last seen, that @count
 * of them are there though others took as many each since: then an addition takes them. */
static inline bool queue_has_many(uint64_t tickets, unsigned count)
{
	return tickets > QUEUE_MARGIN + (1 + QUEUE_RIVALS) * (uint64_t)count;
}

/* The word of the slot of @ticket in its lap, with this owner and these flags. */
static inline uint64_t queue_word(const struct dso_queue *queue, uint64_t ticket, uint16_t owner,
				  uint8_t flags)
{
	return owned_word(queue_lap(queue, ticket), owner) | flags;
}

/* Whether @word is that of a slot in the lap of @ticket, and has these flags and an owner or none,
 * whatever was left behind. */
static inline bool queue_is(const struct dso_queue *queue, uint64_t word, uint64_t ticket,
			    uint16_t owner, uint8_t flags)
{
	return (word & ~(uint64_t)QUEUE_LEFT) == queue_word(queue, ticket, owner, flags);
}

static inline bool queue_is_empty(const struct dso_queue *queue, uint64_t word, uint64_t ticket)
{
	return queue_is(queue, word, ticket, 0, 0);
}

static inline bool queue_is_full(const struct dso_queue *queue, uint64_t word, uint64_t ticket)
{
	return queue_is(queue, word, ticket, 0, OWNED_DONE);
}

/* How many laps the slot that has @word is ahead of @ticket. */
static inline int64_t queue_laps_ahead(const struct dso_queue *queue, uint64_t word,
				       uint64_t ticket)
{
	return (int64_t)((owned_word_token(word) - queue_lap(queue, ticket)) << 24) >> 24;
}

/* From the object's header. */
static inline uint64_t queue_slot_offset(const struct dso_queue *queue, uint64_t ticket)
{
	return QUEUE_SLOTS_OFFSET + ticket % queue->capacity * queue->stride;
}

static inline struct event queue_event(struct dso_queue *queue, uint64_t offset)
{
	return (struct event){&queue->object, offset};
}

/* Staged slot @index. */
static inline struct queue_slot *queue_staged(const struct dso_queue *queue, unsigned index)
{
	return (struct queue_slot *)(queue->staged + (size_t)index * queue->staged_stride);
}

/* The operation that reads the slot of @ticket, with the staged part of its item, into the staged
 * slot @index. */
static inline struct op queue_read_slot(const struct dso_queue *queue, uint64_t ticket,
					unsigned index)
{
	return (struct op){.opcode = DATA_READ,
			   .length_bytes =
				   (uint32_t)sizeof(struct queue_slot) + queue->staged_bytes,
			   .offset = queue->object.offset + queue_slot_offset(queue, ticket),
			   .buffer = queue_staged(queue, index)};
}

/* What a full slot that had @word has when its item was taken, with the @flags of struct pop. */
static inline uint64_t queue_taken(const struct dso_queue *queue, uint64_t word, uint8_t flags)
{
	return flags ? (word & ~(uint64_t)QUEUE_LEFT) | owned_word(0, queue->object.session->owner)
		     : queue_word_emptied(word);
}

/* Fill in what is no bytes, of the item of @ticket in @slot. */
static inline void queue_describe(const struct dso_queue *queue, uint64_t ticket,
				  const struct queue_slot *slot, struct dso_queue_item *item)
{
	uint64_t returns = le64_get(slot->returns);

	item->length_bytes = le32_get(slot->length_bytes);
	item->ticket = ticket;
	item->deliveries = 1;
	if (owned_word_token(returns) == queue_lap(queue, ticket))
		item->deliveries += (uint32_t)(returns & QUEUE_RETURNS_MASK);
}

/* Of an item. */
static inline uint64_t queue_checksum(uint64_t ticket, const void *bytes, uint32_t length_bytes)
{
	return XXH3_64bits_withSeed(bytes, length_bytes, ticket << 17 ^ length_bytes);
}

/* As dso_queue_open(), of a queue that is there: returns -ENOENT where it is not. */
int queue_open_existing(struct dso_session *session, const char *name,
			struct dso_queue **ret_queue);

/* Whether to go on after so many tickets in a row that came to nothing: 0, -ETIMEDOUT, or -EBADMSG:
 * no session took so many and ended, so the words are not what producers and consumers wrote. */
int queue_check_vain(unsigned vain, int64_t deadline_ns);

/* Whether to go on after others were quicker at the tickets so many times: 0, -ETIMEDOUT, or
 * -ECANCELED (dso_interrupt, which is else seen by a call that parks). */
int queue_check_beaten(struct dso_queue *queue, unsigned beaten, int64_t deadline_ns);

/* Look at head, tail, and what was missed. */
int queue_look(struct dso_queue *queue);

/* Wake one who waits for the event at @offset, if anybody does. */
int queue_tell(struct dso_queue *queue, uint64_t offset);

/* An item was left behind: whoever waits for one looks for it. */
int queue_count_left(struct dso_queue *queue);

/* Go on without the item of @ticket, whose slot has @word, and let a producer go on: the head has
 * moved on, and that is room. Returns 0, -EAGAIN (the slot has another word by now, or may have),
 * or an error. */
int queue_go_on_without(struct dso_queue *queue, uint64_t ticket, uint64_t word);

/* Make all tickets void up to @ticket. */
int queue_make_void(struct dso_queue *queue, uint64_t ticket);

/* Sessions have ended that may have had tickets of the head: all of these are below @below. Nobody
 * may come for the items of such tickets. So the live consumers take theirs first, and then
 * producers that have not claimed their slots yet take other tickets. */
int queue_void_abandoned(struct dso_queue *queue, uint64_t below);

/* The oldest item with a ticket below @below that was left behind, or with @any whatever its slot
 * says, since nobody may come for it: then the slots that are claimed are marked. Returns 0,
 * -ENOENT, -EAGAIN (look again), or an error. */
int queue_find_left(struct dso_queue *queue, uint64_t below, bool any, uint64_t *ret_ticket);

/* The operations that raise the event at @offset, the last of which has the waiters. Returns how
 * many. */
unsigned queue_raise_with(struct dso_queue *queue, uint64_t offset, struct op *ops);

/* Wake up to @count of the sessions that wait for the event at @offset; at the end of a rendezvous
 * where some wait for room and others for their items to be taken, all of them. */
int queue_wake(struct dso_queue *queue, uint64_t offset, uint32_t count);

/* Whoever waits for the event at @offset, up to @count of them, may go on. */
int queue_raise(struct dso_queue *queue, uint64_t offset, uint32_t count);

/*
 * dso_queue_lease(), and behind the taking of the item @beside, an atomic on a word of the session
 * that need not be the queue's. It takes no round trip of its own. Its value is set with 0 alone.
 */
int queue_lease_beside(struct dso_queue *queue, struct dso_queue_item *item, int64_t timeout,
		       struct op *beside);

/* Whether this handle has leased the item of @ticket, as far as it knows. */
bool queue_has_leased(const struct dso_queue *queue, uint64_t ticket);

/* Whether items wait for a consumer, and how many of them none has begun to take
 * (dso_queue_length). Others were left behind: all slots are looked through, unless nothing was
 * left since they were last. */
int queue_waits(struct dso_queue *queue, bool *ret_waits, uint64_t *ret_length);

/* Whether the item of @ticket is leased by whoever got it as delivery @deliveries. */
int queue_is_leased(struct dso_queue *queue, uint64_t ticket, uint32_t deliveries, bool *ret_is);

/* The slot of @ticket, whose item this handle has leased, goes on as @next of its word says.
 * Returns 0, -EPERM (it has not), or an error. */
int queue_end_lease(struct dso_queue *queue, uint64_t ticket, uint64_t (*next)(uint64_t word));

/* Leave the item of @ticket behind, which this handle has just leased: an older one is there. */
int queue_leave_leased(struct dso_queue *queue, uint64_t ticket);

/* Wait while the slot of @ticket has the word *word, until @until_ns. *word is what it has then. */
int queue_wait_slot(struct dso_queue *queue, uint64_t ticket, uint64_t *word, int64_t until_ns);

/* By when the other side of a slot has to have come, in a wait until @deadline_ns: it has a moment
 * in any case. */
int64_t queue_wait_until_ns(const struct dso_queue *queue, int64_t deadline_ns);

/* What a session waits for. */
struct queue_wait {
	uint64_t offset; /* of the event of that end of the queue */
	/* Whether it is there, as the queue was last looked at: 0, -EAGAIN, or what the wait ends
	 * with. */
	int (*is_there)(struct dso_queue *queue);
	/* The session was woken: try to take it without another look. Returns 0 (the wait is over),
	 * -EAGAIN, or what the wait ends with. NULL: look. */
	int (*woken)(struct dso_queue *queue, void *context);
	void *context;
};

/* Returns 0, -EPIPE, -ETIMEDOUT or the errors of a wait. The session may still be enlisted then, so
 * that it leaves along with what it does next. */
int queue_wait(struct dso_queue *queue, const struct queue_wait *wait, int64_t deadline_ns);
/* The operation by which it leaves, in *op. Returns how many: 1, or 0 where it is not enlisted. */
unsigned queue_leave_with(struct dso_queue *queue, struct op *op);
/* Leave, where it is enlisted. The result @r of the call is kept, also where this fails: then the
 * session is over, which the next call tells, or the queue was deleted. */
int queue_leave(struct dso_queue *queue, int r);

#endif
