/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in a region: a header page, then objects. Every object begins with a 64-byte header and
 * has its words on 64-byte lines of their own. Words (8 bytes, aligned, little-endian) are changed
 * by compare-and-swap and fetch-and-add alone and read by a fetch-and-add of 0; the rest is bytes.
 * storaged never reads these structures to decide anything: clients can write them.
 */
#ifndef PROTO_LAYOUT_H
#define PROTO_LAYOUT_H

#include "proto/le.h"

#include <stdbool.h>

#define LAYOUT_LINE_BYTES          64
#define LAYOUT_VERSION             1
#define LAYOUT_REGION_HEADER_BYTES 4096
#define LAYOUT_MAGIC               "DSOARENA"

struct region_header {
	uint8_t magic[8];
	le16_t version;
	le16_t node;
	le16_t region;
	le16_t reserved;
	le64_t features_compatible;   /* unknown bits: still readable */
	le64_t features_incompatible; /* unknown bits: not to be opened */
	le64_t region_bytes;
	uint8_t reserved2[24];
};
_Static_assert(sizeof(struct region_header) == 64, "region header");

struct object_header {
	le16_t type;  /* enum object_type */
	le16_t flags; /* zero */
	le32_t generation;
	le64_t length_bytes; /* with this header */
	le64_t parameter[4];
	le64_t token_epoch; /* a word: see fencing_count */
	uint8_t reserved[8];
};
_Static_assert(sizeof(struct object_header) == LAYOUT_LINE_BYTES, "object header");

#define OBJECT_TOKEN_EPOCH_OFFSET 48

/*
 * memory: parameter 0 its size in bytes. The bytes follow the header.
 */
#define MEMORY_PARAMETER_BYTES 0
#define MEMORY_BYTES_MAX       (1ULL << 40)
#define MEMORY_DATA_OFFSET     LAYOUT_LINE_BYTES

/*
 * counter: parameter 0 the initial value (int64, in stripe 0), parameter 1 the number of stripes.
 * Stripe i is the first word of the line i + 1. The counter's value is the sum of its stripes.
 */
#define COUNTER_PARAMETER_INITIAL     0
#define COUNTER_PARAMETER_STRIPES     1
#define COUNTER_STRIPES_MAX           64
#define COUNTER_STRIPE_OFFSET(stripe) (LAYOUT_LINE_BYTES * (1 + (uint64_t)(stripe)))

/*
 * register: parameter 0 its capacity in bytes. A head word on the line after the header, then two
 * slots, each a header line and the bytes. The head is {version:40, owner:16, flags:8}: version v
 * is in slot v % 2; owner is the session (its low 16 bits) that is writing version v + 1 into the
 * other slot, 0 when nobody is. Version 0 is the empty value and is in no slot. Of the flags it has
 * OWNED_WAITED alone: somebody waits for a newer version, and the writer that publishes one takes
 * the flag out and wakes.
 */
#define REGISTER_PARAMETER_CAPACITY 0
#define REGISTER_CAPACITY_BYTES_MAX (64ULL << 20)
#define REGISTER_HEAD_OFFSET        LAYOUT_LINE_BYTES
#define REGISTER_SLOT_OFFSET(slot, capacity) \
	(2 * LAYOUT_LINE_BYTES + (uint64_t)(slot)*REGISTER_SLOT_BYTES(capacity))
#define REGISTER_SLOT_BYTES(capacity) \
	(LAYOUT_LINE_BYTES +          \
	 (((uint64_t)(capacity) + LAYOUT_LINE_BYTES - 1) & ~(uint64_t)(LAYOUT_LINE_BYTES - 1)))

struct register_slot {
	le64_t version; /* that the writer meant to publish */
	le64_t length_bytes;
	le64_t checksum;        /* XXH3 of the bytes, seeded by the version */
	le64_t header_checksum; /* XXH3 of the three fields before it */
	uint8_t reserved[32];
};
_Static_assert(sizeof(struct register_slot) == LAYOUT_LINE_BYTES, "register slot");

/*
 * An owned word: {token or version:40, owner:16, flags:8}, from the top. The owner is a session
 * (the low 16 bits of its id), 0: nobody. When a session has ended and nothing of it can land any
 * more, storaged takes it out of every owned word of the objects that it had open, and may set a
 * flag: see lib/core/sweep.h.
 */
enum owned_flags {
	OWNED_WAITED = 1,  /* somebody may be parked on the word: who lets go wakes */
	OWNED_DIED = 2,    /* the owner ended; what it guarded may be half done */
	OWNED_LOST = 4,    /* given back as half done: for ever */
	OWNED_DONE = 8,    /* once: it was done; future: the value is there */
	OWNED_ERROR = 16,  /* future: it is an error */
	OWNED_QUEUED = 32, /* a hint: others are parked, so that spinning is of no use */
	/* storaged gave the word to the owner, which was parked. The owner clears the flag by a
	 * compare-and-swap, and only then has the word; until then storaged may take it back. */
	OWNED_GRANTED = 64,
};

static inline uint64_t owned_word(uint64_t token, uint16_t owner)
{
	return token << 24 | (uint64_t)owner << 8;
}

static inline uint64_t owned_word_token(uint64_t word)
{
	return word >> 24;
}

static inline uint16_t owned_word_owner(uint64_t word)
{
	return (uint16_t)(word >> 8);
}

/* The session that has the word, 0: nobody. One that was given the word and has not taken it up has
 * it not. */
static inline uint16_t owned_word_holder(uint64_t word)
{
	return word & OWNED_GRANTED ? 0 : owned_word_owner(word);
}

/*
 * Fencing tokens of 64 bits (mutex, a rwlock's writer). The word counts its acquisitions in 40
 * bits. The token is the object's origin, which storaged chose when it created the object and tells
 * in OPENED, plus the count of 64 bits that those 40 are the low end of. The header's token_epoch
 * tells which one: it is a multiple of a quarter of 2^40, and in [count - 3 quarters, count + 1
 * quarter).
 *
 * The owner advances token_epoch, by compare-and-swap while it has the word, when fencing_is_due()
 * says so: that is 1,024 times in the middle of each quarter, of which one is enough. So an epoch
 * stays valid even if every owner of one whole quarter dies before it gets there.
 */
#define FENCING_QUARTER    (UINT64_C(1) << 38)
#define FENCING_COUNT_MASK ((UINT64_C(1) << 40) - 1)
#define FENCING_DUE_MASK   ((FENCING_QUARTER - 1) & ~UINT64_C(0xffc00))
#define FENCING_DUE_BITS   (FENCING_QUARTER / 2)

/* The count of 64 bits behind @word, in the @epoch of its object. */
static inline uint64_t fencing_count(uint64_t word, uint64_t epoch)
{
	uint64_t least = epoch - FENCING_QUARTER;

	return least + ((owned_word_token(word) - least) & FENCING_COUNT_MASK);
}

/* Whether who has taken @word is to look whether its object's epoch is that of fencing_epoch(). */
static inline bool fencing_is_due(uint64_t word)
{
	return (owned_word_token(word) & FENCING_DUE_MASK) == FENCING_DUE_BITS;
}

/* The epoch that an object has from the middle of a quarter on to that of the next. */
static inline uint64_t fencing_epoch(uint64_t count)
{
	return count & ~(FENCING_QUARTER - 1);
}

/* The owner number of no session: after a restart storaged holds what sessions before it may think
 * they hold. */
#define OWNED_BY_STORAGED UINT16_MAX

/* The same token and flags without an owner. */
static inline uint64_t owned_word_without_owner(uint64_t word)
{
	return word & ~((uint64_t)UINT16_MAX << 8);
}

/*
 * An event: a word that what is waited for counts up, and behind it a word of how many wait, so
 * that nobody is woken in vain. Whoever ends while it is parked is taken off by storaged; who ends
 * between stays counted: that costs wake-ups and nothing else.
 */
#define EVENT_WAITERS_OFFSET 8 /* from the event's word */

/* mutex: one owned word. Its token is the number of times it was taken: the fencing token. */
#define MUTEX_WORD_OFFSET LAYOUT_LINE_BYTES

/*
 * rwlock: parameter 0 the number of its reader slots. An owned word of the writer, as a mutex's,
 * then a slot a line: an owned word of a reader.
 */
#define RWLOCK_PARAMETER_READERS 0
#define RWLOCK_READERS_MAX       4096
#define RWLOCK_WORD_OFFSET       LAYOUT_LINE_BYTES
#define RWLOCK_SLOT_OFFSET(slot) (LAYOUT_LINE_BYTES * (2 + (uint64_t)(slot)))

/*
 * semaphore: parameter 0 the number of its permits. An event, counted up when permits come back; of
 * those who wait for several permits each counts as SEMAPHORE_MANY. Then the turn, an owned word:
 * its owner waits for several permits and was passed by for long; while it does nobody else who has
 * none takes any. Before the turn a word that is counted up when permits come back meanwhile, which
 * the owner parks on. Then, from the next line on, an owned word a permit: who has it.
 */
#define SEMAPHORE_PARAMETER_PERMITS 0
#define SEMAPHORE_PERMITS_MAX       4096
#define SEMAPHORE_MANY              (UINT64_C(1) << 32)
#define SEMAPHORE_EVENT_OFFSET      LAYOUT_LINE_BYTES
#define SEMAPHORE_TURN_EVENT_OFFSET (2 * LAYOUT_LINE_BYTES - 16)
#define SEMAPHORE_TURN_OFFSET \
	(2 * LAYOUT_LINE_BYTES - 8) /* one READ takes it in with the permits */
#define SEMAPHORE_PERMIT_OFFSET(index) (2 * LAYOUT_LINE_BYTES + 8 * (uint64_t)(index))

/*
 * barrier: parameter 0 the number of its parties. A word {round:32, arrived:24, history:7,
 * broken:1}. The last to arrive begins the next round. A reset ends this round, and those that
 * somebody has arrived in ahead of it. The history has a bit for each of the last 7 rounds that
 * ended, the last one in its lowest bit: 1 where a reset ended the round. On the next line a word
 * {begun:16, ended:16, changes:32} that parties park on: the changes are counted up behind every
 * change but arrivals, begun before every reset, ended behind it. From the next line on a bit for
 * each owner number: whose session has waited at the barrier and not closed it. When such a session
 * ends without a goodbye, storaged sets BARRIER_BROKEN.
 */
#define BARRIER_PARAMETER_PARTIES 0
#define BARRIER_PARTIES_MAX       65535
#define BARRIER_WORD_OFFSET       LAYOUT_LINE_BYTES
#define BARRIER_EVENT_OFFSET      (2 * LAYOUT_LINE_BYTES)
#define BARRIER_BROKEN            1
#define BARRIER_ARRIVAL           256
#define BARRIER_ROUND             (UINT64_C(1) << 32)
#define BARRIER_HISTORY           2 /* its lowest bit */
#define BARRIER_HISTORY_BITS      7
#define BARRIER_RESET_BEGUN       (UINT64_C(1) << 48)
#define BARRIER_RESET_ENDED       (UINT64_C(1) << 32)
#define BARRIER_PARTY_OFFSET(owner) \
	(BARRIER_EVENT_OFFSET + LAYOUT_LINE_BYTES + (uint64_t)(owner) / 64 * 8)
#define BARRIER_PARTY(owner) (UINT64_C(1) << (owner) % 64)

/* latch: parameter 0 the count that it begins with. A word, counted down to 0. */
#define LATCH_PARAMETER_COUNT 0
#define LATCH_COUNT_MAX       INT64_MAX
#define LATCH_WORD_OFFSET     LAYOUT_LINE_BYTES

/* condition: an event, counted up by every signal. */
#define CONDITION_EVENT_OFFSET LAYOUT_LINE_BYTES

/* once: an owned word, OWNED_DONE in the end. */
#define ONCE_WORD_OFFSET LAYOUT_LINE_BYTES

/*
 * future: parameter 0 the most bytes of its value. An owned word: the owner is who sets it. With
 * OWNED_DONE the value is in the slot: a header line as a register's, of version 1, and the bytes.
 * With OWNED_DIED the promise is broken.
 */
#define FUTURE_PARAMETER_CAPACITY 0
/* The store's: of the capacity, what lies in the object itself; where a value that is longer than
 * that lies, in the region, or 0; and 1 as long as nobody has asked for a capacity. */
#define FUTURE_PARAMETER_ROOM      1
#define FUTURE_PARAMETER_ANNEX     2
#define FUTURE_PARAMETER_UNDECIDED 3
#define FUTURE_CAPACITY_BYTES_MAX  (64ULL << 20)
#define FUTURE_WORD_OFFSET         LAYOUT_LINE_BYTES
#define FUTURE_SLOT_OFFSET         (2 * LAYOUT_LINE_BYTES)

/*
 * queue: parameter 0 its capacity, parameter 1 the most bytes of an item. Ticket t, counted from 0,
 * is for slot t % capacity in lap t / capacity. The tail is the next ticket of a producer, and
 * QUEUE_SHUT; the head the next one of a consumer. Behind the head a word {ended:32, left:32} of
 * how many sessions have ended that had the queue open, and how many items were left behind; and a
 * word below which tickets are void: a producer that finds that when it has claimed a slot lets it
 * go, and takes another ticket. An event that producers raise for consumers that wait, and one
 * that consumers raise for producers. Then the slots. The word of a slot is an owned word {lap:40,
 * owner:16, flags:8}:
 *
 *   no owner, no flag      empty; the producer with the ticket of that lap may claim it
 *   owner, no flag         claimed by a producer, which is writing the item
 *   no owner, OWNED_DONE   full
 *   owner, OWNED_DONE      leased by a consumer
 *   no owner, OWNED_DIED   its producer ended before the item was whole
 *
 * and beside that QUEUE_LEFT: its consumer has gone on without it. Whoever takes an item makes the
 * slot empty in the next lap. So does a consumer whose producer does not come: that one finds
 * another lap than its ticket's, and takes another ticket.
 */
#define QUEUE_PARAMETER_CAPACITY   0
#define QUEUE_PARAMETER_ITEM_BYTES 1
/* The store's: from a slot to the next one. */
#define QUEUE_PARAMETER_STRIDE 2
/* QUEUE_BUFFER: it keeps items; QUEUE_RENDEZVOUS: a producer waits until its item is taken. */
#define QUEUE_PARAMETER_KIND 3
#define QUEUE_BUFFER         1
#define QUEUE_RENDEZVOUS     2
#define QUEUE_CAPACITY_MAX   4096
#define QUEUE_ITEM_BYTES_MAX 65536
#define QUEUE_TAIL_OFFSET    LAYOUT_LINE_BYTES
#define QUEUE_HEAD_OFFSET    (2 * LAYOUT_LINE_BYTES)
#define QUEUE_MISSED_OFFSET  (QUEUE_HEAD_OFFSET + 8)
#define QUEUE_VOID_OFFSET    (QUEUE_HEAD_OFFSET + 16)
#define QUEUE_ITEMS_OFFSET   (3 * LAYOUT_LINE_BYTES)
#define QUEUE_SPACE_OFFSET   (4 * LAYOUT_LINE_BYTES)
#define QUEUE_SLOTS_OFFSET   (5 * LAYOUT_LINE_BYTES)
#define QUEUE_SHUT           (UINT64_C(1) << 63)
#define QUEUE_MISSED_ENDED   (UINT64_C(1) << 32)
#define QUEUE_LEFT           OWNED_QUEUED
#define QUEUE_STRIDE_BYTES(item_bytes)                                                  \
	((sizeof(struct queue_slot) + (uint64_t)(item_bytes) + LAYOUT_LINE_BYTES - 1) & \
	 ~(uint64_t)(LAYOUT_LINE_BYTES - 1))

struct queue_slot {
	le64_t word;
	/* a word {lap:40, count:24}: how often the item of that lap was leased and came back */
	le64_t returns;
	le64_t checksum; /* XXH3 of the length and the bytes, seeded by the ticket */
	le32_t length_bytes;
	le32_t reserved; /* the item follows */
};
_Static_assert(sizeof(struct queue_slot) == 32, "queue slot");

#define QUEUE_RETURNS_OFFSET 8 /* from the slot's word */
#define QUEUE_RETURNS_MASK   UINT64_C(0xffffff)

/* The returns of a slot, which were @value, after one more in @lap. */
static inline uint64_t queue_returns_next(uint64_t value, uint64_t lap)
{
	uint64_t count = value >> 24 == lap ? value & QUEUE_RETURNS_MASK : 0;

	return lap << 24 | (count < QUEUE_RETURNS_MASK ? count + 1 : count);
}

/* The word of a slot that was @word, empty in the next lap. */
static inline uint64_t queue_word_emptied(uint64_t word)
{
	return owned_word(owned_word_token(word) + 1, 0);
}

/* The word of a slot that was @word, without its owner, which has ended. */
static inline uint64_t queue_word_without_owner(uint64_t word)
{
	if (word & OWNED_DONE)
		return owned_word_without_owner(word) | QUEUE_LEFT;
	if (word & QUEUE_LEFT)
		return queue_word_emptied(word);
	return owned_word_without_owner(word) | OWNED_DIED;
}

/*
 * aggregator: parameter 0 the elements of a vector, parameter 1 its kind, parameter 2 the
 * contributors of a round, parameter 3 flags. lib/objects/aggregator.h has the protocol.
 *
 * The round is a word {round:40, history:16, flags:8}; rounds count from 1. The history has a bit
 * for each of the last 16 rounds that ended, the last one in its lowest bit: 1 where a reset ended
 * it. Behind it the reducer, an owned word: the session that reduces, or for which storaged does;
 * the count of the arrivals since the last reduction, which may be too high; and the last round
 * whose result was taken. On the next line an event that is raised when a round ends or breaks.
 *
 * Then the places, owned words {uses:24, id + 1:16, owner:16, flags:8}, two for each contributor:
 * whose session writes into the vector of that number. Then for each contributor a word {round:40,
 * place + 1:16, flags:8}: where its contribution to that round lies, if the place is not 0. Then,
 * on lines of their own, the results of round r in slot r % 2, each a header line and the vector;
 * and the vectors of the places.
 */
#define AGGREGATOR_PARAMETER_LENGTH       0
#define AGGREGATOR_PARAMETER_KIND         1
#define AGGREGATOR_PARAMETER_CONTRIBUTORS 2
#define AGGREGATOR_PARAMETER_FLAGS        3
#define AGGREGATOR_LENGTH_MAX             (1ULL << 21)
#define AGGREGATOR_CONTRIBUTORS_MAX       1024
#define AGGREGATOR_ROUND_OFFSET           LAYOUT_LINE_BYTES
#define AGGREGATOR_REDUCER_OFFSET         (AGGREGATOR_ROUND_OFFSET + 8)
#define AGGREGATOR_ARRIVED_OFFSET         (AGGREGATOR_ROUND_OFFSET + 16)
#define AGGREGATOR_TAKEN_OFFSET           (AGGREGATOR_ROUND_OFFSET + 24)
#define AGGREGATOR_EVENT_OFFSET           (2 * LAYOUT_LINE_BYTES)
#define AGGREGATOR_PLACES_OFFSET          (3 * LAYOUT_LINE_BYTES)
#define AGGREGATOR_PLACES_EACH            2 /* places for each contributor */
#define AGGREGATOR_RESULTS                2 /* rounds whose results are kept */

/* Flags of parameter 3. */
enum aggregator_parameter_flags {
	AGGREGATOR_RETRIES = 1,  /* a contributor that dies breaks nothing: its id stays open */
	AGGREGATOR_OPEN_END = 2, /* a round ends when a session says so, and not by itself */
};

/* Flags of the round. */
enum aggregator_round_flags {
	AGGREGATOR_BROKEN = 1,
	AGGREGATOR_CLOSED = 2, /* it is to be reduced, whoever is missing */
};

/* The flag of a contribution: the round takes nothing more from that id. */
#define AGGREGATOR_FROZEN 1

enum aggregator_operation {
	AGGREGATOR_SUM = 1,
	AGGREGATOR_MIN = 2,
	AGGREGATOR_MAX = 3,
	AGGREGATOR_MEAN = 4,
	AGGREGATOR_VARIANCE = 5,
	AGGREGATOR_COUNT = 6,
	AGGREGATOR_ARGMIN = 7,
	AGGREGATOR_ARGMAX = 8,
};

enum aggregator_element { AGGREGATOR_INT64 = 1, AGGREGATOR_DOUBLE = 2 };

/* Parameter 1. */
#define AGGREGATOR_KIND(operation, element) (2 * ((operation)-1) + (element))
#define AGGREGATOR_KIND_LAST                AGGREGATOR_KIND(AGGREGATOR_ARGMAX, AGGREGATOR_DOUBLE)
#define AGGREGATOR_KIND_OPERATION(kind)     (1 + ((kind)-1) / 2)
#define AGGREGATOR_KIND_ELEMENT(kind)       (1 + ((kind)-1) % 2)

struct aggregator_result {
	le64_t round;
	le64_t contributors;
	le64_t checksum;        /* XXH3 of the vector, seeded by the round */
	le64_t header_checksum; /* XXH3 of the three fields before it */
	uint8_t reserved[32];
};
_Static_assert(sizeof(struct aggregator_result) == LAYOUT_LINE_BYTES, "aggregator result");

static inline uint64_t aggregator_vector_bytes(uint64_t length)
{
	return (8 * length + LAYOUT_LINE_BYTES - 1) & ~(uint64_t)(LAYOUT_LINE_BYTES - 1);
}

static inline uint64_t aggregator_places(uint64_t contributors)
{
	return AGGREGATOR_PLACES_EACH * contributors;
}

/* The word of the place of that number; of the contribution of @id; the header of the result of
 * @round; the vector of a place. All count from the object's header. */
static inline uint64_t aggregator_place_offset(uint64_t place)
{
	return AGGREGATOR_PLACES_OFFSET + 8 * place;
}

static inline uint64_t aggregator_id_offset(uint64_t contributors, uint64_t id)
{
	return aggregator_place_offset(aggregator_places(contributors) + id);
}

static inline uint64_t aggregator_result_offset(uint64_t contributors, uint64_t length,
						uint64_t round)
{
	uint64_t words_end = aggregator_id_offset(contributors, contributors);
	uint64_t first = (words_end + LAYOUT_LINE_BYTES - 1) & ~(uint64_t)(LAYOUT_LINE_BYTES - 1);

	return first + round % AGGREGATOR_RESULTS *
			       (sizeof(struct aggregator_result) + aggregator_vector_bytes(length));
}

static inline uint64_t aggregator_vector_offset(uint64_t contributors, uint64_t length,
						uint64_t place)
{
	return aggregator_result_offset(contributors, length, 0) +
	       AGGREGATOR_RESULTS * sizeof(struct aggregator_result) +
	       (AGGREGATOR_RESULTS + place) * aggregator_vector_bytes(length);
}

/* The round of the word of the round, or of a contribution. */
static inline uint64_t aggregator_round(uint64_t word)
{
	return word >> 24;
}

/* The word of the round after @word, which a reset has ended or not. */
static inline uint64_t aggregator_next_round(uint64_t word, bool is_reset)
{
	uint64_t history = (word >> 8 << 1 | is_reset) & UINT16_MAX;

	return ((word >> 24) + 1) << 24 | history << 8;
}

#define AGGREGATOR_HISTORY_BITS 16

/* Whether a reset ended @round, which is one of the last 16 before that of @word. */
static inline bool aggregator_was_reset(uint64_t word, uint64_t round)
{
	return word >> 8 >> (aggregator_round(word) - round - 1) & 1;
}

/* The word of a contribution; @place + 1, 0: there is none. */
static inline uint64_t aggregator_contribution(uint64_t round, uint64_t place_and_1)
{
	return round << 24 | place_and_1 << 8;
}

static inline uint64_t aggregator_place_and_1(uint64_t word)
{
	return word >> 8 & UINT16_MAX;
}

/* A place that was @word, taken for @id by @owner. */
static inline uint64_t aggregator_place_taken(uint64_t word, uint64_t id, uint16_t owner)
{
	uint64_t uses = ((word >> 40) + 1) & 0xffffff;

	return uses << 40 | (id + 1) << 24 | (uint64_t)owner << 8;
}

/* The id that the place was last taken for, + 1; 0: none. */
static inline uint64_t aggregator_place_id_and_1(uint64_t word)
{
	return word >> 24 & UINT16_MAX;
}

#endif
