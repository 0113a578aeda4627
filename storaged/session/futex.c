/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/futex.h"
#include "storaged/control/control.h"
#include "storaged/control/handlers.h"
#include "storaged/log.h"
#include "storaged/session/permits.h"
#include "storaged/server.h"
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

static struct session *session_of(struct list *link)
{
	return container_of(link, struct session, waiter.link);
}

/* @taken: the word, which is the session's now, or 0. */
static void answer(struct session *session, enum wire_status status, uint64_t taken)
{
	struct control_header wait = control_header_of(CONTROL_WAIT, 0, session->waiter.request, 0);
	struct control_waited waited = {.taken = le64_of(taken)};

	if (!futex_is_parked(&session->waiter))
		return;
	list_remove(&session->waiter.link);
	if (status == WIRE_OK)
		control_reply(session->control, &wait, &waited, sizeof waited);
	else
		control_refuse(session->control, &wait, status, NULL);
	control_flush(session->control);
}

void futex_answer(struct session *session, enum wire_status status)
{
	answer(session, status, 0);
}

void futex_answer_of(struct session *session, uint32_t handle, enum wire_status status)
{
	if (session->waiter.handle == handle)
		futex_answer(session, status);
}

void futex_handle_closed(struct session *session, uint32_t handle)
{
	futex_answer_of(session, handle, WIRE_STALE);
	if (session->waiter.grant.handle == handle)
		grant_end(&session->waiter.grant);
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

void futex_forget(struct session *session)
{
	struct op op = op_load(session->waiter.word + 8);

	if (!futex_is_parked(&session->waiter))
		return;
	list_remove(&session->waiter.link);
	op.operand = 0 - session->waiter.park.leave;
	if (session->waiter.park.leave)
		load(session->space, &op, 1);
}

/* Wake those of @sessions who need not wait any more for their words, read into @ops. */
static void wake_changed(struct session *const *sessions, const struct op *ops, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ops[i].status || park_is_over(&sessions[i]->waiter.park, ops[i].value))
			futex_answer(sessions[i], WIRE_OK);
}

void futex_recheck(struct futexes *futexes, const struct name_space *space,
		   const struct store_reference *reference)
{
	struct list *bucket = &bucket_of(futexes, reference->offset)->parked;
	struct list *link = bucket->next;

	while (link != bucket) {
		struct session *sessions[FUTEX_RECHECK_MAX];
		struct op ops[FUTEX_RECHECK_MAX];
		unsigned count = 0;

		for (; link != bucket && count < FUTEX_RECHECK_MAX; link = link->next) {
			struct session *session = session_of(link);

			if (session->space != space || session->waiter.object != reference->offset)
				continue;
			sessions[count] = session;
			ops[count++] = op_load(session->waiter.word);
		}
		/* @link stays in the bucket: only those before it are woken. */
		if (count) {
			load(space, ops, count);
			wake_changed(sessions, ops, count);
		}
	}
}

/* ---- waking ---- */

/* The first that is parked on @word of @object, or on any, from @link on; or NULL. */
static struct session *parked_from(const struct list *bucket, struct list *link,
				   const struct name_space *space, uint64_t object, uint64_t word)
{
	for (; link != bucket; link = link->next) {
		struct session *session = session_of(link);

		if (session->space == space && session->waiter.object == object &&
		    (word == ANY_WORD || session->waiter.word == word))
			return session;
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

/* The word of @session was given to it as @value. A bucket has one pause: another word goes
 * without. */
static void begin_pause(struct futexes *futexes, struct session *session, uint64_t value)
{
	struct bucket *bucket = bucket_of(futexes, session->waiter.object);
	struct deadline *grant = &session->waiter.grant.deadline;
	int64_t now_ns = clock_now_ns();

	grant_begin(&futexes->grants, session, value, now_ns);
	if (list_empty(&bucket->pause.link)) {
		bucket->space = session->space;
		bucket->object = session->waiter.object;
		bucket->word = session->waiter.word;
		deadline_set(&futexes->pauses, &bucket->pause, now_ns);
	}
	if (deadline_first(&futexes->pauses) == &bucket->pause ||
	    (list_empty(&futexes->pauses.list) && deadline_first(&futexes->grants) == grant))
		set_timer(futexes);
}

/* Whether the word of @session is not given away now, but looked at when its pause is over. */
static bool is_pausing(const struct futexes *futexes, const struct session *session)
{
	const struct bucket *bucket = bucket_of(futexes, session->waiter.object);

	return session->waiter.park.until == CONTROL_WAIT_TAKEN &&
	       !list_empty(&bucket->pause.link) && bucket->space == session->space &&
	       bucket->word == session->waiter.word;
}

/* ---- looking at one word ---- */

/* Whether others are parked on the word that @session is parked on. */
static bool has_company(const struct futexes *futexes, struct session *session)
{
	const struct waiter *waiter = &session->waiter;
	const struct list *bucket = &bucket_of(futexes, waiter->object)->parked;

	return parked_from(bucket, bucket->next, session->space, waiter->object, waiter->word) !=
		       session ||
	       parked_from(bucket, waiter->link.next, session->space, waiter->object, waiter->word);
}

/* Look at the word of @session; it is answered where it need not wait any more, with @over where
 * the word was not taken. Returns a verdict or a negative errno; *ret_value is the word. */
static int look_at_word(struct futexes *futexes, struct session *session, enum wire_status over,
			uint64_t *ret_value)
{
	struct waiter *waiter = &session->waiter;
	int verdict = park_look(session->space->transport, &waiter->park, waiter->word,
				has_company(futexes, session), ret_value);

	if (verdict == PARK_TAKEN) {
		begin_pause(futexes, session, *ret_value);
		answer(session, WIRE_OK, *ret_value);
	} else if (verdict == PARK_OVER || verdict == -EBUSY) {
		answer(session, over, 0);
	} else if (verdict < 0) {
		complain(verdict);
		answer(session, WIRE_DEVICE, 0);
	}
	return verdict;
}

/* The word was given back, and @session, which wants to take it, is the first that is parked on it:
 * give it to it, unless it pauses. Returns whether those behind it stay parked. */
static bool pass_on(struct futexes *futexes, struct session *session)
{
	uint64_t value;
	int verdict;

	if (is_pausing(futexes, session))
		return true;
	verdict = look_at_word(futexes, session, WIRE_OK, &value);
	return park_others_stay(&session->waiter.park, verdict, value);
}

/* A session was woken for permits: if it does not come for them, somebody else is to. */
static void watch(struct futexes *futexes, struct session *session)
{
	grant_begin(&futexes->grants, session, 0, clock_now_ns());
	if (list_empty(&futexes->pauses.list) &&
	    deadline_first(&futexes->grants) == &session->waiter.grant.deadline)
		set_timer(futexes);
}

/* Answer sessions with @count shares, @most at a time. Of those who are there to take the word it
 * is the first alone, unless somebody is woken before it who only looks at the word. */
static uint32_t wake(struct futexes *futexes, const struct name_space *space, uint64_t object,
		     uint64_t word, uint64_t count, uint32_t most, bool watched)
{
	struct list *bucket = &bucket_of(futexes, object)->parked;
	struct session *session, *next = parked_from(bucket, bucket->next, space, object, word);
	bool are_takers = word != ANY_WORD;
	uint32_t woken = 0;

	while ((session = next) && woken < most) {
		const struct park *park = &session->waiter.park;

		next = parked_from(bucket, session->waiter.link.next, space, object, word);
		are_takers &= park->until == CONTROL_WAIT_TAKEN;
		if (!park_is_woken(park, &count, &session->waiter.passes)) {
			if (count == 0 && park->share <= 1)
				break;
			continue;
		}
		woken++;
		if (!are_takers) {
			futex_answer(session, WIRE_OK);
			if (watched)
				watch(futexes, session);
			continue;
		}
		if (pass_on(futexes, session))
			return woken - futex_is_parked(&session->waiter);
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

/* Permits that @session was woken for may be free yet, whoever has come for them: wake the next
 * ones. */
static void wake_for_free(struct futexes *futexes, const struct session *session)
{
	uint64_t object;
	uint32_t free = permits_free(session, session->waiter.grant.handle, &object);

	if (free)
		wake(futexes, session->space, object, object + SEMAPHORE_EVENT_OFFSET, free,
		     FUTEX_WAKE_MAX, true);
}

/* Words that were given to sessions that have not taken them up go to the next. */
static void end_grants(struct futexes *futexes, int64_t now_ns)
{
	struct session *session;

	while (grants_check(&futexes->grants, now_ns, &session)) {
		if (session->waiter.grant.value)
			wake(futexes, session->space, session->waiter.grant.object,
			     session->waiter.grant.word, UINT32_MAX, UINT32_MAX, false);
		else
			wake_for_free(futexes, session);
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

/* ---- messages ---- */

/* The word at @offset of the object that @handle refers to. */
static enum wire_status find(const struct session *session, uint32_t handle, uint64_t offset,
			     struct store_reference *ret_reference)
{
	bool deleted;

	if (!store_refer(&session->opener, handle, ret_reference, &deleted) || deleted)
		return WIRE_STALE;
	if (offset % 8)
		return WIRE_MISALIGNED;
	return offset < ret_reference->length_bytes ? WIRE_OK : WIRE_RANGE;
}

/* Those who keep their place are among the first. */
static void enqueue(struct futexes *futexes, struct session *session)
{
	struct list *bucket = &bucket_of(futexes, session->waiter.object)->parked;
	struct list *link = bucket;

	if (session->waiter.place != futexes->places)
		link = bucket->next;
	while (link != bucket && session_of(link)->waiter.place < session->waiter.place)
		link = link->next;
	list_append(link, &session->waiter.link);
}

void handle_wait(struct control *control, const struct control_header *header, const uint8_t *body)
{
	const struct control_wait *wait = (const void *)body;
	struct session *session = control->session;
	struct futexes *futexes = &control->server->futexes;
	struct store_reference reference;
	struct park park = {.offset = le64_get(wait->offset),
			    .expected = le64_get(wait->expected),
			    .leave = le64_get(wait->leave),
			    .until = (enum control_wait_until)wait->until,
			    .share = le16_get(wait->share),
			    .owner = session_owner(session),
			    .flags = OWNED_WAITED,
			    .grant = OWNED_GRANTED};
	enum wire_status status;
	uint64_t value;

	if (park.until == CONTROL_WAIT_TAKEN)
		park.flags |= OWNED_QUEUED;
	if (futex_is_parked(&session->waiter)) {
		control_reject(control, header, "a session has one WAIT at a time");
		return;
	}
	status = find(session, le32_get(wait->handle), park.offset, &reference);
	if (status == WIRE_OK && park.leave)
		status = find(session, le32_get(wait->handle), park.offset + 8, &reference);
	if (status != WIRE_OK) {
		control_refuse(control, header, status, NULL);
		return;
	}
	/* Its client has seen what became of the wait before. */
	grant_end(&session->waiter.grant);
	session->waiter.handle = reference.handle;
	session->waiter.request = le32_get(header->request);
	session->waiter.object = reference.offset;
	if (!wait->again || session->waiter.word != reference.offset + park.offset)
		session->waiter.place = ++futexes->places;
	session->waiter.word = reference.offset + park.offset;
	session->waiter.park = park;
	session->waiter.passes = 0;
	enqueue(futexes, session);
	/* Only now: a WAKE is taken by this thread too, so that none falls between look and
	 * park. */
	if (!is_pausing(futexes, session))
		look_at_word(futexes, session, WIRE_CHANGED, &value);
}

/* Returns a status; *ret_count is how many were woken. */
static enum wire_status wake_for(struct session *session, const struct control_wake *ask,
				 uint32_t *ret_count)
{
	uint64_t offset = le64_get(ask->offset);
	uint32_t count = le32_get(ask->count);
	struct store_reference reference;
	enum wire_status status = find(session, le32_get(ask->handle), offset, &reference);

	if (status == WIRE_OK)
		*ret_count = wake(&session->server->futexes, session->space, reference.offset,
				  reference.offset + offset, count, FUTEX_WAKE_MAX,
				  reference.type == OBJECT_SEMAPHORE);
	return status;
}

void handle_wake(struct control *control, const struct control_header *header, const uint8_t *body)
{
	struct control_woken woken = {0};
	uint32_t count;
	enum wire_status status = wake_for(control->session, (const void *)body, &count);

	if (status != WIRE_OK) {
		control_refuse(control, header, status, NULL);
		return;
	}
	woken.count = le32_of(count);
	control_reply(control, header, &woken, sizeof woken);
}

void handle_wake_quietly(struct control *control, const struct control_header *header,
			 const uint8_t *body)
{
	uint32_t count;

	(void)header;
	wake_for(control->session, (const void *)body, &count);
}

void handle_cancel(struct control *control, const struct control_header *header,
		   const uint8_t *body)
{
	struct futexes *futexes = &control->server->futexes;
	struct session *session = control->session;
	uint64_t value;

	(void)body;
	/* It may have been free all the while: a deadline that is over is no reason not to take
	 * it. */
	if (futex_is_parked(&session->waiter) && session->waiter.park.until == CONTROL_WAIT_TAKEN) {
		if (!has_company(futexes, session))
			session->waiter.park.flags = 0;
		look_at_word(futexes, session, WIRE_CANCELLED, &value);
	}
	futex_answer(session, WIRE_CANCELLED);
	control_reply(control, header, NULL, 0);
}
