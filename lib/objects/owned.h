/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking and giving back an owned word (proto/layout.h), of which every lock here is made.
 *
 * Taking: a session that finds the word owned spins for a while, and then has storaged take the
 * word for it. storaged parks the session and sets OWNED_WAITED in the word, whichever session owns
 * it by then.
 *
 * Giving back: an owner that finds OWNED_WAITED clears it and tells storaged. storaged either gives
 * the word to the session that has been parked the longest, with OWNED_GRANTED, and leaves
 * OWNED_WAITED if more are parked; or it finds that another session was quicker, and sets
 * OWNED_WAITED again. The session takes the word up by clearing OWNED_GRANTED, and owns it from
 * then on. A session that is frozen or gone does not take it up: storaged takes the word back and
 * gives it to the next one (storaged/session/grants.h). A session that comes too late finds that,
 * and parks again.
 *
 * Fairness: a word that was given away stands idle until its new owner has come, so storaged gives
 * a word away only now and then (lib/core/waitlist.h). In between, any session that is not parked
 * may take it. A waiter may also be woken to try for the word, as where one that was parked before
 * it did not want to take it; that waiter sets OWNED_WAITED if it gets the word, and wakes the
 * others if it leaves. No waiter stays behind others for long, though there is no bound. A session
 * that has given a word back to waiters COURTESY times in a row yields its next acquisition to one
 * of them.
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

/* The sentence of -EINVAL of dso_mutex_consistent() and dso_rwlock_consistent(). */
#define OWNED_NOT_DIED_SENTENCE \
	"there is nothing to make consistent: this handle did not lock it with -EOWNERDEAD"

/* A session's courtesy to the waiters of a word that it takes again and again; zero at first. */
struct courtesy {
	unsigned given; /* how often the word was given back while others waited */
	/* the flags of the waiters that were parked when the word was last given back, where it
	 * takes a round trip to see them; else 0 */
	uint8_t flags;
	bool due;         /* yield the next acquisition to a waiter */
	int64_t taken_ns; /* when it was taken, where there are such flags */
};

/* The word was taken. */
static inline void courtesy_begin(struct courtesy *courtesy)
{
	if (__builtin_expect(courtesy->flags != 0, 0))
		courtesy->taken_ns = clock_now_ns();
}

/* The word was given back while others waited. */
static inline void courtesy_count(struct courtesy *courtesy)
{
	courtesy->due = ++courtesy->given % COURTESY == 0;
}

/* How long to yield to a waiter: the way of the wake-up to it, and the way of its atomic. */
struct spin courtesy_spin(const struct dso_session *session, int64_t deadline_ns);

/* The word as its owner will leave it, if nothing else happens. */
static inline uint64_t owned_given_back(uint64_t word)
{
	return owned_word_without_owner(word) & ~(uint64_t)(OWNED_WAITED | OWNED_GRANTED);
}

/* The word after @me has taken it; @value is the word without an owner. */
static inline uint64_t owned_taken(uint64_t value, uint16_t me)
{
	return owned_word(owned_word_token(value) + 1, me) | (value & UINT8_MAX);
}

/* The result of a CAS of *value to @taken that found @before. *value is then what the word is. */
static inline int owned_judge(uint64_t before, uint64_t taken, uint64_t *value)
{
	if (__builtin_expect(before != *value, 0)) {
		*value = before;
		return owned_word_owner(before) == owned_word_owner(taken) ? -EDEADLK : -EAGAIN;
	}
	*value = taken;
	return taken & OWNED_DIED ? -EOWNERDEAD : 0;
}

/* Take the word, which has no owner if it still is *value, and set @flags in it. *value is then
 * what the word is. Returns as owned_take, and -EAGAIN where the word had changed. */
static inline int owned_try_take(struct object *object, uint64_t offset, uint64_t *value,
				 uint64_t flags)
{
	uint64_t taken = owned_taken(*value, object->session->owner) | flags, before;
	int r = word_cas(object, offset, *value, taken, &before);

	return __builtin_expect(r != 0, 0) ? r : owned_judge(before, taken, value);
}

/*
 * Take the word at @offset of the object. *word is the word as it was last seen (0 will do), and
 * then what it is. Returns 0; -EOWNERDEAD (taken; the owner before ended while it had it);
 * -EALREADY (it has one of the flags @stop, which are for ever, and was not taken); -EDEADLK (this
 * session has it); -ETIMEDOUT, -ECANCELED, -ESTALE and the errors of any operation.
 */
int owned_take(struct object *object, uint64_t offset, uint64_t *word, uint64_t stop,
	       struct courtesy *courtesy, int64_t deadline_ns);

/* The word was seen with a flag that is for ever. Returns -EALREADY, or why the object cannot be
 * used any more. */
__attribute__((cold)) int owned_stopped(struct object *object);

/* The two halves of owned_take. The first is one compare-and-swap and reads no clock; after -EAGAIN
 * the second has to follow. */
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

/* Wait, spinning or parked, for the word to be given back, which had an owner as @value. Returns 0
 * (look again) or an error as above. */
int owned_wait(struct object *object, uint64_t offset, uint64_t value, struct spin *spin,
	       int64_t deadline_ns);

/* The part of owned_give for a word that has waiters, likely has some, or has changed. */
__attribute__((cold)) int owned_give_to(struct object *object, uint64_t offset, uint64_t *word,
					uint64_t clear, uint64_t set, uint32_t wake,
					struct courtesy *courtesy);

/*
 * Give the word back that was taken as *word, without the flags @clear and with the flags @set, and
 * wake up to @wake waiters. @courtesy may be NULL, here and in owned_take. Returns 0, -EPERM (this
 * session does not have it any more: it was taken by force), or the errors of any operation.
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

/* Whether the session still owns the word after owned_give has returned @r and left the word as
 * @word: the session is over, and could not give it back. A renewal reports it
 * (lib/client/renew.c). */
static inline bool owned_is_kept(int r, uint64_t word)
{
	return object_session_is_over(r) && owned_word_owner(word);
}

/* Clear flags of the word, which this session has. Returns as owned_give. */
int owned_clear(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear);

#endif
