/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/futex.h"
#include "storaged/log.h"
#include "storaged/session/grants.h"
#include "storaged/session/permits.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ANY_WORD 0 /* the region begins with its header */

/* Objects of several namespaces may share one; there are as many buckets as there can be
 * sessions. */
static struct bucket *bucket_of(const struct futexes *futexes, uint64_t object)
{
	/* Fibonacci hashing: offsets are multiples of a line. */
	return &futexes->buckets[(object * 0x9e3779b97f4a7c15u >> 32) & futexes->mask];
}

static struct waiter *waiter_of(struct list *link)
{
	return container_of(link, struct waiter, link);
}

static void unpark(struct waiter *waiter)
{
	list_remove(&waiter->link);
	(*waiter->parked_count)--;
}

/* @taken: the word, which is the session's now, or 0. */
static void answer(struct waiter *waiter, enum wire_status status, uint64_t taken)
{
	if (!futex_is_parked(waiter))
		return;
	unpark(waiter);
	waiter->client->ops->answer_wait(waiter->client, waiter->request, status, taken);
}

void futex_answer(struct waiter *waiter, enum wire_status status)
{
	answer(waiter, status, 0);
}

void futex_answer_of(struct waiter *waiter, uint32_t handle, enum wire_status status)
{
	if (waiter->handle == handle)
		futex_answer(waiter, status);
}

void futex_handle_closed(struct waiter *waiter, uint32_t handle)
{
	futex_answer_of(waiter, handle, WIRE_STALE);
	if (waiter->grant.handle == handle)
		grant_end(&waiter->grant);
}

/* ---- looking at words ---- */

static void complain(int r)
{
	log_limited(LOG_LEVEL_ERROR, "words that sessions are parked on cannot be read: %s",
		    strerror(-r));
}

/* Read words by atomics, as everything is decided. */
static void load(const struct name_space *space, struct op *ops, unsigned count)
{
	int r = transport_execute(space->transport, ops, count);

	if (r)
		complain(r);
}

void futex_forget(struct waiter *waiter)
{
	struct op op = op_load(waiter->word + 8);

	waiter->client = NULL;
	if (!futex_is_parked(waiter))
		return;
	unpark(waiter);
	op.operand = 0 - waiter->park.leave;
	if (waiter->park.leave)
		load(waiter->space, &op, 1);
}

/* Wake those of @waiters who need not wait any more for their words, read into @ops. */
static void wake_changed(struct waiter *const *waiters, const struct op *ops, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ops[i].status || park_is_over(&waiters[i]->park, ops[i].value))
			futex_answer(waiters[i], WIRE_OK);
}

void futex_recheck(struct futexes *futexes, const struct name_space *space,
		   const struct store_reference *reference)
{
	struct list *bucket = &bucket_of(futexes, reference->offset)->parked;
	struct list *link = bucket->next;

	while (link != bucket) {
		struct waiter *waiters[FUTEX_RECHECK_MAX];
		struct op ops[FUTEX_RECHECK_MAX];
		unsigned count = 0;

		for (; link != bucket && count < FUTEX_RECHECK_MAX; link = link->next) {
			struct waiter *waiter = waiter_of(link);

			if (waiter->space != space || waiter->object != reference->offset)
				continue;
			waiters[count] = waiter;
			ops[count++] = op_load(waiter->word);
		}
		/* @link stays in the bucket: only those before it are woken. */
		if (count) {
			load(space, ops, count);
			wake_changed(waiters, ops, count);
		}
	}
}

/* ---- waking ---- */

/* The first that is parked on @word of @object, or on any, from @link on; or NULL. */
static struct waiter *parked_from(const struct list *bucket, struct list *link,
				  const struct name_space *space, uint64_t object, uint64_t word)
{
	for (; link != bucket; link = link->next) {
		struct waiter *waiter = waiter_of(link);

		if (waiter->space == space && waiter->object == object &&
		    (word == ANY_WORD || waiter->word == word))
			return waiter;
	}
	return NULL;
}

/* ---- pauses ---- */

/* Have the timer go off when the first pause is over, or a grant is to be looked at. */
static void set_timer(struct futexes *futexes)
{
	const struct deadline *pause = deadline_first(&futexes->pauses);
	const struct deadline *grant = deadline_first(&futexes->grants);
	const struct deadline *first =
		!grant || (pause && pause->at_ns < grant->at_ns) ? pause : grant;
	struct itimerspec at = {.it_value = clock_timespec(first ? first->at_ns : 0)};

	timerfd_settime(futexes->timer.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* The word of @waiter was given to it as @value. A bucket has one pause: another word goes
 * without. */
static void begin_pause(struct futexes *futexes, struct waiter *waiter, uint64_t value)
{
	struct bucket *bucket = bucket_of(futexes, waiter->object);
	struct deadline *grant = &waiter->grant.deadline;
	int64_t now_ns = clock_now_ns();

	grant_begin(&futexes->grants, waiter, value, now_ns);
	if (list_empty(&bucket->pause.link)) {
		bucket->space = waiter->space;
		bucket->object = waiter->object;
		bucket->word = waiter->word;
		deadline_set(&futexes->pauses, &bucket->pause, now_ns);
	}
	if (deadline_first(&futexes->pauses) == &bucket->pause ||
	    (list_empty(&futexes->pauses.list) && deadline_first(&futexes->grants) == grant))
		set_timer(futexes);
}

/* Whether the word of @waiter is not given away now, but looked at when its pause is over. */
static bool is_pausing(const struct futexes *futexes, const struct waiter *waiter)
{
	const struct bucket *bucket = bucket_of(futexes, waiter->object);

	return waiter->park.until == CONTROL_WAIT_TAKEN && !list_empty(&bucket->pause.link) &&
	       bucket->space == waiter->space && bucket->word == waiter->word;
}

/* ---- looking at one word ---- */

/* Whether others are parked on the word that @waiter is parked on. */
static bool has_company(const struct futexes *futexes, struct waiter *waiter)
{
	const struct list *bucket = &bucket_of(futexes, waiter->object)->parked;

	return parked_from(bucket, bucket->next, waiter->space, waiter->object, waiter->word) !=
		       waiter ||
	       parked_from(bucket, waiter->link.next, waiter->space, waiter->object, waiter->word);
}

/* Look at the word of @waiter; it is answered where it need not wait any more, with @over where
 * the word was not taken. Returns a verdict or a negative errno; *ret_value is the word. */
static int look_at_word(struct futexes *futexes, struct waiter *waiter, enum wire_status over,
			uint64_t *ret_value)
{
	int verdict = park_look(waiter->space->transport, &waiter->park, waiter->word,
				has_company(futexes, waiter), ret_value);

	if (verdict == PARK_TAKEN) {
		answer(waiter, WIRE_OK, *ret_value);
		fences_expect(waiter->fences);
		begin_pause(futexes, waiter, *ret_value);
	} else if (verdict == PARK_OVER || verdict == -EBUSY) {
		answer(waiter, over, 0);
	} else if (verdict < 0) {
		complain(verdict);
		answer(waiter, WIRE_DEVICE, 0);
	}
	return verdict;
}

/* The word was given back, and @waiter, which wants to take it, is the first that is parked on it:
 * give it to it, unless it pauses. Returns whether those behind it stay parked. */
static bool pass_on(struct futexes *futexes, struct waiter *waiter)
{
	uint64_t value;
	int verdict;

	if (is_pausing(futexes, waiter))
		return true;
	verdict = look_at_word(futexes, waiter, WIRE_OK, &value);
	return park_others_stay(&waiter->park, verdict, value);
}

/* A session was woken for permits: if it does not come for them, somebody else is to. */
static void watch(struct futexes *futexes, struct waiter *waiter)
{
	grant_begin(&futexes->grants, waiter, 0, clock_now_ns());
	if (list_empty(&futexes->pauses.list) &&
	    deadline_first(&futexes->grants) == &waiter->grant.deadline)
		set_timer(futexes);
}

/* Answer sessions with @count shares, @most at a time. Of those who are there to take the word it
 * is the first alone, unless somebody is woken before it who only looks at the word. */
static uint32_t wake(struct futexes *futexes, const struct name_space *space, uint64_t object,
		     uint64_t word, uint64_t count, uint32_t most, bool watched)
{
	struct list *bucket = &bucket_of(futexes, object)->parked;
	struct waiter *waiter, *next = parked_from(bucket, bucket->next, space, object, word);
	bool are_takers = word != ANY_WORD;
	uint32_t woken = 0;

	while ((waiter = next) && woken < most) {
		const struct park *park = &waiter->park;

		next = parked_from(bucket, waiter->link.next, space, object, word);
		are_takers &= park->until == CONTROL_WAIT_TAKEN;
		if (!park_is_woken(park, &count, &waiter->passes)) {
			if (count == 0 && park->share <= 1)
				break;
			continue;
		}
		woken++;
		if (!are_takers) {
			futex_answer(waiter, WIRE_OK);
			if (watched)
				watch(futexes, waiter);
			continue;
		}
		if (pass_on(futexes, waiter))
			return woken - futex_is_parked(waiter);
		count = UINT32_MAX;
	}
	return woken;
}

void futex_wake_object(struct futexes *futexes, const struct name_space *space,
		       const struct store_reference *reference)
{
	wake(futexes, space, reference->offset, ANY_WORD, UINT32_MAX, UINT32_MAX, false);
}

static void end_pauses(struct futexes *futexes, int64_t now_ns)
{
	struct deadline *first;

	while ((first = deadline_first(&futexes->pauses)) && first->at_ns <= now_ns) {
		struct bucket *bucket = container_of(first, struct bucket, pause);

		list_remove(&first->link);
		/* A WAKE of all may have come meanwhile, and who was the first may have gone. */
		wake(futexes, bucket->space, bucket->object, bucket->word, UINT32_MAX, UINT32_MAX,
		     false);
	}
}

/* Permits that @waiter was woken for may be free yet, whoever has come for them: wake the next
 * ones. */
static void wake_for_free(struct futexes *futexes, const struct waiter *waiter)
{
	uint64_t object;
	uint32_t free = permits_free(waiter, waiter->grant.handle, &object);

	if (free)
		wake(futexes, waiter->space, object, object + SEMAPHORE_EVENT_OFFSET, free,
		     FUTEX_WAKE_MAX, true);
}

/* Words that were given to sessions that have not taken them up go to the next. */
static void end_grants(struct futexes *futexes, int64_t now_ns)
{
	struct waiter *waiter;

	while (grants_check(&futexes->grants, now_ns, &waiter)) {
		if (waiter->grant.value)
			wake(futexes, waiter->space, waiter->grant.object, waiter->grant.word,
			     UINT32_MAX, UINT32_MAX, false);
		else
			wake_for_free(futexes, waiter);
	}
}

static void timer_is_over(struct source *source, uint32_t events)
{
	struct futexes *futexes = container_of(source, struct futexes, timer);
	int64_t now_ns = clock_now_ns();
	uint64_t count;

	(void)events;
	if (read(source->fd, &count, sizeof count) < 0)
		return;
	end_pauses(futexes, now_ns);
	end_grants(futexes, now_ns);
	set_timer(futexes);
}

int futexes_open(struct futexes *futexes, struct loop *loop, uint32_t waiters_max)
{
	uint32_t count = 1;
	int fd, r;

	while (count < waiters_max)
		count *= 2;
	futexes->loop = loop;
	futexes->timer.fd = -1;
	deadlines_init(&futexes->pauses, FUTEX_PAUSE_NS);
	deadlines_init(&futexes->grants, GRANT_NS);
	futexes->buckets = calloc(count, sizeof *futexes->buckets);
	if (!futexes->buckets)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		list_init(&futexes->buckets[i].parked);
		list_init(&futexes->buckets[i].pause.link);
	}
	futexes->mask = count - 1;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = fd < 0 ? -errno : loop_add(loop, &futexes->timer, fd, EPOLLIN, timer_is_over);
	if (r && fd >= 0)
		close(fd);
	return r;
}

void futexes_close(struct futexes *futexes)
{
	if (futexes->buckets)
		loop_end(futexes->loop, &futexes->timer);
	free(futexes->buckets);
	futexes->buckets = NULL;
}

/* ---- what clients ask for ---- */

/* Those who keep their place are among the first. */
static void enqueue(struct futexes *futexes, struct waiter *waiter)
{
	struct list *bucket = &bucket_of(futexes, waiter->object)->parked;
	struct list *link = bucket;

	if (waiter->place != futexes->places)
		link = bucket->next;
	while (link != bucket && waiter_of(link)->place < waiter->place)
		link = link->next;
	list_append(link, &waiter->link);
	waiter->parked_count = &futexes->parked_count;
	futexes->parked_count++;
}

void futex_wait(struct futexes *futexes, struct waiter *waiter,
		const struct store_reference *reference, const struct park *park, uint32_t request,
		bool again)
{
	uint64_t value;

	/* Its client has seen what became of the wait before. */
	grant_end(&waiter->grant);
	waiter->handle = reference->handle;
	waiter->request = request;
	waiter->object = reference->offset;
	if (!again || waiter->word != reference->offset + park->offset)
		waiter->place = ++futexes->places;
	waiter->word = reference->offset + park->offset;
	waiter->park = *park;
	waiter->passes = 0;
	enqueue(futexes, waiter);
	/* Only now: a WAKE is taken by this thread too, so that none falls between look and
	 * park. */
	if (!is_pausing(futexes, waiter))
		look_at_word(futexes, waiter, WIRE_CHANGED, &value);
}

uint32_t futex_wake(struct futexes *futexes, const struct name_space *space,
		    const struct store_reference *reference, uint64_t offset, uint32_t count)
{
	return wake(futexes, space, reference->offset, reference->offset + offset, count,
		    FUTEX_WAKE_MAX, reference->type == OBJECT_SEMAPHORE);
}

void futex_cancel(struct futexes *futexes, struct waiter *waiter)
{
	uint64_t value;

	/* It may have been free all the while: a deadline that is over is no reason not to take
	 * it. */
	if (futex_is_parked(waiter) && waiter->park.until == CONTROL_WAIT_TAKEN) {
		if (!has_company(futexes, waiter))
			waiter->park.flags = 0;
		look_at_word(futexes, waiter, WIRE_CANCELLED, &value);
	}
	futex_answer(waiter, WIRE_CANCELLED);
}
