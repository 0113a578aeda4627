/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/worker.h"

#include "lib/client/sentences.h"
#include "lib/core/clock.h"
#include "lib/functions/attendant.h"
#include "lib/functions/call.h"
#include "lib/functions/capture.h"
#include "lib/functions/definitions.h"
#include "lib/functions/kept.h"
#include "lib/functions/place.h"
#include "lib/functions/run.h"
#include "lib/functions/stored.h"
#include "lib/objects/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct worker {
	struct dso_session *session;
	char prefix[PREFIX_BYTES_MAX]; /* of the executor that is served */
	struct dso_queue *calls, *results;
	struct kept kept;           /* results, in a run */
	struct kept_call kept_call; /* that runs, then */
	struct state state;
	int64_t shown_ns; /* when its row of the state was written last */
	uint64_t served;  /* calls of the executor */
	const struct worker_term *term;
	bool is_done; /* it has said that it runs no more calls */
	struct attendant *attendant;
	struct capture *capture; /* where the driver asks for it */
	bool is_thread;
	_Atomic bool is_stopping; /* worker_stop() */
	uint8_t build[MESSAGE_BUILD_BYTES];
	/* the item that was taken, and the one that is put back */
	uint8_t call[MESSAGE_BYTES], result[MESSAGE_BYTES];
};

/* Whether an interrupt came that was not for the worker. */
static bool is_interrupted(const struct worker *worker, int r)
{
	return r == -ECANCELED && !atomic_load(&worker->is_stopping);
}

/* Whether to try again after @r: an interrupt came, or the session was over and is renewed. */
static bool again(struct worker *worker, int r)
{
	if (is_interrupted(worker, r))
		return true;
	return (r == -ESHUTDOWN || r == -ENOTCONN || r == -ECONNRESET) &&
	       dso_renew(worker->session, NULL, NULL) == 0;
}

/* ---- a call ---- */

/* Where the session is over, so is the lease of the call, and it comes to another worker. */
static int push_result(struct worker *worker, const struct result_message *message,
		       const void *bytes, size_t byte_count)
{
	int r;

	memcpy(worker->result, message, sizeof *message);
	if (byte_count)
		memcpy(worker->result + sizeof *message, bytes, byte_count);
	do {
		r = dso_queue_push(worker->results, worker->result, sizeof *message + byte_count,
				   DSO_FOREVER);
	} while (is_interrupted(worker, r));
	return r;
}

static struct result_message message_of(const struct dso_call *call, enum outcome outcome,
					size_t bytes)
{
	return (struct result_message){
		.number = le64_of(call->number),
		.bytes = le64_of(bytes),
		.round = le32_of(call->round),
		.attempt = le32_of(call->attempt),
		.outcome = (uint8_t)outcome,
	};
}

/* Report that there is no result. */
static int report(struct worker *worker, const struct dso_call *call, enum outcome outcome,
		  uint8_t flags)
{
	struct result_message message = message_of(call, outcome, 0);

	message.flags = flags;
	return push_result(worker, &message, NULL, 0);
}

/* A function whose session was over may have failed by that: the call is run again. */
static int report_failure(struct worker *worker, const struct dso_call *call, int error,
			  const char *sentence)
{
	struct result_message message = message_of(call, OUTCOME_FAILED, strlen(sentence));

	if (!queue_has_leased(worker->calls, call->ticket))
		return -EPERM;
	message.error = le32_of((uint32_t)-error);
	return push_result(worker, &message, sentence, strlen(sentence));
}

static int report_return(struct worker *worker, const struct dso_call *call)
{
	bool is_stored = call->result_bytes > RESULT_INLINE_BYTES_MAX;
	struct result_message message = message_of(call, OUTCOME_RETURNED, call->result_bytes);
	size_t bytes = call->result_bytes;
	int r, s;

	message.is_stored = is_stored;
	/* It counts, though the call may come to another worker. */
	do {
		r = s = is_stored && !worker->kept.map
				? stored_put(worker->session, worker->prefix, "result",
					     call->number, call->result, &bytes)
				: 0;
		message.bytes = le64_of(bytes);
		if (r == 0)
			r = push_result(worker, &message, call->result,
					is_stored ? 0 : call->result_bytes);
	} while (r && again(worker, r));
	/* The executor was closed meanwhile: nobody else deletes it. */
	if (r == -ESTALE && s == 0 && is_stored && !worker->kept.map)
		stored_delete(worker->session, worker->prefix, "result", call->number);
	return s ? report_failure(worker, call, s, dso_error(worker->session)) : r;
}

/* What the state shows of a worker that runs nothing, where it shows anything. It is no failure of
 * the worker where that cannot be written. */
static void show_idle(struct worker *worker)
{
	struct state_row row;
	uint32_t index;

	worker->shown_ns = clock_now_ns();
	if (!attendant_row(worker->attendant, &row, &index))
		return;
	row.calls = le64_of(worker->served);
	state_write_row(&worker->state, index, &row);
}

/* What the call writes goes to the driver from now on. In a thread it goes where the driver's own
 * goes. Where there is no way to that, the call runs without. */
static void begin_output(struct worker *worker, struct dso_call *call, const char *name)
{
	if (!worker->is_thread && !worker->capture)
		capture_start(dso_url(worker->session), worker->prefix, &worker->capture);
	call->capture = worker->capture;
	if (call->capture)
		capture_begin(call->capture, call->number, name);
}

static void end_output(struct dso_call *call)
{
	if (!call->capture)
		return;
	fflush(NULL);
	capture_drain(call->capture);
}

/* What a function changes of its argument does not count. */
static void note_kept_call(struct worker *worker, const struct dso_call *call, const char *name)
{
	if (worker->kept.map)
		worker->kept_call =
			kept_call_of(name, strlen(name), call->argument, call->argument_bytes);
}

/* In a run keep the result. It is told only then. */
static int keep(struct worker *worker, struct dso_call *call)
{
	int r;

	if (!worker->kept.map)
		return 0;
	do {
		r = kept_put(&worker->kept, call->number, &worker->kept_call, &call->result,
			     &call->result_bytes);
	} while (r && again(worker, r));
	return r ? dso_fail(call, r, "its result cannot be kept: %s", error_sentence(r)) : 0;
}

/* Who has started the worker is gone where that fails, and so will be this process. */
static void tell(const struct worker *worker, int what)
{
	struct worker_word word = {.pid = getpid(), .what = what};

	if (worker->term->tell_fd >= 0 && write(worker->term->tell_fd, &word, sizeof word) < 0)
		return;
}

/* After so many calls: where they are all that the worker runs, say so. */
static void tell_if_done(struct worker *worker, uint64_t calls)
{
	if (calls < worker->term->calls_max || worker->is_done)
		return;
	worker->is_done = true;
	tell(worker, WORKER_IS_DONE);
}

static int run(struct worker *worker, struct dso_call *call,
	       const struct dso_definition *definition, const struct call_message *message)
{
	struct attended attended;
	int error;

	note_kept_call(worker, call, definition->name);
	if (message->wants_output)
		begin_output(worker, call, definition->name);
	attendant_begin(worker->attendant, call, definition->name,
			(int64_t)le64_get(message->limit_ns));
	place_begin_function(worker->term->place);
	error = definition->function(call);
	place_end_function(worker->term->place);
	attended = attendant_end(worker->attendant);
	tell_if_done(worker, worker->served + 1);
	end_output(call);
	if (attended.has_row)
		show_idle(worker);
	if (attended.is_reported)
		return 0;
	if (attended.is_cancelled)
		return report(worker, call, OUTCOME_CANCELLED, RESULT_IS_ENDED);
	if (error == 0)
		error = keep(worker, call);
	if (error == 0)
		return report_return(worker, call);
	if (error > 0)
		dso_fail(call, -EPROTO, "it returned %d, which is no negative errno", error);
	return report_failure(worker, call, error < 0 ? error : -EPROTO,
			      *call->sentence ? call->sentence : error_sentence(error));
}

/* Take the call apart. Returns its function, or NULL with a sentence in call->sentence. */
static const struct dso_definition *parse(struct worker *worker, size_t length_bytes,
					  const struct call_message *message, struct dso_call *call)
{
	const char *name = (const char *)worker->call + sizeof *message;
	size_t inline_bytes = message->is_stored ? 0 : le64_get(message->argument_bytes);
	const struct dso_definition *definition;
	int r = 0;

	call->argument_bytes = le64_get(message->argument_bytes);
	if (call->argument_bytes > DSO_ARGUMENT_BYTES_MAX ||
	    sizeof *message + message->name_bytes + inline_bytes != length_bytes) {
		dso_fail(call, -EBADMSG, "the call is not what a driver writes");
		return NULL;
	}
	definition = definition_named(name, message->name_bytes);
	if (!definition) {
		dso_fail(call, -ENOENT, "the worker's program defines no function %.*s",
			 message->name_bytes, name);
		return NULL;
	}
	if (call->argument_bytes) {
		call->argument = malloc(call->argument_bytes);
		r = call->argument ? 0 : -ENOMEM;
	}
	if (r == 0 && message->is_stored)
		r = stored_get(worker->session, worker->prefix, "argument", call->number,
			       call->argument, call->argument_bytes);
	else if (r == 0 && inline_bytes)
		memcpy(call->argument, name + message->name_bytes, inline_bytes);
	if (r)
		dso_fail(call, r, "its argument of %zu bytes: %s", call->argument_bytes,
			 error_sentence(r));
	return r ? NULL : definition;
}

/* Run the call, unless there is a reason not to. @some_are_ended: some call is, and it may be this
 * one. */
static int begin(struct worker *worker, const struct dso_queue_item *item,
		 const struct call_message *message, struct dso_call *call, bool some_are_ended)
{
	const struct dso_definition *definition;
	bool is_ended = false;
	int r = 0;

	if (some_are_ended)
		r = state_is_ended(&worker->state, call->number, call->round, &is_ended);
	if (r)
		return r;
	if (is_ended)
		return report(worker, call, OUTCOME_CANCELLED, RESULT_IS_ENDED);
	if (memcmp(message->build, worker->build, sizeof message->build) != 0)
		return report(worker, call, OUTCOME_OTHER_BUILD, 0);
	if (item->deliveries > le32_get(message->attempts))
		return report(worker, call, OUTCOME_DIED, 0);
	definition = parse(worker, item->length_bytes, message, call);
	return definition ? run(worker, call, definition, message)
			  : report_failure(worker, call, -EBADMSG, call->sentence);
}

static int serve_one(struct worker *worker, const struct dso_queue_item *item, struct place *place,
		     bool some_are_ended)
{
	struct call_message message;
	struct dso_call call = {
		.session = worker->session, .ticket = item->ticket, .deliveries = item->deliveries};
	int r;

	if (item->length_bytes < sizeof message)
		return 0;
	memcpy(&message, worker->call, sizeof message);
	call.number = le64_get(message.number);
	call.round = le32_get(message.round);
	call.attempt = le32_get(message.begun) + item->deliveries;
	place_begin(place, &call);
	r = begin(worker, item, &message, &call, some_are_ended);
	free(call.argument);
	free(call.result);
	return r;
}

/* ---- serving ---- */

/* Whether the worker may begin another call, and how long it may wait for one. */
static bool may_wait(struct worker *worker, const struct worker_term *term, uint64_t served,
		     int64_t *ret_ns)
{
	int64_t left_ns = term->leave_ns - clock_now_ns();

	*ret_ns = term->idle_ns;
	if (term->leave_ns != INT64_MAX && (*ret_ns == DSO_FOREVER || *ret_ns > left_ns))
		*ret_ns = left_ns;
	return !atomic_load(&worker->is_stopping) && !worker->is_done && served < term->calls_max &&
	       (term->leave_ns == INT64_MAX || left_ns > 0);
}

/* Serve until the term is over, the queue of calls is shut down (0) or cannot be used. */
static int serve(struct worker *worker, const struct worker_term *term, uint64_t *served)
{
	for (;;) {
		struct dso_queue_item item = {.bytes = worker->call,
					      .bytes_max = sizeof worker->call};
		struct op ended = state_ended_op(&worker->state);
		int64_t wait_ns;
		int r = may_wait(worker, term, *served, &wait_ns)
				? queue_lease_beside(worker->calls, &item, wait_ns, &ended)
				: -ETIMEDOUT;

		if (r == 0)
			r = serve_one(worker, &item, term->place, ended.value != 0);
		/* A call whose lease was lost with its session is run again, in vain. */
		if (r == 0)
			r = dso_queue_acknowledge(worker->calls, item.ticket);
		place_end(term->place);
		*served += r == 0;
		worker->served += r == 0;
		if (clock_now_ns() - worker->shown_ns > STATE_LOOK_NS)
			show_idle(worker);
		if (r == -EPERM || r == -EBADMSG || again(worker, r))
			r = 0;
		if (r)
			return r == -EPIPE || r == -ESTALE || r == -ETIMEDOUT || r == -ECANCELED
				       ? 0
				       : r;
	}
}

/* A queue that is not there is that of an executor that is closed: nobody is to make another. */
static int open_queue(struct worker *worker, const char *what, struct dso_queue **ret_queue)
{
	struct object_name name = name_of(worker->prefix, what);
	int r;

	do {
		r = queue_open_existing(worker->session, name.text, ret_queue);
	} while (r && again(worker, r));
	return r;
}

static void leave_executor(struct worker *worker)
{
	attendant_stop(worker->attendant);
	capture_stop(worker->capture);
	state_close(&worker->state);
	dso_queue_close(worker->calls);
	dso_queue_close(worker->results);
	kept_close(&worker->kept);
	worker->calls = worker->results = NULL;
	worker->attendant = NULL;
	worker->capture = NULL;
}

static int open_state(struct worker *worker)
{
	int r;

	do {
		r = state_open_ended(worker->session, worker->prefix, &worker->state);
	} while (r && again(worker, r));
	return r;
}

static int start_attendant(struct worker *worker, bool is_thread)
{
	struct attendant_request request = {
		.url = dso_url(worker->session), .prefix = worker->prefix, .is_thread = is_thread};

	worker->is_thread = is_thread;
	worker->served = 0;
	worker->shown_ns = clock_now_ns();
	return attendant_start(&request, &worker->attendant);
}

static int enter_executor(struct worker *worker, const struct worker_term *term)
{
	int r;

	if (strlen(term->prefix) >= sizeof worker->prefix)
		return -ENAMETOOLONG;
	strcpy(worker->prefix, term->prefix);
	worker->term = term;
	worker->is_done = false;
	r = open_queue(worker, "calls", &worker->calls);
	if (r == 0)
		r = open_queue(worker, "results", &worker->results);
	if (r == 0)
		r = kept_open(worker->session, worker->prefix, &worker->kept);
	if (r == 0)
		r = open_state(worker);
	if (r == 0)
		r = start_attendant(worker, term->is_thread);
	return r;
}

int worker_open(const char *url, struct worker **ret_worker, char *why, size_t why_bytes)
{
	struct worker *worker = calloc(1, sizeof *worker);
	int r = worker ? build_of_this(worker->build) : -ENOMEM;

	if (r) {
		snprintf(why, why_bytes, "%s", error_sentence(r));
	} else {
		r = dso_open(url, NULL, &worker->session);
		if (r)
			snprintf(why, why_bytes, "%s", dso_error(NULL));
	}
	if (r) {
		free(worker);
		return r;
	}
	*ret_worker = worker;
	return 0;
}

int worker_serve(struct worker *worker, const struct worker_term *term, uint64_t *ret_served,
		 char *why, size_t why_bytes)
{
	int r = enter_executor(worker, term);

	run_is_for_workers();
	*ret_served = 0;
	if (r == 0) {
		tell(worker, WORKER_SERVES);
		r = serve(worker, term, ret_served);
	}
	if (r == 0)
		tell_if_done(worker, *ret_served);
	if (r)
		snprintf(why, why_bytes, "%s", dso_error(worker->session));
	/* Queues go with their last handle: a worker that stays keeps none. */
	leave_executor(worker);
	return r;
}

void worker_stop(struct worker *worker)
{
	atomic_store(&worker->is_stopping, true);
	dso_interrupt(worker->session);
}

void worker_close(struct worker *worker)
{
	if (!worker)
		return;
	dso_close(worker->session);
	free(worker);
}

int worker_serve_executor(const char *url, const struct worker_term *term, char *why,
			  size_t why_bytes)
{
	struct worker *worker;
	uint64_t served;
	int r = worker_open(url, &worker, why, why_bytes);

	if (r)
		return r;
	r = worker_serve(worker, term, &served, why, why_bytes);
	worker_close(worker);
	return r == -ENOENT ? 0 : r;
}
