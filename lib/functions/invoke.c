/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of executors on platforms: a thread, the keeper, that holds up to as many invocations
 * as there are calls without a result, and may be workers. After a failure it begins one at a time,
 * with a pause between two that doubles from one failure to the next.
 */
#include "lib/core/clock.h"
#include "lib/core/thread.h"
#include "lib/functions/definitions.h"
#include "lib/functions/exchange.h"
#include "lib/functions/loaded/jansson.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS           (100 * DSO_MILLISECOND) /* after the first failure */
#define PAUSE_DOUBLINGS    6
#define REST_MS            60000 /* of the keeper, which is woken before */
#define RETRY_AFTER_NS_MAX (300 * DSO_SECOND)
/* One more invocation than calls is begun when no worker has taken a call for so long: for so many
 * times what a worker waits for its next one, which says how much time a start may take. */
#define LATE_IDLES  10
#define LATE_NS_MIN DSO_SECOND
/* What workers have to leave by themselves, and what ending them may take. */
#define GRACE_NS (500 * DSO_MILLISECOND)
#define END_NS   (20 * DSO_SECOND)

struct slot {
	struct invocation invocation;
	struct exchange exchange;
	bool is_used;
	bool is_short; /* the request under way */
	int64_t begun_ns;
	int64_t resume_ns; /* of a pause; INT64_MAX: there is none */
};

struct workers {
	struct workers_base base;
	struct workers_request request;
	struct platform *platform;
	pthread_t keeper;
	CURLM *multi;
	struct slot *slots;
	unsigned slots_max, used;
	/* since the last invocation that was a worker */
	unsigned failures;
	/* since that, or since a call had a result */
	unsigned vain;
	int64_t failed_ns; /* when the last failure was counted */
	int64_t begin_ns;  /* no invocation is begun before */
	/* Between the driver and the keeper: */
	_Atomic unsigned waiting;    /* calls */
	_Atomic unsigned wake_above; /* so many, the keeper is to be woken */
	_Atomic bool has_result;     /* a call had one */
	_Atomic unsigned extra;      /* invocations beyond that */
	_Atomic bool is_stopping, is_broken;
	char why[SENTENCE_BYTES_MAX + 1]; /* written before is_broken is */
	/* the driver's: how many calls workers have taken, and when that was more than before */
	uint64_t taken;
	int64_t taken_ns;
};

/* ---- failures ---- */

/* Not for what stopping has broken off: another executor of the session may wait. */
static void give_up(struct workers *workers, const char *why)
{
	if (atomic_load(&workers->is_stopping))
		return;
	snprintf(workers->why, sizeof workers->why, "%s", why);
	atomic_store(&workers->is_broken, true);
	dso_interrupt(workers->request.session);
}

static void begin_after(struct workers *workers, int64_t ns)
{
	if (workers->begin_ns < ns)
		workers->begin_ns = ns;
}

static int64_t pause_ns(const struct workers *workers)
{
	unsigned doublings = workers->failures - 1;

	return PAUSE_NS << (doublings < PAUSE_DOUBLINGS ? doublings : PAUSE_DOUBLINGS);
}

/* Of invocations that were there together, the first failure counts. */
static void note_failure(struct workers *workers, const struct slot *slot)
{
	char why[SENTENCE_BYTES_MAX + 1];

	if (atomic_exchange(&workers->has_result, false))
		workers->vain = 0;
	if (workers->failures && slot->begun_ns < workers->failed_ns)
		return;
	workers->failures++;
	workers->vain++;
	workers->failed_ns = clock_now_ns();
	begin_after(workers, workers->failed_ns + pause_ns(workers));
	if (workers->vain < workers->platform->options.failures)
		return;
	snprintf(why, sizeof why, "%u invocations in a row failed, the last one: %.400s",
		 workers->vain, slot->invocation.why);
	give_up(workers, why);
}

/* ---- an invocation ---- */

static void release(struct workers *workers, struct slot *slot)
{
	exchange_free(&slot->exchange, workers->multi);
	free(slot->invocation.answer);
	*slot = (struct slot){.resume_ns = INT64_MAX};
	workers->used--;
}

static void finish(struct workers *workers, struct slot *slot, enum step step)
{
	if (step == STEP_REFUSED) {
		give_up(workers, slot->invocation.why);
	} else if (step == STEP_FAILED) {
		note_failure(workers, slot);
	} else {
		workers->failures = workers->vain = 0;
		/* Whatever a platform answers, it is not asked without a pause. */
		workers->begin_ns = slot->begun_ns + PAUSE_NS;
	}
	release(workers, slot);
}

typedef enum step (*stepper)(struct platform *, struct invocation *, struct platform_request *);

/* Returns the step; with STEP_REQUEST the request is under way. */
static enum step take_step(struct workers *workers, struct slot *slot, stepper next)
{
	struct platform_request request = {0};
	enum step step = next(workers->platform, &slot->invocation, &request);

	slot->is_short = step == STEP_REQUEST && request.is_short;
	slot->resume_ns = INT64_MAX;
	if (step == STEP_PAUSE)
		slot->resume_ns = clock_now_ns() + slot->invocation.pause_ns;
	if (step != STEP_REQUEST ||
	    exchange_begin(&slot->exchange, workers->multi, &request, slot) == 0)
		return step;
	slot->invocation.code = CURLE_OUT_OF_MEMORY;
	return platform_fail(&slot->invocation, "an invocation");
}

static void advance(struct workers *workers, struct slot *slot)
{
	enum step step = take_step(workers, slot, workers->platform->ops->advance);

	if (step != STEP_REQUEST && step != STEP_PAUSE)
		finish(workers, slot, step);
}

static void begin(struct workers *workers)
{
	struct slot *slot = workers->slots;

	while (slot->is_used)
		slot++;
	slot->is_used = true;
	slot->begun_ns = clock_now_ns();
	workers->used++;
	advance(workers, slot);
}

/* ---- the keeper ---- */

static unsigned slots_wanted(const struct workers *workers)
{
	unsigned waiting = atomic_load(&workers->waiting) + atomic_load(&workers->extra);

	return waiting < workers->slots_max ? waiting : workers->slots_max;
}

/* Begin those that are wanted, as far as the pause allows it. */
static void begin_wanted(struct workers *workers)
{
	while (workers->used < slots_wanted(workers) && !atomic_load(&workers->is_broken) &&
	       clock_now_ns() >= workers->begin_ns) {
		if (workers->failures)
			begin_after(workers, clock_now_ns() + pause_ns(workers));
		begin(workers);
	}
}

static void resume_due(struct workers *workers)
{
	int64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < workers->slots_max; i++)
		if (workers->slots[i].is_used && workers->slots[i].resume_ns <= now_ns)
			advance(workers, &workers->slots[i]);
}

/* Take the answers that have come; @next says what follows each. */
static void take_answers(struct workers *workers, stepper next)
{
	struct CURLMsg *message;
	int left;

	curl.multi_perform(workers->multi, &left);
	while ((message = curl.multi_info_read(workers->multi, &left)) != NULL) {
		CURLcode code = message->data.result;
		struct slot *slot;
		int64_t away_ns;

		curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
		away_ns = exchange_end(&slot->exchange, workers->multi, code, &slot->invocation);
		if (away_ns)
			begin_after(workers, clock_now_ns() + (away_ns < RETRY_AFTER_NS_MAX
								       ? away_ns
								       : RETRY_AFTER_NS_MAX));
		if (next == workers->platform->ops->advance)
			advance(workers, slot);
		else if (take_step(workers, slot, next) != STEP_REQUEST)
			release(workers, slot);
	}
}

/* Whether the next invocation is only a matter of time. */
static bool is_due(const struct workers *workers)
{
	return workers->used < slots_wanted(workers) && !atomic_load(&workers->is_broken);
}

/* When the keeper has something to do, if nothing comes: in ms. */
static int next_ms(const struct workers *workers)
{
	int64_t next_ns = is_due(workers) ? workers->begin_ns : INT64_MAX;

	for (unsigned i = 0; i < workers->slots_max; i++)
		if (workers->slots[i].is_used && workers->slots[i].resume_ns < next_ns)
			next_ns = workers->slots[i].resume_ns;
	return next_ns == INT64_MAX ? REST_MS : clock_poll_ms(next_ns);
}

/* Where there is room the driver wakes the keeper with the first call above what is begun, unless
 * it wakes up for that by itself. */
static void tell_driver(struct workers *workers)
{
	bool has_room = workers->used < workers->slots_max && !is_due(workers);

	atomic_store(&workers->wake_above, has_room ? workers->used : UINT_MAX);
}

/* Until something comes, or @end_ns; at once where there is no invocation. */
static void await_answer(struct workers *workers, int64_t end_ns)
{
	for (unsigned i = 0; i < workers->slots_max; i++)
		if (workers->slots[i].is_used && workers->slots[i].resume_ns < end_ns)
			end_ns = workers->slots[i].resume_ns;
	if (workers->used)
		curl.multi_poll(workers->multi, NULL, 0, clock_poll_ms(end_ns), NULL);
}

/* Let those that are there leave by themselves. */
static void wait_for_leaving(struct workers *workers)
{
	int64_t end_ns = clock_now_ns() + GRACE_NS;

	while (workers->used && clock_now_ns() < end_ns) {
		take_answers(workers, workers->platform->ops->advance);
		resume_due(workers);
		await_answer(workers, end_ns);
	}
}

/* Break off what is under way, unless its answer comes soon, and have the platform end what it has
 * started. */
static void end_all(struct workers *workers)
{
	stepper end = workers->platform->ops->end;
	int64_t end_ns = clock_now_ns() + END_NS;

	for (unsigned i = 0; i < workers->slots_max; i++) {
		struct slot *slot = &workers->slots[i];

		if (!slot->is_used || (end && slot->is_short))
			continue;
		exchange_end(&slot->exchange, workers->multi, CURLE_ABORTED_BY_CALLBACK,
			     &slot->invocation);
		if (!end || take_step(workers, slot, end) != STEP_REQUEST)
			release(workers, slot);
	}
	while (workers->used && clock_now_ns() < end_ns) {
		take_answers(workers, end);
		await_answer(workers, end_ns);
	}
	for (unsigned i = 0; i < workers->slots_max; i++)
		if (workers->slots[i].is_used)
			release(workers, &workers->slots[i]);
}

static void *keep(void *argument)
{
	struct workers *workers = argument;

	while (!atomic_load(&workers->is_stopping)) {
		take_answers(workers, workers->platform->ops->advance);
		resume_due(workers);
		begin_wanted(workers);
		tell_driver(workers);
		/* A call may have come before the driver was told. */
		curl.multi_poll(workers->multi, NULL, 0, next_ms(workers), NULL);
	}
	wait_for_leaving(workers);
	end_all(workers);
	return NULL;
}

/* ---- the table's row ---- */

static const char *broken(struct workers *workers)
{
	return atomic_load(&workers->is_broken) ? workers->why : NULL;
}

static void wanted(struct workers *workers, unsigned waiting)
{
	if (waiting < atomic_exchange(&workers->waiting, waiting))
		atomic_store(&workers->has_result, true);
	else if (waiting > atomic_load(&workers->wake_above))
		curl.multi_wakeup(workers->multi);
}

/* Some of the invocations are no workers any more, or never were: their answers do not come, or
 * they are frozen. */
static void queued(struct workers *workers, bool some_wait, uint64_t taken)
{
	int64_t now_ns = clock_now_ns();
	int64_t late_ns = LATE_IDLES * workers->platform->options.idle_ms * DSO_MILLISECOND;

	if (!some_wait || taken > workers->taken) {
		atomic_store(&workers->extra, 0);
		workers->taken_ns = now_ns;
	} else if (now_ns - workers->taken_ns >= (late_ns > LATE_NS_MIN ? late_ns : LATE_NS_MIN)) {
		atomic_fetch_add(&workers->extra, 1);
		workers->taken_ns = now_ns;
		curl.multi_wakeup(workers->multi);
	}
	workers->taken = taken;
}

static void free_workers(struct workers *workers)
{
	if (workers->multi)
		curl.multi_cleanup(workers->multi);
	if (workers->platform) {
		if (workers->platform->ops->clear)
			workers->platform->ops->clear(workers->platform);
		free(workers->platform->payload);
		free(workers->platform);
	}
	free(workers->slots);
	free(workers);
}

static void stop(struct workers *workers)
{
	atomic_store(&workers->is_stopping, true);
	curl.multi_wakeup(workers->multi);
	pthread_join(workers->keeper, NULL);
	free_workers(workers);
}

/* What every invocation gets. A worker leaves before its answer is given up. */
static int make_payload(struct platform *platform)
{
	const struct platform_options *options = &platform->options;
	struct payload payload = {
		.idle_ms = options->idle_ms,
		.serve_ms = options->timeout_ms - options->timeout_ms / 10,
	};
	int r = build_of_this(payload.build);

	if (r)
		return r;
	snprintf(payload.url, sizeof payload.url, "%s", platform->request.url);
	snprintf(payload.prefix, sizeof payload.prefix, "%s", platform->request.prefix);
	platform->payload = payload_write(&payload);
	return platform->payload ? 0 : -ENOMEM;
}

static int open_platform(struct workers *workers, const struct platform_ops *ops, char *why)
{
	struct platform *platform = calloc(1, ops->bytes);
	int r;

	if (!platform) {
		snprintf(why, SENTENCE_BYTES_MAX + 1, "out of memory");
		return -ENOMEM;
	}
	workers->platform = platform;
	platform->ops = ops;
	platform->options = ops->defaults;
	platform->request = workers->request;
	r = ops->read(platform, why);
	if (r)
		return r;
	r = make_payload(platform);
	if (r)
		snprintf(why, SENTENCE_BYTES_MAX + 1, "no payload: %s", strerror(-r));
	return r;
}

static int prepare(struct workers *workers)
{
	workers->slots_max = workers->request.count;
	workers->slots = calloc(workers->slots_max, sizeof *workers->slots);
	workers->multi = curl.multi_init();
	atomic_store(&workers->wake_above, 0);
	workers->taken_ns = clock_now_ns();
	if (!workers->slots || !workers->multi)
		return -ENOMEM;
	for (unsigned i = 0; i < workers->slots_max; i++)
		workers->slots[i].resume_ns = INT64_MAX;
	return thread_start(&workers->keeper, keep, workers);
}

static int start(const struct workers_ops *ops, const struct platform_ops *platform,
		 const struct workers_request *request, struct workers **ret_workers, char *why)
{
	struct workers *workers;
	int r;

	if (!function_main_was_called()) {
		snprintf(why, SENTENCE_BYTES_MAX + 1,
			 "main() of this program does not begin with dso_function_main(), so it "
			 "cannot be a function");
		return -EINVAL;
	}
	if (strcmp(dso_transport(request->session), "embedded") == 0) {
		snprintf(why, SENTENCE_BYTES_MAX + 1,
			 "functions share no embedded store; use \"thread:\", or a storaged");
		return -EOPNOTSUPP;
	}
	if (curl_load(why) || jansson_load(why))
		return -EOPNOTSUPP;
	curl.global_init(CURL_GLOBAL_ALL);
	workers = calloc(1, sizeof *workers);
	if (!workers) {
		snprintf(why, SENTENCE_BYTES_MAX + 1, "out of memory");
		return -ENOMEM;
	}
	workers->base.ops = ops;
	workers->request = *request;
	r = open_platform(workers, platform, why);
	if (r == 0) {
		r = prepare(workers);
		if (r)
			snprintf(why, SENTENCE_BYTES_MAX + 1, "%s", strerror(-r));
	}
	if (r) {
		free_workers(workers);
		return r;
	}
	*ret_workers = workers;
	return 0;
}

/* Rows of one engine. */
#define ROW(name)                                                                              \
	static int start_##name(const struct workers_request *request,                         \
				struct workers **ret_workers, char *why)                       \
	{                                                                                      \
		return start(&workers_of_##name, &platform_##name, request, ret_workers, why); \
	}                                                                                      \
	const struct workers_ops workers_of_##name = {.scheme = #name ":",                     \
						      .has_more = true,                        \
						      .start = start_##name,                   \
						      .broken = broken,                        \
						      .wanted = wanted,                        \
						      .queued = queued,                        \
						      .stop = stop};

ROW(http)
ROW(https)
ROW(lambda)
ROW(kubernetes)
ROW(podman)
