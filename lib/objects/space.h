/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory inside an object that grows: blocks, which sessions take, publish in the object's
 * index by a compare-and-swap of their own, and free, one-sided. storaged gives extents
 * (CONTROL_GROW) and knows nothing of what is in them. proto/space.h has what lies in memory,
 * docs/objects.md why nothing is lost and nothing is handed out twice, whenever a session dies.
 *
 * A session that changes the object is a *member*: space_take and space_lease make it one. It
 * leases pages for itself and takes blocks of them without asking anybody.
 *
 * An operation of the object that takes blocks, or makes some unreachable, runs like this:
 *
 *   r = space_take(space, bytes, &taken);              the new block; maybe another, and so on
 *   count = space_prepare(space, &change, ops);        intents, which say what this is about,
 *   ops[count++] = ... WRITE                           and the claim; then what the block holds
 *   ops[count++] = ... CAS                             publishes the new one for the old one
 *   r = session_execute(object, ops, count);           one round trip
 *   if (r == 0)
 *           space_executed(space, ops);
 *   CAS succeeded: space_retire(space, &old);          it is free, or kept for this member's next
 *                                                      operation, with the next prepare that names
 *                                                      blocks, or the 17th, or flush
 *   CAS failed: begin again at space_prepare with another old one, or space_give(space, &taken);
 *
 * The bytes of a block that is published are never changed by WRITE. Its first word is its state
 * and space's alone; that of a used block is unlike every other that any block had: readers find by
 * it that a block is what a reference meant, and writers seed a checksum of the rest by it.
 *
 * A word of the index that a session may expect to be 0, or any value that bytes of a block can
 * have, must not lie in a block that is retired: a frozen session may still come with its CAS.
 */
#ifndef LIB_OBJECTS_SPACE_H
#define LIB_OBJECTS_SPACE_H

#include "lib/objects/object.h"
#include "proto/space.h"

#define SPACE_BLOCK_BYTES_MAX (SPACE_SPAN_PAGES_MAX * SPACE_PAGE_BYTES)
/* Two for each retirement, one for each claim, the intents, and the keeping of a block. */
#define SPACE_PREPARE_MAX (3 * SPACE_INTENTS_MAX + 3)

/* A block by name: where it is, and its state when it is used, which says which use of it. */
struct space_name {
	uint64_t reference; /* SPACE_REFERENCE_BITS; 0: none */
	uint64_t state;
};

/* A block that was taken. */
struct space_block {
	struct space_name name; /* the state that its claim gives it */
	uint64_t offset;        /* of its state in the region; the content follows it */
	uint32_t bytes;         /* with the state; at least what was asked for */
	/* the space's */
	uint64_t before; /* the word until it is claimed */
	bool is_claimed;
};

/* What an operation is about: at most SPACE_INTENTS_MAX names in all. */
struct space_change {
	struct space_block *const *taken;  /* that it may publish */
	const struct space_name *outgoing; /* that it may make unreachable, as they were read */
	unsigned taken_count, outgoing_count;
};

struct space;

struct space_ops {
	/*
	 * Whether the object's index refers to the block, which is used: 1, 0, or a negative errno,
	 * by which it stays used. Called by space_take and space_lease alone, for what a session
	 * left behind that has ended. Nobody but a session that is alive adds a reference to it.
	 */
	int (*is_referenced)(struct space *space, const struct space_name *block);
};

struct space_place {
	uint64_t offset; /* in the region; bytes 0: not known */
	uint64_t bytes;
};

/* Embedded in the object's handle. */
struct space {
	struct object *object;
	const struct space_ops *ops;
	uint64_t members_offset; /* of the table of members from the object's header */
	uint32_t members_max;
	struct space_place extents[CONTROL_EXTENTS_MAX];
	unsigned extent_count;       /* known from 0 on; those of records apart */
	struct space_member *member; /* NULL: this handle is none */
	char reason[200];            /* why the last call failed, where the errno says less */
};

/* The object's table has @members words at @members_offset. Asks nobody. */
void space_open(struct space *space, struct object *object, const struct space_ops *ops,
		uint64_t members_offset, uint32_t members);
/* Give everything back: what is retired, leases, the member word. Errors do not matter: what does
 * not come back here comes back from a session that has ended. */
void space_close(struct space *space);
/* The session is over: forget everything (struct open_request: lose). Asks nobody. */
void space_lose(struct space *space);

/*
 * Take a block of at least @bytes with its state, 1 to SPACE_BLOCK_BYTES_MAX. Mostly without a
 * round trip. Returns 0; -ENOSPC (the arena is full); -EUSERS (as many sessions change the object
 * as may at a time); -EOPNOTSUPP (an old storaged, which gives no extents); -EMSGSIZE; -EBADMSG
 * (the words are not what sessions write); -ENOMEM; the errors of any operation. A taken block
 * goes into the next space_prepare, or is given back.
 */
int space_take(struct space *space, uint64_t bytes, struct space_block *ret_block);
/* Of a block that was taken and is not published, and will not be. */
void space_give(struct space *space, const struct space_block *block);
/* This session has made the block unreachable: its CAS on the index succeeded. */
void space_retire(struct space *space, const struct space_name *block);

/*
 * Fill in the operations that come first in a batch: the retirements that are due, the intents, and
 * the claims of taken blocks. Returns how many, at most SPACE_PREPARE_MAX. A handle that is not a
 * member yet, and so has taken nothing, needs space_lease first where there are outgoing blocks.
 */
unsigned space_prepare(struct space *space, const struct space_change *change, struct op *ops);
/* The batch that begins with what the last space_prepare filled in at @ops was executed. */
void space_executed(struct space *space, const struct op *ops);
/* The retirements that are due, without an operation. */
int space_flush(struct space *space);

/* Where a block is, of @bytes. Returns 0; -EBADMSG (no reference to so many bytes); what asking
 * storaged for an extent returns. */
int space_find(struct space *space, uint64_t reference, uint64_t bytes, uint64_t *ret_offset);

/*
 * A lease: this member at this time, SPACE_LEASE_BITS, not 0. Makes the handle a member. It is over
 * when the session has ended and nothing of it can land any more, or the handle is closed.
 */
int space_lease(struct space *space, uint32_t *ret_lease);
int space_lease_is_over(struct space *space, uint32_t lease, bool *ret_over);

/* What the pages say, as a hint while sessions change the object: bytes of extents, and of those
 * what is free. What a session has leased counts as used. */
struct space_tally {
	uint64_t bytes, free_bytes;
	uint32_t extents;
};
int space_count(struct space *space, struct space_tally *ret_tally);

/*
 * Look at every page and every block, while no session changes the object. @is_referenced says of a
 * used block what struct space_ops says of it; it gets @context. All but the first three are
 * faults, but what is leased or owed by a session that is alive, or has ended and was not recovered
 * yet, may show there. Returns 0 or an error of any operation.
 */
struct space_report {
	uint64_t used_blocks, free_blocks, free_pages;
	uint64_t unreferenced_blocks; /* used, and no reference leads to them: lost */
	uint64_t uncounted_spans;     /* with more free blocks than their count says: lost */
	uint64_t leased_spans;
	uint64_t broken_pages;
};
int space_check(struct space *space,
		bool (*is_referenced)(void *context, const struct space_name *block), void *context,
		struct space_report *ret_report);

#endif
