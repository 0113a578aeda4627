/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/owned.h"
#include "lib/objects/word.h"

#include <errno.h>

/* Somebody is parked: who spun would only take time from whoever has it. */
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

/* Let one of those who wait for the word, which was given back as @word, be first. */
static int let_pass(struct object *object, uint64_t offset, uint64_t word, int64_t deadline_ns)
{
	struct spin spin = courtesy_spin(object->session, deadline_ns);
	uint64_t value = word;
	int r = 0;

	while (r == 0 && value == word && spin_on(&spin, object, offset, word))
		r = word_load(object, offset, &value);
	return r;
}

/* Take up the word, which storaged gave to this session as *word. Returns 0, -EAGAIN (storaged took
 * it back; *word is what it is now), or the errors of any operation. Others may set flags
 * meanwhile. */
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

/* Take the word, which had an owner as *value. Returns as owned_take, and -EAGAIN: it is to be
 * looked at again, and *value is what to try. *woken is set where that is for a wake-up that others
 * are parked behind. */
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
	/* Who was woken and goes without it wakes the others: he had their wake-up. */
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

/* How the word, which this session has as *word, is replaced: without the flags or owner @clear,
 * with @set. */
struct replacement {
	uint64_t clear, set;
	uint8_t likely; /* flags that others may well have set by now; 0: it is as it was */
};

/* Replace it. Others may set flags; those that are likely are tried in the same round trip: of two
 * compare-and-swaps one succeeds at most, for a word that is replaced never comes back. *word is
 * then what it was before. */
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

/* The flags that those who are parked have likely set since it was taken: somebody did before, and
 * it was not given back before whoever waits has stopped spinning. */
static uint8_t likely_flags(const struct object *object, const struct courtesy *courtesy)
{
	if (!courtesy || courtesy->flags == 0 ||
	    clock_now_ns() - courtesy->taken_ns < spin_ns(object->session))
		return 0;
	return courtesy->flags;
}

/* It was given back as @before. */
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
