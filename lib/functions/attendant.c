/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/attendant.h"

#include "lib/core/clock.h"
#include "lib/core/thread.h"
#include "lib/functions/capture.h"
#include "lib/objects/queue.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* A call, as the attendant sees it. */
struct charge {
	uint64_t serial; /* of this worker */
	uint64_t number;
	uint32_t round, attempt;
	/* in the queue of calls */
	uint64_t ticket;
	uint32_t deliveries;
	const char *name;
	struct capture *capture;
	int64_t begun_ns, limit_ns;
};

struct attendant {
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, up to the row */
	pthread_cond_t change;
	bool is_stopping;
	bool is_dozing; /* until a call begins */
	bool runs;      /* a call does: charge */
	struct charge charge;
	struct attended attended;
	atomic_bool is_cancelled; /* the call */
	/* that the thread has claimed, once it has */
	bool has_row;
	struct state_row row;
	uint32_t row_index;

	/* the thread's own */
	bool is_thread;
	char url[256];
	char prefix[PREFIX_BYTES_MAX];
	struct dso_session *session;
	struct state state;
	struct dso_queue *calls, *results;
};

/* ---- the store ---- */

static void leave_store(struct attendant *attendant)
{
	dso_close(attendant->session);
	attendant->session = NULL;
}

/* Begin a session, where there is none. */
static int enter_store(struct attendant *attendant)
{
	const char *prefix = attendant->prefix;
	struct dso_queue_params params = {.ephemeral = DSO_EPHEMERAL};
	int r;

	if (attendant->session)
		return 0;
	r = dso_open(attendant->url, NULL, &attendant->session);
	if (r)
		return r;
	r = state_open(attendant->session, prefix, &attendant->state);
	if (r == 0)
		r = dso_queue_open(attendant->session, name_of(prefix, "calls").text, &params,
				   &attendant->calls);
	if (r == 0)
		r = dso_queue_open(attendant->session, name_of(prefix, "results").text, &params,
				   &attendant->results);
	if (r)
		leave_store(attendant);
	return r;
}

/* Get the worker a row, where it has none. */
static int claim_row(struct attendant *attendant)
{
	struct state_row row = {.attempt = le32_of(0)};
	uint32_t index;
	int r = attendant->has_row ? 0 : state_claim_row(&attendant->state, &row, &index);

	if (r || attendant->has_row)
		return r;
	pthread_mutex_lock(&attendant->lock);
	attendant->has_row = true;
	attendant->row = row;
	attendant->row_index = index;
	pthread_mutex_unlock(&attendant->lock);
	return 0;
}

static int show(struct attendant *attendant, const struct charge *charge)
{
	struct state_row row;
	struct timespec now;
	int64_t age_ns = clock_now_ns() - charge->begun_ns;
	int r = claim_row(attendant);

	if (r)
		return r;
	clock_gettime(CLOCK_REALTIME, &now);
	row = attendant->row;
	row.since_ns = le64_of((uint64_t)(now.tv_sec * DSO_SECOND + now.tv_nsec - age_ns));
	row.number = le64_of(charge->number);
	row.attempt = le32_of(charge->attempt);
	row.calls = le64_of(charge->serial - 1);
	memcpy(row.function, charge->name, strnlen(charge->name, sizeof row.function));
	return state_write_row(&attendant->state, attendant->row_index, &row);
}

static int report(struct attendant *attendant, enum outcome outcome, uint8_t flags)
{
	const struct charge *charge = &attendant->charge;
	struct result_message message = {
		.number = le64_of(charge->number),
		.round = le32_of(charge->round),
		.attempt = le32_of(charge->attempt),
		.outcome = (uint8_t)outcome,
		.flags = flags,
	};

	return dso_queue_push(attendant->results, &message, sizeof message, STATE_LOOK_NS);
}

/* ---- the end of a call ---- */

/* The call comes to another worker, which is not to run it. Where that cannot be told, the call
 * goes on until the next look. */
static int end_process(struct attendant *attendant, enum outcome outcome, bool is_own)
{
	const struct charge *charge = &attendant->charge;
	int r = 0;

	if (charge->capture)
		capture_drain(charge->capture);
	if (is_own && outcome == OUTCOME_OVERDUE)
		r = state_end_call(&attendant->state, charge->number, charge->round);
	if (r == 0 && is_own)
		r = report(attendant, outcome, RESULT_IS_ENDED | RESULT_COMES_AGAIN);
	if (r == 0)
		kill(getpid(), SIGKILL);
	return r;
}

/* The driver drops the result of a call that it has cancelled, when that comes. */
static int end_in_thread(struct attendant *attendant, enum outcome outcome, bool is_own)
{
	int r = 0;

	atomic_store(&attendant->is_cancelled, true);
	attendant->attended.is_cancelled |= outcome == OUTCOME_CANCELLED;
	if (outcome == OUTCOME_OVERDUE && is_own && !attendant->attended.is_reported)
		r = report(attendant, outcome, 0);
	attendant->attended.is_reported |= outcome == OUTCOME_OVERDUE && r == 0;
	return r;
}

/* With the lock, so that the call does not end meanwhile and another one begin. Where the worker
 * was frozen, or lost its session, another one may have the call by now: its attempt goes on. */
static int end_call(struct attendant *attendant, enum outcome outcome)
{
	const struct charge *charge = &attendant->charge;
	bool is_own;
	int r = queue_is_leased(attendant->calls, charge->ticket, charge->deliveries, &is_own);

	if (r)
		return r;
	return attendant->is_thread ? end_in_thread(attendant, outcome, is_own)
				    : end_process(attendant, outcome, is_own);
}

static bool is_over_limit(const struct charge *charge)
{
	return charge->limit_ns && clock_now_ns() - charge->begun_ns >= charge->limit_ns;
}

static int look_at(struct attendant *attendant, const struct charge *charge, bool *ret_is_ended)
{
	int r = enter_store(attendant);

	if (r == 0)
		r = state_is_ended(&attendant->state, charge->number, charge->round, ret_is_ended);
	return r ? r : show(attendant, charge);
}

/* The call has ended while it was looked at: the row shows it, and the worker does not know. */
static int show_idle(struct attendant *attendant, const struct charge *charge)
{
	struct state_row row = attendant->row;

	row.calls = le64_of(charge->serial);
	return state_write_row(&attendant->state, attendant->row_index, &row);
}

/* Look after the call; the lock is given back in between. */
static void look(struct attendant *attendant)
{
	struct charge charge = attendant->charge;
	bool is_ended = false;
	int r;

	pthread_mutex_unlock(&attendant->lock);
	r = look_at(attendant, &charge, &is_ended);
	pthread_mutex_lock(&attendant->lock);
	if (r == 0 && attendant->runs && attendant->charge.serial == charge.serial) {
		attendant->attended.has_row = true;
		if (is_ended)
			r = end_call(attendant, OUTCOME_CANCELLED);
		else if (is_over_limit(&charge))
			r = end_call(attendant, OUTCOME_OVERDUE);
	} else if (r == 0) {
		r = show_idle(attendant, &charge);
	}
	/* The next look begins another session. */
	if (r && r != -ETIMEDOUT)
		leave_store(attendant);
}

/* ---- the thread ---- */

/* When to look at the call that runs, which was looked at at @looked_ns. */
static int64_t next_look_ns(const struct charge *charge, int64_t looked_ns)
{
	int64_t limit_at_ns = charge->begun_ns + charge->limit_ns;
	int64_t next_ns =
		(looked_ns > charge->begun_ns ? looked_ns : charge->begun_ns) + STATE_LOOK_NS;

	return charge->limit_ns && limit_at_ns > looked_ns && limit_at_ns < next_ns ? limit_at_ns
										    : next_ns;
}

static void *attend(void *argument)
{
	struct attendant *attendant = argument;
	int64_t looked_ns = 0;

	pthread_mutex_lock(&attendant->lock);
	while (!attendant->is_stopping) {
		int64_t next_ns = next_look_ns(&attendant->charge, looked_ns);
		struct timespec until = clock_timespec(next_ns);

		if (!attendant->runs) {
			attendant->is_dozing = true;
			pthread_cond_wait(&attendant->change, &attendant->lock);
			attendant->is_dozing = false;
		} else if (clock_now_ns() < next_ns) {
			pthread_cond_timedwait(&attendant->change, &attendant->lock, &until);
		} else {
			looked_ns = clock_now_ns();
			look(attendant);
		}
	}
	pthread_mutex_unlock(&attendant->lock);
	if (attendant->has_row && attendant->session)
		state_free_row(&attendant->state, attendant->row_index, &attendant->row);
	leave_store(attendant);
	return NULL;
}

static void free_attendant(struct attendant *attendant)
{
	pthread_cond_destroy(&attendant->change);
	pthread_mutex_destroy(&attendant->lock);
	free(attendant);
}

int attendant_start(const struct attendant_request *request, struct attendant **ret_attendant)
{
	struct attendant *attendant = calloc(1, sizeof *attendant);
	pthread_condattr_t attributes;
	int r;

	if (!attendant)
		return -ENOMEM;
	pthread_mutex_init(&attendant->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&attendant->change, &attributes);
	pthread_condattr_destroy(&attributes);
	attendant->is_thread = request->is_thread;
	snprintf(attendant->url, sizeof attendant->url, "%s", request->url);
	snprintf(attendant->prefix, sizeof attendant->prefix, "%s", request->prefix);
	r = thread_start(&attendant->thread, attend, attendant);
	if (r)
		free_attendant(attendant);
	else
		*ret_attendant = attendant;
	return r;
}

void attendant_stop(struct attendant *attendant)
{
	if (!attendant)
		return;
	pthread_mutex_lock(&attendant->lock);
	attendant->is_stopping = true;
	pthread_cond_signal(&attendant->change);
	pthread_mutex_unlock(&attendant->lock);
	pthread_join(attendant->thread, NULL);
	free_attendant(attendant);
}

void attendant_begin(struct attendant *attendant, struct dso_call *call, const char *name,
		     int64_t limit_ns)
{
	call->is_cancelled = &attendant->is_cancelled;
	pthread_mutex_lock(&attendant->lock);
	attendant->runs = true;
	attendant->charge = (struct charge){.serial = attendant->charge.serial + 1,
					    .number = call->number,
					    .round = call->round,
					    .attempt = call->attempt,
					    .ticket = call->ticket,
					    .deliveries = call->deliveries,
					    .name = name,
					    .capture = call->capture,
					    .begun_ns = clock_now_ns(),
					    .limit_ns = limit_ns};
	attendant->attended = (struct attended){.has_row = false};
	atomic_store(&attendant->is_cancelled, false);
	if (attendant->is_dozing)
		pthread_cond_signal(&attendant->change);
	pthread_mutex_unlock(&attendant->lock);
}

bool attendant_row(struct attendant *attendant, struct state_row *ret_row, uint32_t *ret_index)
{
	bool has_row;

	pthread_mutex_lock(&attendant->lock);
	has_row = attendant->has_row;
	*ret_row = attendant->row;
	*ret_index = attendant->row_index;
	pthread_mutex_unlock(&attendant->lock);
	return has_row;
}

struct attended attendant_end(struct attendant *attendant)
{
	struct attended attended;

	pthread_mutex_lock(&attendant->lock);
	attendant->runs = false;
	attended = attendant->attended;
	pthread_mutex_unlock(&attendant->lock);
	return attended;
}
