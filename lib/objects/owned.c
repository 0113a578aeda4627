/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/owned.h"
#include "lib/clock.h"
#include "lib/objects/word.h"

#include <errno.h>

struct patience patience_until(const struct dso_session *session, int64_t deadline_ns)
{
	return (struct patience){.spin = spin_begin(session, deadline_ns),
				 .deadline_ns = deadline_ns};
}

int owned_wait(struct object *object, uint64_t offset, uint64_t *value, struct patience *patience)
{
	int r;

	/* Where somebody is parked there is a queue: no spinning past it. */
	if (!(*value & OWNED_WAITED) && spin_on(&patience->spin, object, offset, *value)) {
		*value = owned_given_back(*value);
		return 0;
	}
	/* Who was woken says first that others may be parked behind him: he had their wake-up. */
	if (!patience->waited && clock_now_ns() >= patience->deadline_ns)
		return -ETIMEDOUT;
	r = word_flag(object, offset, OWNED_WAITED, value);
	if (r)
		return r == -EAGAIN ? 0 : r;
	r = futex_wait_owned(object, offset, patience->deadline_ns);
	if (r && r != -EAGAIN)
		return r;
	if (r == 0)
		patience->waited = OWNED_WAITED;
	*value = owned_given_back(*value);
	return 0;
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

int owned_await(struct object *object, uint64_t offset, uint64_t *word, uint64_t stop,
		struct courtesy *courtesy, int64_t deadline_ns)
{
	struct patience patience;
	uint64_t value = *word;
	int r;

	if (courtesy && courtesy->due) {
		courtesy->due = false;
		r = let_pass(object, offset, *word, deadline_ns);
		if (r)
			return r;
		value = owned_given_back(value);
	}
	patience = patience_until(object->session, deadline_ns);
	for (;;) {
		if (owned_word_owner(value)) {
			r = owned_wait(object, offset, &value, &patience);
			if (r)
				return r;
			continue;
		}
		r = value & stop ? -EALREADY
				 : owned_try_take(object, offset, &value, patience.waited);
		if (r != -EAGAIN) {
			*word = value;
			return r;
		}
	}
}

int owned_take(struct object *object, uint64_t offset, uint64_t *word, uint64_t stop,
	       struct courtesy *courtesy, int64_t deadline_ns)
{
	int r = owned_try(object, offset, word, stop, courtesy);

	return r == -EAGAIN ? owned_await(object, offset, word, stop, courtesy, deadline_ns) : r;
}

/* Replace the word, which this session has as *word, without the flags or owner @clear, with @set; others
 * may set flags. *word is then what it was before. */
static int replace(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear,
		   uint64_t set)
{
	for (;;) {
		uint64_t before;
		int r = word_cas(object, offset, *word, (*word & ~clear) | set, &before);

		if (r)
			return r;
		if (before == *word)
			return 0;
		if ((before ^ *word) >> 8)
			return -EPERM;
		*word = before;
	}
}

int owned_give_to(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear,
		  uint64_t set, uint32_t wake, struct courtesy *courtesy)
{
	uint64_t gone = clear | OWNED_WAITED | (uint64_t)UINT16_MAX << 8;
	int r = replace(object, offset, word, gone, set);
	bool waited = *word & OWNED_WAITED;

	if (r)
		return r;
	*word = (*word & ~gone) | set;
	if (!waited)
		return 0;
	if (courtesy)
		courtesy_count(courtesy);
	return wake == OWNED_WAKE_ALL ? futex_wake_all(object, offset)
				      : futex_wake(object, offset, wake);
}

int owned_clear(struct object *object, uint64_t offset, uint64_t *word, uint64_t clear)
{
	int r = replace(object, offset, word, clear, 0);

	if (r == 0)
		*word &= ~clear;
	return r;
}
