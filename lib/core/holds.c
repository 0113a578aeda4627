/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/holds.h"
#include "lib/store/types.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* The turn's last object is read to its end, also beyond the turn's words: one with the most words
 * that an object can have. */
#define WORDS_MOST (HOLDS_TURN_MAX + 1 + RWLOCK_READERS_MAX)

_Static_assert(SEMAPHORE_PERMITS_MAX <= RWLOCK_READERS_MAX &&
		       QUEUE_CAPACITY_MAX <= RWLOCK_READERS_MAX,
	       "no object has more words than a rwlock");

/*
 * A place in the listing, which serves as a cursor and as a word's tag: {object:32, part:16,
 * owner:16}, from the top. store_next_open finds the object at that number.
 */
static uint64_t place_of(uint32_t object, unsigned part, uint16_t owner)
{
	return (uint64_t)object << 32 | (uint64_t)part << 16 | owner;
}

static uint32_t place_object(uint64_t place)
{
	return (uint32_t)(place >> 32);
}

/* Collect the words of a page. *object is moved behind the last object. Returns how many words. */
static unsigned gather(const struct store *store, uint32_t *object, struct sweep_word *words,
		       bool *ret_more)
{
	struct store_object_stat stat;
	unsigned count = 0, passed = 0;

	*ret_more = true;
	while (count < HOLDS_TURN_MAX && passed++ < HOLDS_TURN_MAX) {
		uint64_t own;

		if (!store_next_open(store, object, &stat)) {
			*ret_more = false;
			break;
		}
		own = sweep_count(stat.type, stat.parameters);
		assert(own <= 1 + RWLOCK_READERS_MAX);
		for (uint64_t i = 0; i < own; i++) {
			words[count] = sweep_word(stat.type, stat.parameters, stat.offset, i);
			words[count].tag = place_of(*object - 1, words[count].part, 0);
			count++;
		}
	}
	return count;
}

/* Keep the words that name a session and do not come before @cursor. Returns how many. */
static unsigned keep_held(struct sweep_word *words, unsigned count, uint64_t cursor)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		uint16_t owner = owned_word_holder(words[i].value);

		words[i].tag |= owner;
		if (owner && words[i].tag >= cursor)
			words[kept++] = words[i];
	}
	return kept;
}

static int by_place(const void *left, const void *right)
{
	uint64_t a = ((const struct sweep_word *)left)->tag;
	uint64_t b = ((const struct sweep_word *)right)->tag;

	return (a > b) - (a < b);
}

/* Make a token of a hold's newest count and the object's epoch. Clients can write the epoch: the
 * token is shown, and decides nothing. */
static int complete_token(struct transport *transport, struct hold *hold)
{
	struct sweep_word epoch = {.offset = hold->stat->offset + OBJECT_TOKEN_EPOCH_OFFSET};
	int r = 0;

	if (type_words(hold->stat->type, hold->words->part)->has_token) {
		r = sweep_load(transport, &epoch, 1);
		hold->token = fencing_count(hold->words->value, epoch.value);
	}
	hold->token += hold->stat->token_origin;
	return r;
}

/* Report the hold that the sorted @words begin with. Returns how many of them belong to it, 0 when
 * @each wants no more, or a negative errno. */
static int tell(struct transport *transport, const struct store_object_stat *stat,
		const struct sweep_word *words, unsigned left,
		bool (*each)(const struct hold *hold, void *context), void *context)
{
	struct hold hold = {
		.stat = stat,
		.role = type_words(stat->type, words->part)->role,
		.owner = owned_word_owner(words->value),
		.words = words,
	};
	int r;

	while (hold.count < left && words[hold.count].tag == words->tag) {
		uint64_t token = owned_word_token(words[hold.count++].value);

		hold.token = token > hold.token ? token : hold.token;
	}
	r = complete_token(transport, &hold);
	if (r)
		return r;
	return each(&hold, context) ? (int)hold.count : 0;
}

int holds_page(const struct store *store, struct transport *transport, uint64_t *cursor,
	       bool (*each)(const struct hold *hold, void *context), void *context)
{
	struct sweep_word *words = calloc(WORDS_MOST, sizeof *words);
	struct store_object_stat stat;
	uint32_t next = place_object(*cursor), object;
	uint64_t behind;
	unsigned count;
	bool more;
	int r, told;

	if (!words)
		return -ENOMEM;
	count = gather(store, &next, words, &more);
	r = sweep_load(transport, words, count);
	if (r) {
		free(words);
		return r;
	}
	count = keep_held(words, count, *cursor);
	qsort(words, count, sizeof *words, by_place);
	behind = more ? place_of(next, 0, 0) : 0;
	for (unsigned i = 0; r == 0 && i < count; i += (unsigned)told) {
		object = place_object(words[i].tag);
		if (i == 0 || object != place_object(words[i - 1].tag))
			store_next_open(store, &object, &stat);
		told = tell(transport, &stat, words + i, count - i, each, context);
		if (told <= 0) {
			behind = words[i].tag;
			r = told;
			break;
		}
	}
	free(words);
	if (r == 0)
		*cursor = behind;
	return r;
}
