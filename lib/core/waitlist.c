/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/waitlist.h"

#include <errno.h>
#include <stdlib.h>

#define ANY_WORD 0

/* Objects of several regions may share a bucket. A bucket has room for one pause: while that is
 * taken, another word of it is given away without one. */
struct waitlist_bucket {
	struct list parked;
	/* alone: there is none */
	struct deadline pause;
	struct waitlist_word paused;
};

static struct waitlist_bucket *bucket_of(const struct waitlist *list, uint64_t object)
{
	/* Fibonacci hashing: offsets are multiples of a line. */
	return &list->buckets[(object * 0x9e3779b97f4a7c15u >> 32) & list->mask];
}

static struct parked *parked_of(struct list *link)
{
	return container_of(link, struct parked, link);
}

void waitlist_remove(struct parked *parked)
{
	if (!waitlist_is_parked(parked))
		return;
	list_remove(&parked->link);
	list_remove(&parked->look.link);
	parked->list->parked_count--;
}

static void answer(struct waitlist *list, struct parked *parked, enum wait_end end, uint64_t taken)
{
	waitlist_remove(parked);
	list->ops->answer(list, parked, end, taken);
}

static void fail(const struct waitlist *list, int error)
{
	if (list->ops->failed)
		list->ops->failed(error);
}

/* The first waiter at @at, from @link on; or NULL. */
static struct parked *find_from(const struct waitlist_bucket *bucket, struct list *link,
				const struct waitlist_word *at)
{
	for (; link != &bucket->parked; link = link->next) {
		struct parked *parked = parked_of(link);

		if (parked->at.transport == at->transport && parked->at.object == at->object &&
		    (at->word == ANY_WORD || parked->at.word == at->word))
			return parked;
	}
	return NULL;
}

static struct parked *find_first(const struct waitlist_bucket *bucket,
				 const struct waitlist_word *at)
{
	return find_from(bucket, bucket->parked.next, at);
}

/* ---- looking again ---- */

/* Wake those of @waiters that have nothing to wait for, by their words, read into @ops. */
static void wake_changed(struct waitlist *list, struct parked *const *waiters, const struct op *ops,
			 unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ops[i].status || park_is_over(&waiters[i]->park, ops[i].value))
			answer(list, waiters[i], WAIT_WOKEN, 0);
}

void waitlist_recheck(struct waitlist *list, struct transport *transport, uint64_t object)
{
	const struct waitlist_word at = {transport, object, ANY_WORD};
	const struct waitlist_bucket *bucket = bucket_of(list, object);
	struct parked *next = find_first(bucket, &at);

	while (next) {
		struct parked *waiters[WAITLIST_RECHECK_MAX];
		struct op ops[WAITLIST_RECHECK_MAX];
		unsigned count = 0;
		int r;

		/* @next stays in the bucket: only those before it are woken. */
		while (next && count < WAITLIST_RECHECK_MAX) {
			waiters[count] = next;
			ops[count++] = op_load(next->at.word);
			next = find_from(bucket, next->link.next, &at);
		}
		r = transport_execute(transport, ops, count);
		if (r)
			fail(list, r);
		wake_changed(list, waiters, ops, count);
	}
}

/* ---- pauses ---- */

static bool is_in_pause(const struct waitlist_bucket *bucket, const struct waitlist_word *at)
{
	return !list_empty(&bucket->pause.link) && bucket->paused.transport == at->transport &&
	       bucket->paused.word == at->word;
}

/* Whether the word of @parked is not given away now, but looked at when its pause is over. */
static bool is_pausing(const struct waitlist *list, const struct parked *parked)
{
	return parked->park.until == CONTROL_WAIT_TAKEN &&
	       is_in_pause(bucket_of(list, parked->at.object), &parked->at);
}

static void begin_pause(struct waitlist *list, const struct waitlist_word *at, int64_t now_ns)
{
	struct waitlist_bucket *bucket = bucket_of(list, at->object);

	if (!list_empty(&bucket->pause.link))
		return;
	bucket->paused = *at;
	deadline_set(&list->pauses, &bucket->pause, now_ns);
}

int64_t waitlist_due_ns(const struct waitlist *list)
{
	const struct deadline *first = deadline_first(&list->pauses);

	return first ? first->at_ns : INT64_MAX;
}

struct parked *waitlist_first_in_pause(const struct waitlist *list, const struct waitlist_word *at,
				       int64_t *ret_due_ns)
{
	const struct waitlist_bucket *bucket = bucket_of(list, at->object);

	if (!is_in_pause(bucket, at))
		return NULL;
	*ret_due_ns = bucket->pause.at_ns;
	return find_first(bucket, at);
}

/* ---- looking at one word ---- */

/* Whether other waiters are parked on the word of @parked. */
static bool has_company(const struct waitlist *list, struct parked *parked)
{
	const struct waitlist_bucket *bucket = bucket_of(list, parked->at.object);

	return find_first(bucket, &parked->at) != parked ||
	       find_from(bucket, parked->link.next, &parked->at);
}

static void watch(struct waitlist *list, struct parked *parked, uint64_t value, int64_t now_ns)
{
	if (list->ops->watch)
		list->ops->watch(list, parked, value, now_ns);
}

/* Look at the word of @parked. It is answered where it need not wait any more, with @over where the
 * word was not taken. Returns a verdict or a negative errno; *ret_value is the word. */
static int look(struct waitlist *list, struct parked *parked, enum wait_end over, int64_t now_ns,
		uint64_t *ret_value)
{
	int verdict = park_look(parked->at.transport, &parked->park, parked->at.word,
				has_company(list, parked), ret_value);

	if (verdict == PARK_TAKEN) {
		begin_pause(list, &parked->at, now_ns);
		answer(list, parked, WAIT_TAKEN, *ret_value);
		watch(list, parked, *ret_value, now_ns);
	} else if (verdict == PARK_OVER || verdict == -EBUSY) {
		answer(list, parked, over, 0);
	} else if (verdict < 0) {
		fail(list, verdict);
		answer(list, parked, WAIT_FAILED, 0);
	}
	return verdict;
}

/* ---- waking ---- */

/* The word was given back, and @parked, which wants to own it, is the first there: give it the
 * word, unless the word is in a pause. Returns whether those behind it stay parked. */
static bool pass_on(struct waitlist *list, struct parked *parked, int64_t now_ns)
{
	uint64_t value;
	int verdict;

	if (is_pausing(list, parked))
		return true;
	verdict = look(list, parked, WAIT_WOKEN, now_ns, &value);
	return park_others_stay(&parked->park, verdict, value);
}

uint32_t waitlist_wake(struct waitlist *list, const struct waitlist_word *at,
		       struct waitlist_wake wake, int64_t now_ns)
{
	const struct waitlist_bucket *bucket = bucket_of(list, at->object);
	struct parked *parked, *next = find_first(bucket, at);
	bool are_takers = at->word != ANY_WORD;
	uint64_t count = wake.count;
	uint32_t woken = 0;

	while ((parked = next) && woken < wake.waiters_max) {
		const struct park *park = &parked->park;

		next = find_from(bucket, parked->link.next, at);
		are_takers &= park->until == CONTROL_WAIT_TAKEN;
		if (!park_is_woken(park, &count, &parked->passes)) {
			if (count == 0 && park->share <= 1)
				break;
			continue;
		}
		woken++;
		if (!are_takers) {
			answer(list, parked, WAIT_WOKEN, 0);
			if (wake.is_watched)
				watch(list, parked, 0, now_ns);
			continue;
		}
		if (pass_on(list, parked, now_ns))
			return woken - waitlist_is_parked(parked);
		count = UINT32_MAX;
	}
	return woken;
}

static void wake_all(struct waitlist *list, const struct waitlist_word *at, int64_t now_ns)
{
	const struct waitlist_wake all = {.count = UINT32_MAX, .waiters_max = UINT32_MAX};

	waitlist_wake(list, at, all, now_ns);
}

void waitlist_wake_object(struct waitlist *list, struct transport *transport, uint64_t object)
{
	const struct waitlist_word any = {transport, object, ANY_WORD};

	/* None of them is given a word, so that the time does not matter. */
	wake_all(list, &any, 0);
}

void waitlist_end_pauses(struct waitlist *list, int64_t now_ns)
{
	struct deadline *first;

	while ((first = deadline_first(&list->pauses)) && first->at_ns <= now_ns) {
		struct waitlist_bucket *bucket = container_of(first, struct waitlist_bucket, pause);
		const struct waitlist_word paused = bucket->paused;

		list_remove(&first->link);
		/* A wake-up of all may have come meanwhile, and the first waiter may have left. */
		wake_all(list, &paused, now_ns);
	}
}

/* ---- looking at sums ---- */

/* The next tick of its level is the same one for all waiters there. */
static void look_later(struct waitlist *list, struct parked *parked, int64_t now_ns)
{
	unsigned level = parked->looks / WAITLIST_LOOKS_EACH;
	struct deadlines *looks;
	int64_t apart_ns;

	level = level < WAITLIST_LOOK_LEVELS ? level : WAITLIST_LOOK_LEVELS - 1;
	looks = &list->looks[level];
	apart_ns = looks->duration_ns;
	deadline_insert(looks, &parked->look, (now_ns / apart_ns + 1) * apart_ns);
}

/* The waiter whose sum is to be looked at first. */
static struct parked *first_to_look(const struct waitlist *list)
{
	struct deadline *first = NULL;

	for (unsigned i = 0; i < WAITLIST_LOOK_LEVELS; i++) {
		struct deadline *other = deadline_first(&list->looks[i]);

		if (other && (!first || other->at_ns < first->at_ns))
			first = other;
	}
	return first ? container_of(first, struct parked, look) : NULL;
}

int64_t waitlist_look_due_ns(const struct waitlist *list)
{
	const struct parked *first = first_to_look(list);

	return first ? first->look.at_ns : INT64_MAX;
}

/* Waiters of one region whose words are loaded together. */
struct look {
	struct parked *waiters[PARK_WORDS_MAX];
	struct op ops[PARK_WORDS_MAX];
	unsigned count, words;
};

/* Whether @parked, which is due first, fits in. */
static bool fits_in(const struct look *look, const struct parked *parked, int64_t now_ns)
{
	return parked && parked->look.at_ns <= now_ns &&
	       look->words + parked->park.words <= PARK_WORDS_MAX &&
	       (look->count == 0 || look->waiters[0]->at.transport == parked->at.transport);
}

static void gather(struct waitlist *list, struct look *look, int64_t now_ns)
{
	struct parked *parked;

	look->count = look->words = 0;
	while (fits_in(look, parked = first_to_look(list), now_ns)) {
		park_load_words(&parked->park, parked->at.word, &look->ops[look->words]);
		look->waiters[look->count++] = parked;
		look->words += parked->park.words;
		parked->looks++;
		look_later(list, parked, now_ns);
	}
}

static void decide(struct waitlist *list, const struct look *look, int error)
{
	const struct op *ops = look->ops;

	for (unsigned i = 0; i < look->count; i++) {
		struct parked *parked = look->waiters[i];

		if (error)
			answer(list, parked, WAIT_FAILED, 0);
		else if (park_sum_is_reached(&parked->park, park_sum(&parked->park, ops)))
			answer(list, parked, WAIT_WOKEN, 0);
		ops += parked->park.words;
	}
}

void waitlist_look(struct waitlist *list, int64_t now_ns)
{
	struct look look;

	for (unsigned words = 0; words < WAITLIST_LOOK_WORDS; words += look.words) {
		int r;

		gather(list, &look, now_ns);
		if (look.count == 0)
			return;
		r = transport_execute(look.waiters[0]->at.transport, look.ops, look.words);
		if (r)
			fail(list, r);
		decide(list, &look, r);
	}
}

/* ---- waiting ---- */

/* Waiters that keep their place are among the first. */
static void enqueue(struct waitlist *list, struct parked *parked)
{
	struct list *bucket = &bucket_of(list, parked->at.object)->parked;
	struct list *link = bucket;

	if (parked->place != list->places)
		link = bucket->next;
	while (link != bucket && parked_of(link)->place < parked->place)
		link = link->next;
	list_append(link, &parked->link);
	list->parked_count++;
}

void waitlist_wait(struct waitlist *list, struct parked *parked, struct transport *transport,
		   uint64_t object, const struct park *park, int64_t now_ns)
{
	const struct waitlist_word at = {transport, object, object + park->offset};
	bool keeps_place =
		park->again && parked->at.transport == at.transport && parked->at.word == at.word;
	uint64_t value;

	if (!keeps_place)
		parked->place = ++list->places;
	parked->list = list;
	parked->at = at;
	parked->park = *park;
	parked->passes = 0;
	parked->looks = 0;
	enqueue(list, parked);
	/* Only now: one thread at a time uses the list, so no wake-up falls between the two. */
	if (!is_pausing(list, parked))
		look(list, parked, WAIT_CHANGED, now_ns, &value);
	if (waitlist_is_parked(parked) && park_is_sum(park))
		look_later(list, parked, now_ns);
}

void waitlist_cancel(struct waitlist *list, struct parked *parked, int64_t now_ns)
{
	uint64_t value;

	if (!waitlist_is_parked(parked))
		return;
	/* The word may have been free all the while: a deadline that is over is no reason not to
	 * take it. */
	if (parked->park.until == CONTROL_WAIT_TAKEN) {
		if (!has_company(list, parked))
			parked->park.flags = 0;
		look(list, parked, WAIT_CANCELLED, now_ns, &value);
	}
	if (waitlist_is_parked(parked))
		answer(list, parked, WAIT_CANCELLED, 0);
}

/* ---- opening ---- */

int waitlist_open(struct waitlist *list, const struct waitlist_ops *ops, uint32_t buckets_min,
		  int64_t pause_ns)
{
	uint32_t count = 1;

	while (count < buckets_min)
		count *= 2;
	*list = (struct waitlist){.ops = ops, .mask = count - 1};
	deadlines_init(&list->pauses, pause_ns);
	for (unsigned i = 0; i < WAITLIST_LOOK_LEVELS; i++)
		deadlines_init(&list->looks[i], WAITLIST_LOOK_NS << i);
	list->buckets = calloc(count, sizeof *list->buckets);
	if (!list->buckets)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		list_init(&list->buckets[i].parked);
		list_init(&list->buckets[i].pause.link);
	}
	return 0;
}

void waitlist_close(struct waitlist *list)
{
	free(list->buckets);
	list->buckets = NULL;
}
