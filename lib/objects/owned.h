/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking and giving back an owned word (proto/layout.h), which is what every lock here is made of.
 *
 * The algorithm is that of futexes (U. Drepper, "Futexes Are Tricky", mutex 2), with the owner in the word:
 * who finds it owned spins for a while, then sets OWNED_WAITED and parks. Who gives it back clears the flag
 * and wakes one, who sets it again, since there may be more behind him. A word that was given back is
 * anybody's who is first, woken or not: that is quick, and not fair. So that nobody waits for ever behind
 * one who takes it again and again, who has given it to waiters COURTESY times lets one of them pass.
 */
#ifndef LIB_OBJECTS_OWNED_H
#define LIB_OBJECTS_OWNED_H

#include "lib/objects/futex.h"
#include "proto/layout.h"

#define OWNED_WAKE_ALL UINT32_MAX

/* How somebody waits for a word to be given back. */
struct patience {
	struct spin spin;
	int64_t deadline_ns;
	uint64_t waited; /* OWNED_WAITED once he was parked: others may be parked behind him */
};

struct patience patience_until(const struct dso_session *session, int64_t deadline_ns);

/* Of who takes and gives back one word again and again; zero at first. */
struct courtesy {
	unsigned given; /* to those who waited */
	bool due;       /* the next time he lets one of them pass */
};

/*
 * Take the word at @offset of the object. *word is what it was when it was last seen (0 will do), and what
 * it is now. Returns 0; -EOWNERDEAD (taken; the owner before ended while it had it); -EALREADY (it has one
 * of the flags @stop, which are for ever, and was not taken); -EDEADLK (this session has it); -ETIMEDOUT,
 * -ECANCELED, -ESTALE and the errors of any operation.
 */
int owned_take(struct object *object, uint64_t offset, uint64_t *word, uint64_t stop,
	       struct courtesy *courtesy, int64_t deadline_ns);

/* Wait a while, or parked, for the word to be given back, which was *value when it was last seen. *value is
 * then what to try. Returns 0 or an error as above. */
int owned_wait(struct object *object, uint64_t offset, uint64_t *value, struct patience *patience);

/*
 * Give the word back that was taken as *word: without the flags @clear, with the flags @set, and wake up to
 * @wake of those who wait. @courtesy may be NULL, here and in owned_take. Returns 0, -EPERM (somebody else has
 * it, or nobody: it was forced), or the errors of any operation.
 */
int owned_give(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear, uint64_t set,
	       uint32_t wake, struct courtesy *courtesy);

/* Clear flags of the word, which this session has. Returns as owned_give. */
int owned_clear(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear);

#endif
