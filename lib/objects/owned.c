/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/owned.h"
#include "lib/objects/word.h"

#include <errno.h>

/* Sessions are parked: spinning would only take time from the word's owner. */
static bool is_queued(uint64_t word)
{
	return word & (OWNED_WAITED | OWNED_QUEUED);
}

int owned_stopped(struct object *object)
{
	int r = session_enter(object);

	session_leave(object->session);
	return r ? r : -EALREADY;
}

int owned_wait(struct object *object, uint64_t offset, uint64_t value, struct spin *spin,
	       int64_t deadline_ns)
{
	if (!is_queued(value) && spin_on(spin, object, offset, value))
		return 0;
	return futex_wait_owned(object, offset, deadline_ns);
}

struct spin courtesy_spin(const struct dso_session *session, int64_t deadline_ns)
{
	struct spin spin = spin_begin(session, deadline_ns);

	spin.until_ns += spin.until_ns - clock_now_ns();
	if (deadline_ns < spin.until_ns)
		spin.until_ns = deadline_ns;
	return spin;
}

/* Let a waiter of the word, which was given back as @word, be first. */
static int let_pass(struct object *object, uint64_t offset, uint64_t word, int64_t deadline_ns)
{
	struct spin spin = courtesy_spin(object->session, deadline_ns);
	uint64_t value = word;
	int r = 0;

	while (r == 0 && value == word && spin_on(&spin, object, offset, word))
		r = word_load(object, offset, &value);
	return r;
}

/* Take up the word, which storaged gave to this session as *word. Other sessions may set flags
 * meanwhile. Returns 0, -EAGAIN (storaged took it back; *word is what it is now), or the errors of
 * any operation. */
static int take_up(struct object *object, uint64_t offset, uint64_t *word)
{
	uint64_t before;

	while (*word & OWNED_GRANTED) {
		uint64_t mine = *word & ~(uint64_t)OWNED_GRANTED;
		int r = word_cas(object, offset, *word, mine, &before);

		if (r)
			return r;
		if ((before ^ *word) >> 8 || !(before & OWNED_GRANTED)) {
			*word = before;
			return -EAGAIN;
		}
		*word = before == *word ? mine : before;
	}
	return 0;
}

/* Take the word, which had an owner as *value. Returns as owned_take, and -EAGAIN: try again, with
 * *value as the word. *woken is set when the session was woken by a wake-up that others are parked
 * behind. */
static int take_from(struct object *object, uint64_t offset, uint64_t *value, uint64_t stop,
		     struct spin *spin, int64_t deadline_ns, bool *woken)
{
	struct park park = {.offset = offset,
			    .expected = stop,
			    .until = CONTROL_WAIT_TAKEN,
			    .again = spin->parked};
	uint64_t taken = 0;
	int r;

	if (!is_queued(*value) && spin_on(spin, object, offset, *value)) {
		*value = owned_given_back(*value);
		return -EAGAIN;
	}
	r = futex_park(object, &park, deadline_ns, &taken);
	spin->parked = true;
	*woken |= r == 0 && !taken;
	*value = taken ? taken : owned_given_back(*value);
	if (r == 0)
		r = taken ? take_up(object, offset, value) : -EAGAIN;
	return r ? r : *value & OWNED_DIED ? -EOWNERDEAD : 0;
}

int owned_await(struct object *object, uint64_t offset, uint64_t *word, uint64_t stop,
		struct courtesy *courtesy, int64_t deadline_ns)
{
	bool woken = false;
	struct spin spin;
	uint64_t value = *word;
	int r = 0;

	if (courtesy && courtesy->due) {
		courtesy->due = false;
		r = let_pass(object, offset, *word, deadline_ns);
		if (r)
			return r;
		value = owned_given_back(value);
	}
	spin = spin_begin(object->session, deadline_ns);
	do {
		if (owned_word_owner(value))
			r = take_from(object, offset, &value, stop, &spin, deadline_ns, &woken);
		else if (value & stop)
			r = -EALREADY;
		else
			r = owned_try_take(object, offset, &value, woken ? OWNED_WAITED : 0);
	} while (r == -EAGAIN);
	*word = value;
	/* A session that was woken and leaves without the word wakes the others: it had their
	 * wake-up. */
	if (woken && r && r != -EOWNERDEAD)
		futex_wake_all(object, offset);
	return r;
}

int owned_take(struct object *object, uint64_t offset, uint64_t *word, uint64_t stop,
	       struct courtesy *courtesy, int64_t deadline_ns)
{
	int r = owned_try(object, offset, word, stop, courtesy);

	return r == -EAGAIN ? owned_await(object, offset, word, stop, courtesy, deadline_ns) : r;
}

/* How to replace the word, which this session has as *word: without the flags or owner @clear, with
 * @set. */
struct replacement {
	uint64_t clear, set;
	uint8_t likely; /* flags that others have likely set by now; 0: none */
};

/* Replace the word. Other sessions may set flags in it meanwhile; the likely flags are tried in the
 * same round trip. Of the two compare-and-swaps at most one succeeds, because a replaced word never
 * comes back. *word is then what it was before. */
static int replace(struct object *object, uint64_t offset, uint64_t *word,
		   struct replacement replacement)
{
	uint8_t likely = replacement.likely;

	for (;; likely = 0) {
		struct op ops[2];
		unsigned count = likely & ~*word ? 2 : 1;
		int r;

		for (unsigned i = 0; i < count; i++) {
			uint64_t from = *word | (i ? likely : 0);

			ops[i] = word_op(object, DATA_CAS, offset, from,
					 (from & ~replacement.clear) | replacement.set);
		}
		r = session_execute(object, ops, count);
		if (r)
			return r;
		for (unsigned i = 0; i < count; i++) {
			if (ops[i].value == ops[i].operand) {
				*word = ops[i].operand;
				return 0;
			}
		}
		if ((ops[count - 1].value ^ *word) >> 8)
			return -EPERM;
		*word = ops[count - 1].value;
	}
}

/* The flags that parked sessions have likely set since the word was taken: they did so before, and
 * the word was kept for longer than a waiter spins. */
static uint8_t likely_flags(const struct object *object, const struct courtesy *courtesy)
{
	if (!courtesy || courtesy->flags == 0 ||
	    clock_now_ns() - courtesy->taken_ns < spin_ns(object->session))
		return 0;
	return courtesy->flags;
}

/* The word was given back as @before: remember what that says about the waiters. */
static void courtesy_end(const struct object *object, struct courtesy *courtesy, uint64_t before,
			 uint8_t likely)
{
	bool near = transport_ops(object->session->transport)->cas;

	if (before & OWNED_WAITED) {
		courtesy->flags = near ? 0 : before & (OWNED_WAITED | OWNED_QUEUED);
		courtesy_count(courtesy);
	} else if (likely) {
		courtesy->flags = 0;
	}
}

int owned_give_to(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear,
		  uint64_t set, uint32_t wake, struct courtesy *courtesy)
{
	uint64_t gone = clear | OWNED_WAITED | (uint64_t)UINT16_MAX << 8;
	struct replacement free = {
		.clear = gone, .set = set, .likely = likely_flags(object, courtesy)};
	int r = replace(object, offset, word, free);
	uint64_t before = *word;

	if (r)
		return r;
	*word = (before & ~gone) | set;
	if (courtesy)
		courtesy_end(object, courtesy, before, free.likely);
	if (!(before & OWNED_WAITED))
		return 0;
	return wake == OWNED_WAKE_ALL ? futex_wake_all(object, offset)
				      : futex_wake(object, offset, wake);
}

int owned_clear(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear)
{
	int r = replace(object, offset, word, (struct replacement){.clear = clear});

	if (r == 0)
		*word &= ~clear;
	return r;
}
