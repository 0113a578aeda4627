/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of several contributors, reduced to one. Included by dso/dso.h. */
#ifndef DSO_AGGREGATOR_H
#define DSO_AGGREGATOR_H

#include "base.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

/* ---- aggregator: rounds of vectors, each reduced to one vector ---- */

/*
 * A round takes a vector from each contributor, an id from 0 on, and ends with the vector that
 * they are reduced to, element by element. Rounds are counted from 1; the next one begins when one
 * ends. A contributor may contribute again while the round lasts: that replaces its vector. So a
 * function that is run again counts once, if the aggregator has DSO_AGGREGATOR_RETRIES and the
 * function names the round: without a number it would count in the next round where the first has
 * ended, with it gets -EALREADY. The result depends on the contributions alone, to the bit,
 * neither on their order nor on the transport. The results of the last two rounds are kept.
 *
 * When a session that has contributed ends without dso_close(), or without having closed the
 * aggregator, it breaks the round that is current then, until dso_aggregator_reset(). With
 * DSO_AGGREGATOR_RETRIES it breaks nothing: what it has contributed counts, and the round waits for
 * the ids that are missing, whichever session contributes for them.
 */

struct dso_aggregator;

enum dso_element { DSO_INT64 = 1, DSO_DOUBLE = 2 };

/*
 * What becomes of the values at one place of the vectors. NaN and infinities propagate as IEEE 754
 * has it.
 */
enum dso_operation {
	/* double: the exact sum, rounded once; int64: modulo 2^64 */
	DSO_SUM = 1,
	DSO_MIN = 2, /* of the elements' type */
	DSO_MAX = 3, /* the same */
	/* double, also of int64: the exact sum, rounded, through the number of contributions */
	DSO_MEAN = 4,
	/* double, also of int64: of a population, the exact one rounded once */
	DSO_VARIANCE = 5,
	/* int64: the number of contributions */
	DSO_COUNT = 6,
	/* uint64: the lowest id among those that have the smallest, or the largest value; or NaN */
	DSO_ARGMIN = 7,
	DSO_ARGMAX = 8
};

enum dso_aggregator_flags {
	DSO_AGGREGATOR_RETRIES = 1,
	/* a round ends by dso_aggregator_finish() alone, also where all have contributed */
	DSO_AGGREGATOR_OPEN_END = 2
};

struct dso_aggregator_params {
	uint64_t length; /* elements of a vector, 1 to 2,097,152; 0: any (none at creation) */
	enum dso_element element;     /* 0: any; at creation, and beside an operation, double */
	enum dso_operation operation; /* 0: any; at creation, and beside an element, a sum */
	uint32_t contributors;        /* of a round, 1 to 1,024; 0: any (none at creation) */
	uint32_t flags;               /* enum dso_aggregator_flags; 0: any (none at creation) */
	uint64_t ephemeral;           /* see DSO_EPHEMERAL */
};

/*
 * dso_aggregator_open - open the aggregator @name. To create it, @params has to say its length and
 * how many contributors a round has. It takes the memory of two vectors for each contributor, and
 * of two results. A session is a contributor from its first contribution until it closes the
 * aggregator. *ret_aggregator is the caller's, to be given back with dso_aggregator_close(). Errors
 * as for dso_counter_open().
 */
int dso_aggregator_open(struct dso_session *session, const char *name,
			const struct dso_aggregator_params *params,
			struct dso_aggregator **ret_aggregator);

/* dso_aggregator_close - free the handle. The aggregator stays, and what was contributed counts.
 * Blocks for one round trip, and waits for what was submitted in the session. NULL does nothing. */
void dso_aggregator_close(struct dso_aggregator *aggregator);

/* dso_aggregator_bytes - how many bytes a vector has, a contributed one and a result: 8 for each
 * element. Does not block. */
size_t dso_aggregator_bytes(const struct dso_aggregator *aggregator);

/*
 * dso_aggregator_contribute - contribute @values, of @values_bytes as dso_aggregator_bytes() says,
 * to @round for @id. @round 0 is the current one, or the next if the current one is being reduced;
 * a later one is waited for, for at most @timeout (nanoseconds, DSO_NOWAIT, DSO_FOREVER). ret_round
 * is the round in which it counts. The last contributor has the round reduced before it returns;
 * where this process maps the memory it does that itself. It takes one round trip, and more where
 * the session contributes for @id the first time, or again in one round. Two sessions may
 * contribute for one id: one of the two vectors counts. Returns 0, -EALREADY (the round is over, or
 * takes nothing more from @id), -ETIMEDOUT (the round has not begun), -ENOTRECOVERABLE (the round
 * is broken), -EUSERS (all places for vectors are taken: there are two for each contributor of a
 * round; a handle keeps one for each id that it has contributed for), -EMSGSIZE (@values_bytes is
 * another), -EINVAL (@id is too large, @values is NULL, or the timeout is negative and not
 * DSO_FOREVER), -EBADMSG (the words of the aggregator make no sense: something wrote over them),
 * -ECANCELED (dso_interrupt() ended the wait), -ESTALE, -ECONNRESET (it may or may not count),
 * -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP (it had to wait, and storaged is older than this library),
 * -EIO (storaged's RDMA device failed, or storaged has no memory for a reduction).
 */
int dso_aggregator_contribute(struct dso_aggregator *aggregator, uint32_t id, const void *values,
			      size_t values_bytes, uint64_t round, int64_t timeout,
			      uint64_t *ret_round);

/*
 * dso_aggregator_round_wait - wait until @round (0: the current one) is over, for at most @timeout,
 * and read its result into @result of @result_bytes, as dso_aggregator_bytes() says. Everybody may
 * do that, contributor or not. *ret_contributors is how many contributions there are in it. What is
 * in @result after an error is undefined. Returns 0, -ETIMEDOUT, -ENOTRECOVERABLE (the round is
 * broken, or a reset has ended it), -ENODATA (the result is not kept any longer: the round after
 * the next has ended, or is being reduced), -EMSGSIZE (@result_bytes is another), -EINVAL (@result
 * is NULL, or the timeout is negative and not DSO_FOREVER), -EBADMSG (the result is not what was
 * written), -ECANCELED (dso_interrupt() ended the wait), -ESTALE, -ECONNRESET (with reduce_wait the
 * result may have been taken), -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP (it had to wait, and storaged is
 * older than this library), -EIO (storaged's RDMA device failed, or storaged has no memory for a
 * reduction).
 */
int dso_aggregator_round_wait(struct dso_aggregator *aggregator, uint64_t round, void *result,
			      size_t result_bytes, int64_t timeout, uint32_t *ret_contributors);

/*
 * dso_aggregator_reduce_wait - the same, for one: the result of a round is given to a single caller
 * of this function, and the others get -EALREADY. Nobody gets that of a round before one that was
 * taken. Errors as for dso_aggregator_round_wait(), and -EALREADY (another caller has taken
 * that result, or a later one).
 */
int dso_aggregator_reduce_wait(struct dso_aggregator *aggregator, uint64_t round, void *result,
			       size_t result_bytes, int64_t timeout, uint32_t *ret_contributors);

/*
 * dso_aggregator_all_reduce - contribute @values, of @bytes, to @round for @id, and wait for the
 * result of that round, which is put into @result, of as many bytes. @timeout is for both. The two
 * vectors do not overlap. Errors as for dso_aggregator_contribute() and
 * dso_aggregator_round_wait(); behind -ETIMEDOUT, -ECANCELED and -ECONNRESET the contribution may
 * count.
 */
int dso_aggregator_all_reduce(struct dso_aggregator *aggregator, uint32_t id, const void *values,
			      size_t bytes, uint64_t round, void *result, int64_t timeout,
			      uint64_t *ret_round);

/*
 * dso_aggregator_get - read the result of the last round that was reduced. Does not wait for
 * others. *ret_round is that round. Returns 0, -ENODATA (there is none: no round was reduced yet,
 * the last two were reset, or the last one was and the current one is being reduced), -EMSGSIZE
 * (@result_bytes is another), -EINVAL (@result is NULL), -EBADMSG (the result is not what was
 * written), -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_aggregator_get(struct dso_aggregator *aggregator, void *result, size_t result_bytes,
		       uint64_t *ret_round, uint32_t *ret_contributors);

/*
 * dso_aggregator_finish - end @round (0: the current one) with those who have contributed.
 * *ret_round is the round. Returns 0, -EALREADY (it is over), -EINVAL (it has not begun),
 * -ENOTRECOVERABLE (it is broken), -ESTALE, -ECONNRESET (it may or may not be over), -ENOTCONN,
 * -ESHUTDOWN, -EIO (storaged's RDMA device failed, or storaged has no memory for a reduction).
 */
int dso_aggregator_finish(struct dso_aggregator *aggregator, uint64_t round, uint64_t *ret_round);

/*
 * dso_aggregator_reset - end the current round without a result, also where it is broken, and begin
 * the next. Everybody who waits for it gets -ENOTRECOVERABLE. Does not wait for others. Returns 0,
 * -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN, -EOPNOTSUPP (it was reset, but waiters were not
 * woken: storaged is older than this library).
 */
int dso_aggregator_reset(struct dso_aggregator *aggregator);

/* dso_aggregator_stat - the current round, how many ids have contributed to it, and whether it is
 * broken (1, else 0). Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN. */
int dso_aggregator_stat(struct dso_aggregator *aggregator, uint64_t *ret_round,
			uint32_t *ret_contributed, int *ret_broken);

DSO_DECLARATIONS_END

#endif
