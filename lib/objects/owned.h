/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking and giving back an owned word (proto/layout.h), which is what every lock here is made of.
 *
 * Who finds it owned spins for a while, and then has storaged take it for him: it parks him and
 * sets OWNED_WAITED in the word, whoever has it by then. Who gives it back with the flag clears it
 * and tells storaged. That gives the word to the session that has been parked the longest, with
 * OWNED_GRANTED, and leaves the flag if there are more; or finds that somebody was quicker, and
 * sets the flag again. The session takes the word up by clearing OWNED_GRANTED, and has it from
 * then on. One that is frozen or gone does not; storaged then takes the word back and gives it to
 * the next (storaged/session/grants.h), and a session that comes too late finds that and parks
 * again. Since a word that is given away stands idle until its new owner has come, this is done for
 * a word only now and then (storaged/session/futex.c); in between it is anybody's who is not
 * parked. A process with a store of its own wakes the first to try for it then
 * (lib/client/embedded.c), who sets the flag if he gets it, and wakes the next if he goes. So a
 * word is anybody's who is first, and nobody waits behind others for long, though there is no
 * bound. So that this holds for one who takes it again and again, too, who has given it back to
 * waiters COURTESY times lets one of them pass.
 */
#ifndef LIB_OBJECTS_OWNED_H
#define LIB_OBJECTS_OWNED_H

#include "lib/core/clock.h"
#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/objects/word.h"
#include "proto/layout.h"

#include <errno.h>

#define OWNED_WAKE_ALL UINT32_MAX

#define COURTESY 8

/* Of -EINVAL of dso_mutex_consistent() and dso_rwlock_consistent(). */
#define OWNED_NOT_DIED_SENTENCE \
	"there is nothing to make consistent: this handle did not lock it with -EOWNERDEAD"

/* Of who takes and gives back one word again and again; zero at first. */
struct courtesy {
	unsigned given; /* back, while somebody waited */
	/* of who was parked when it was given back, where it takes a round trip to see that; else
	 * 0 */
	uint8_t flags;
	bool due;         /* the next time he lets one of them pass */
	int64_t taken_ns; /* when it was, where there are such flags */
};

/* It was taken. */
static inline void courtesy_begin(struct courtesy *courtesy)
{
	if (__builtin_expect(courtesy->flags != 0, 0))
		courtesy->taken_ns = clock_now_ns();
}

/* Something was given back while somebody waited. */
static inline void courtesy_count(struct courtesy *courtesy)
{
	courtesy->due = ++courtesy->given % COURTESY == 0;
}

/* How long to let somebody pass: the way of the wake-up, and that of whom it wakes. */
struct spin courtesy_spin(const struct dso_session *session, int64_t deadline_ns);

/* As its owner will leave it, if nothing else happens. */
static inline uint64_t owned_given_back(uint64_t word)
{
	return owned_word_without_owner(word) & ~(uint64_t)(OWNED_WAITED | OWNED_GRANTED);
}

/* The word that has no owner as @value, taken by @me. */
static inline uint64_t owned_taken(uint64_t value, uint16_t me)
{
	return owned_word(owned_word_token(value) + 1, me) | (value & UINT8_MAX);
}

/* What came of a CAS of *value to @taken that found @before. *value is then what the word is. */
static inline int owned_judge(uint64_t before, uint64_t taken, uint64_t *value)
{
	if (__builtin_expect(before != *value, 0)) {
		*value = before;
		return owned_word_owner(before) == owned_word_owner(taken) ? -EDEADLK : -EAGAIN;
	}
	*value = taken;
	return taken & OWNED_DIED ? -EOWNERDEAD : 0;
}

/* Take the word, which has no owner if it is *value still, setting @flags. *value is then what it
 * is. Returns as owned_take, and -EAGAIN where it was not. */
static inline int owned_try_take(struct object *object, uint64_t offset, uint64_t *value,
				 uint64_t flags)
{
	uint64_t taken = owned_taken(*value, object->session->owner) | flags, before;
	int r = word_cas(object, offset, *value, taken, &before);

	return __builtin_expect(r != 0, 0) ? r : owned_judge(before, taken, value);
}

/*
 * Take the word at @offset of the object. *word is what it was when it was last seen (0 will do),
 * and what it is now. Returns 0; -EOWNERDEAD (taken; the owner before ended while it had it);
 * -EALREADY (it has one of the flags @stop, which are for ever, and was not taken); -EDEADLK (this
 * session has it); -ETIMEDOUT, -ECANCELED, -ESTALE and the errors of any operation.
 */
int owned_take(struct object *object, uint64_t offset, uint64_t *word, uint64_t stop,
	       struct courtesy *courtesy, int64_t deadline_ns);

/* The word was seen with a flag that is for ever. Returns -EALREADY, or why the object is of no use
 * any more. */
__attribute__((cold)) int owned_stopped(struct object *object);

/* The two halves of that. The first is one compare-and-swap and looks at no clock; after -EAGAIN
 * the other has to come next. */
static inline int owned_try(struct object *object, uint64_t offset, uint64_t *word, uint64_t stop,
			    const struct courtesy *courtesy)
{
	uint64_t value = owned_given_back(*word);
	int r;

	if (courtesy && courtesy->due)
		return -EAGAIN;
	r = __builtin_expect((value & stop) != 0, 0) ? owned_stopped(object)
						     : owned_try_take(object, offset, &value, 0);
	*word = value;
	return r;
}

__attribute__((cold)) int owned_await(struct object *object, uint64_t offset, uint64_t *word,
				      uint64_t stop, struct courtesy *courtesy,
				      int64_t deadline_ns);

/* Wait a while, or parked, for the word to be given back, which had an owner as @value. Returns 0
 * (look again) or an error as above. */
int owned_wait(struct object *object, uint64_t offset, uint64_t value, struct spin *spin,
	       int64_t deadline_ns);

/* The half of owned_give where somebody waits, may well do so, or the word is another than it
 * was. */
__attribute__((cold)) int owned_give_to(struct object *object, uint64_t offset, uint64_t *word,
					uint64_t clear, uint64_t set, uint32_t wake,
					struct courtesy *courtesy);

/*
 * Give the word back that was taken as *word: without the flags @clear, with the flags @set, and
 * wake up to @wake of those who wait. @courtesy may be NULL, here and in owned_take. Returns 0,
 * -EPERM (somebody else has it, or nobody: it was forced), or the errors of any operation.
 */
static inline int owned_give(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear,
			     uint64_t set, uint32_t wake, struct courtesy *courtesy)
{
	uint64_t free = (owned_word_without_owner(*word) & ~clear) | set, before;
	int r;

	if (*word & OWNED_WAITED || (courtesy && courtesy->flags))
		return owned_give_to(object, offset, word, clear, set, wake, courtesy);
	r = word_cas(object, offset, *word, free, &before);
	if (r)
		return r;
	if (before != *word)
		return owned_give_to(object, offset, word, clear, set, wake, courtesy);
	*word = free;
	return 0;
}

/* After owned_give, which returned @r and left the word as @word: whether it is its owner's still,
 * who cannot give it back because the session is over. A renewal tells of it (lib/client/renew.c).
 */
static inline bool owned_is_kept(int r, uint64_t word)
{
	return object_session_is_over(r) && owned_word_owner(word);
}

/* Clear flags of the word, which this session has. Returns as owned_give. */
int owned_clear(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear);

#endif
