/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/futex.h"
#include "storaged/log.h"
#include "storaged/session/grants.h"
#include "storaged/session/permits.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LOOK_REST 4

static struct futexes *futexes_of(struct waitlist *list)
{
	return container_of(list, struct futexes, waiters);
}

static struct waiter *waiter_of(struct parked *parked)
{
	return container_of(parked, struct waiter, parked);
}

/* ---- answers ---- */

static void answer(struct waiter *waiter, enum wire_status status, uint64_t taken)
{
	waiter->client->ops->answer_wait(waiter->client, waiter->request, status, taken);
}

void futex_answer(struct waiter *waiter, enum wire_status status)
{
	if (!futex_is_parked(waiter))
		return;
	waitlist_remove(&waiter->parked);
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

static void complain(int error)
{
	log_limited(LOG_LEVEL_ERROR, "words that sessions are parked on cannot be read: %s",
		    strerror(-error));
}

void futex_forget(struct waiter *waiter)
{
	const struct parked *parked = &waiter->parked;
	struct op op = op_load(parked->at.word + 8);
	int r;

	waiter->client = NULL;
	if (!futex_is_parked(waiter))
		return;
	waitlist_remove(&waiter->parked);
	if (parked->park.leave == 0)
		return;
	op.operand = 0 - parked->park.leave;
	r = transport_execute(waiter->space->transport, &op, 1);
	if (r)
		complain(r);
}

/* ---- the timer ---- */

static int64_t look_due_ns(const struct futexes *futexes)
{
	int64_t due_ns = waitlist_look_due_ns(&futexes->waiters);

	return due_ns > futexes->looks_from_ns ? due_ns : futexes->looks_from_ns;
}

static void set_timer_at(struct futexes *futexes, int64_t at_ns)
{
	struct itimerspec at = {.it_value = clock_timespec(at_ns == INT64_MAX ? 0 : at_ns)};

	if (at_ns >= futexes->timer_ns)
		return;
	futexes->timer_ns = at_ns;
	timerfd_settime(futexes->timer.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Have the timer go off when the first pause is over, or a grant or a sum is to be looked at. */
static void set_timer(struct futexes *futexes)
{
	const struct deadline *grant = deadline_first(&futexes->grants);
	const int64_t due_ns[] = {waitlist_due_ns(&futexes->waiters), look_due_ns(futexes)};
	int64_t at_ns = grant ? grant->at_ns : INT64_MAX;

	for (unsigned i = 0; i < sizeof due_ns / sizeof *due_ns; i++)
		at_ns = due_ns[i] < at_ns ? due_ns[i] : at_ns;
	set_timer_at(futexes, at_ns);
}

/* What @waiter was woken for may be there yet, whoever has come for it: wake the next ones. */
static void wake_for_free(struct futexes *futexes, const struct waiter *waiter, int64_t now_ns)
{
	struct waitlist_word event;
	struct waitlist_wake wake = {.count = permits_free(waiter, &event),
				     .waiters_max = FUTEX_WAKE_MAX,
				     .is_watched = true};

	if (wake.count)
		waitlist_wake(&futexes->waiters, &event, wake, now_ns);
}

/* Words that were given to sessions that have not taken them up go to the next. */
static void end_grants(struct futexes *futexes, int64_t now_ns)
{
	static const struct waitlist_wake all = {.count = UINT32_MAX, .waiters_max = UINT32_MAX};
	struct waiter *waiter;

	while (grants_check(&futexes->grants, now_ns, &waiter)) {
		const struct grant *grant = &waiter->grant;
		struct waitlist_word at = {waiter->space->transport, grant->object, grant->word};

		futexes->grants_missed++;
		if (grant->value)
			waitlist_wake(&futexes->waiters, &at, all, now_ns);
		else
			wake_for_free(futexes, waiter, now_ns);
	}
}

/* Look at sums for a while, and then at none for LOOK_REST times as long. */
static void look_at_sums(struct futexes *futexes)
{
	int64_t now_ns = clock_now_ns(), end_ns;

	if (now_ns < look_due_ns(futexes))
		return;
	waitlist_look(&futexes->waiters, now_ns);
	end_ns = clock_now_ns();
	futexes->looks_from_ns = end_ns + LOOK_REST * (end_ns - now_ns);
}

static void timer_is_over(struct source *source, uint32_t events)
{
	struct futexes *futexes = container_of(source, struct futexes, timer);
	int64_t now_ns = clock_now_ns();
	uint64_t count;

	(void)events;
	if (read(source->fd, &count, sizeof count) < 0)
		return;
	futexes->timer_ns = INT64_MAX;
	waitlist_end_pauses(&futexes->waiters, now_ns);
	end_grants(futexes, now_ns);
	look_at_sums(futexes);
	set_timer(futexes);
}

/* ---- what the waitlist calls ---- */

static void answer_parked(struct waitlist *list, struct parked *parked, enum wait_end end,
			  uint64_t taken)
{
	static const enum wire_status statuses[] = {
		[WAIT_WOKEN] = WIRE_OK,        [WAIT_TAKEN] = WIRE_OK,
		[WAIT_CHANGED] = WIRE_CHANGED, [WAIT_CANCELLED] = WIRE_CANCELLED,
		[WAIT_FAILED] = WIRE_DEVICE,
	};

	(void)list;
	answer(waiter_of(parked), statuses[end], taken);
}

/* If the session does not come for the word or the permits, somebody else is to. */
static void begin_grant(struct waitlist *list, struct parked *parked, uint64_t value,
			int64_t now_ns)
{
	struct futexes *futexes = futexes_of(list);
	struct waiter *waiter = waiter_of(parked);

	if (value)
		fences_expect(waiter->fences);
	grant_begin(&futexes->grants, waiter, value, now_ns);
	set_timer(futexes);
}

static const struct waitlist_ops waitlist_ops = {
	.answer = answer_parked, .watch = begin_grant, .failed = complain};

int futexes_open(struct futexes *futexes, struct loop *loop, uint32_t waiters_max)
{
	int fd, r;

	futexes->loop = loop;
	futexes->timer.fd = -1;
	futexes->timer_ns = INT64_MAX;
	deadlines_init(&futexes->grants, GRANT_NS);
	r = waitlist_open(&futexes->waiters, &waitlist_ops, waiters_max, WAITLIST_PAUSE_NS);
	if (r)
		return r;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = fd < 0 ? -errno : loop_add(loop, &futexes->timer, fd, EPOLLIN, timer_is_over);
	if (r && fd >= 0)
		close(fd);
	return r;
}

void futexes_close(struct futexes *futexes)
{
	if (futexes->waiters.buckets)
		loop_end(futexes->loop, &futexes->timer);
	waitlist_close(&futexes->waiters);
}

/* ---- what clients ask for ---- */

void futex_wait(struct futexes *futexes, struct waiter *waiter,
		const struct store_reference *reference, const struct park *park, uint32_t request)
{
	/* Its client has seen what became of the wait before. */
	grant_end(&waiter->grant);
	waiter->handle = reference->handle;
	waiter->request = request;
	waitlist_wait(&futexes->waiters, &waiter->parked, waiter->space->transport,
		      reference->offset, park, clock_now_ns());
	if (park_is_sum(park))
		set_timer(futexes);
}

uint32_t futex_wake(struct futexes *futexes, const struct name_space *space,
		    const struct store_reference *reference, uint64_t offset, uint32_t count)
{
	struct waitlist_word at = {space->transport, reference->offset, reference->offset + offset};
	struct waitlist_wake wake = {.count = count,
				     .waiters_max = FUTEX_WAKE_MAX,
				     .is_watched = permits_are_of(reference->type)};

	return waitlist_wake(&futexes->waiters, &at, wake, clock_now_ns());
}

void futex_cancel(struct futexes *futexes, struct waiter *waiter)
{
	waitlist_cancel(&futexes->waiters, &waiter->parked, clock_now_ns());
}

void futex_wake_object(struct futexes *futexes, const struct name_space *space,
		       const struct store_reference *reference)
{
	waitlist_wake_object(&futexes->waiters, space->transport, reference->offset);
}

void futex_recheck(struct futexes *futexes, const struct name_space *space,
		   const struct store_reference *reference)
{
	waitlist_recheck(&futexes->waiters, space->transport, reference->offset);
}
