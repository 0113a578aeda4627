/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reduction of a round of an aggregator (lib/objects/aggregator.h has the protocol), by whoever
 * reaches its memory: storaged for a session, or the session itself. It goes on in steps, so that
 * storaged can do other things in between, and changes nothing that another reducer could not find
 * half done: one that dies, or gives up, is followed by another, which begins anew.
 *
 * Nothing that lies in the memory is believed: lengths come from the parameters, words are read
 * once and compared with limits, and elements are data.
 */
#ifndef LIB_CORE_REDUCTION_H
#define LIB_CORE_REDUCTION_H

#include "lib/core/reduce.h"
#include "lib/core/transport.h"
#include "proto/layout.h"

#define REDUCTION_CHUNK 512 /* elements reduced at a time */

struct reduction {
	/* ---- the caller's ---- */
	/* of the words */
	struct transport *transport;
	/* the object's header, in the region, and where it is mapped */
	uint64_t offset;
	uint8_t *memory;
	uint64_t length, contributors, flags;
	enum reduce_operation operation;
	enum reduce_element element;
	/* in whose name */
	uint16_t owner;
	uint64_t round;
	/* gets the result, too; NULL: nothing */
	uint8_t *copy;
	/* ---- what comes of it ---- */
	/* the round's word, as last seen */
	uint64_t word;
	/* waiters that have to be woken */
	uint64_t waiters;
	/* the round was reduced by this reduction */
	bool is_done;
	/* ---- its own ---- */
	uint64_t claim, arrived, next, checksum;
	unsigned vector_count;
	struct reduce_vector vectors[AGGREGATOR_CONTRIBUTORS_MAX];
	uint64_t words[AGGREGATOR_CONTRIBUTORS_MAX];
};

/* Fill in the caller's part for the aggregator of these parameters at @offset; @memory is where its
 * header is mapped. */
void reduction_prepare(struct reduction *reduction, const uint64_t parameters[4],
		       struct transport *transport, uint64_t offset, uint8_t *memory,
		       uint16_t owner);

/* How many elements have to be read. */
static inline uint64_t reduction_elements(const struct reduction *reduction)
{
	return reduction->length * reduction->contributors;
}

/*
 * Begin to reduce @round, and to give a copy of the result to @copy (may be NULL). Returns 1 when
 * reduction_step() has to follow; 0 when there is nothing to do: the round is over, broken, not
 * complete, or another session reduces it; or a negative errno: words cannot be reached.
 */
int reduction_begin(struct reduction *reduction, uint64_t round, void *copy);

/* Reduce some more elements, of about @elements_max that are read; the last step publishes the
 * result. Returns 1 when there is more to do, 0 at the end, or a negative errno. */
int reduction_step(struct reduction *reduction, uint64_t elements_max);

/* The checksum of a result of @round: each chunk's is the seed of the next one's. */
uint64_t reduction_checksum(uint64_t round, const void *values, uint64_t length);

#endif
