/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/worker.h"
#include "storaged/paths/idle.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#define EVENTS_MAX 64
/* The longest sleep while a device owes completions: its transport notices a dead device by its own
 * timeout, but only when it is asked. */
#define DEVICE_SLEEP_NS 100000000

static void begin(struct worker *worker, struct data_connection *connection)
{
	if (io_ops(worker->engine)->add(worker->engine, &connection->stream)) {
		data_end(worker->engine, connection, END_data_refused);
		return;
	}
	connection->begun = true;
	worker->connection_count++;
	data_turn(worker->engine, connection);
}

static void take_mail(struct worker *worker)
{
	struct mail *mail;
	uint32_t bits;

	mailbox_quiet(&worker->inbox);
	while ((mail = mailbox_take(&worker->inbox, &bits))) {
		struct data_connection *connection =
			container_of(mail, struct data_connection, to_worker);

		if (bits & DATA_BEGIN)
			begin(worker, connection);
		if (bits & DATA_END) {
			connection->end_asked = true;
			data_end(worker->engine, connection, END_data_closed);
			data_look_at_later(connection);
		}
	}
}

/* Tell the main thread which connections ended by themselves, and which are over. */
static void report_ended(struct worker *worker, struct data_responder *responder)
{
	while (!list_empty(&responder->ended)) {
		struct data_connection *connection =
			container_of(responder->ended.next, struct data_connection, ending);

		list_remove(&connection->ending);
		if (!connection->end_asked) {
			mailbox_post(worker->outbox, &connection->to_main, DATA_ENDED);
		} else if (data_is_over(connection)) {
			if (connection->begun) {
				io_ops(worker->engine)->remove(worker->engine, &connection->stream);
				worker->connection_count--;
			}
			mailbox_post(worker->outbox, &connection->to_main, DATA_GONE);
		}
	}
}

static void take_events(struct worker *worker, const struct io_event *events, int count)
{
	for (int i = 0; i < count; i++) {
		struct io_stream *stream = events[i].stream;

		if (stream == &worker->inbox_ready) {
			take_mail(worker);
			io_ops(worker->engine)->watch(worker->engine, stream);
		} else if (events[i].kind != IO_READABLE) {
			struct data_connection *connection =
				container_of(stream, struct data_connection, stream);

			data_event(worker->engine, connection, &events[i]);
		}
		/* A device's descriptor is readable: the thread that wakes looks at the device
		 * anyway. */
	}
}

/* Let the devices make progress. Returns whether anything was completed; *ret_owed: something is
 * still owed. */
static bool turn_responders(struct worker *worker, bool *ret_owed)
{
	bool any = false;

	*ret_owed = false;
	for (unsigned i = 0; i < worker->responder_count; i++) {
		struct data_responder *responder = &worker->responders[i];
		const struct transport_ops *transport = transport_ops(responder->transport);

		if (!list_empty(&responder->executing)) {
			if (responder->submitted)
				transport->flush(responder->transport);
			responder->submitted = false;
			transport->progress(responder->transport, 0);
			any |= data_complete(worker->engine, responder);
			*ret_owed |= !list_empty(&responder->executing);
		}
		if (!list_empty(&responder->ended))
			report_ended(worker, responder);
	}
	return any;
}

/* Before sleeping: make the devices wake this thread. */
static void watch_responders(struct worker *worker)
{
	for (unsigned i = 0; i < worker->responder_count; i++) {
		struct data_responder *responder = &worker->responders[i];

		if (list_empty(&responder->executing))
			continue;
		transport_ops(responder->transport)->fd(responder->transport);
		if (responder->ready.pending == 0)
			io_ops(worker->engine)->watch(worker->engine, &responder->ready);
	}
}

/* Tell the main thread how much was executed. Only this thread writes the counter, so no locked
 * instruction is needed. */
static void count_operations(struct worker *worker)
{
	uint64_t operations = 0;

	for (unsigned i = 0; i < worker->responder_count; i++)
		operations += worker->responders[i].operations;
	atomic_store_explicit(&worker->operations, operations, memory_order_relaxed);
}

static void serve(struct worker *worker)
{
	const struct io_engine_ops *engine = io_ops(worker->engine);
	struct io_event events[EVENTS_MAX];
	struct idle idle = {.poll = worker->poll};
	bool owed = false;

	engine->watch(worker->engine, &worker->inbox_ready);
	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		bool sleeps = idle_may_sleep(&idle, worker->connection_count == 0);
		int count;

		if (sleeps && owed) {
			watch_responders(worker);
			/* What was completed before the device was armed wakes no thread. */
			sleeps = !turn_responders(worker, &owed);
		}
		count = engine->wait(worker->engine, events, EVENTS_MAX,
				     !sleeps ? 0
				     : owed  ? DEVICE_SLEEP_NS
					     : -1);
		if (count > 0)
			take_events(worker, events, count);
		if (turn_responders(worker, &owed) || count > 0) {
			idle_ends(&idle);
			count_operations(worker);
		} else {
			idle_goes_on(&idle);
		}
	}
}

/* Open what belongs to the thread. */
static int prepare(struct worker *worker)
{
	const struct io_engine_ops *engine;
	int r = io_engine_open(worker->io, worker->stream_count_max, &worker->engine);

	if (r)
		return r;
	engine = io_ops(worker->engine);
	worker->engine_name = engine->name;
	worker->inbox_ready = (struct io_stream){.fd = worker->inbox.event_fd};
	r = engine->add(worker->engine, &worker->inbox_ready);
	for (unsigned i = 0; i < worker->responder_count && r == 0; i++) {
		struct data_responder *responder = &worker->responders[i];
		const struct transport_ops *transport = transport_ops(responder->transport);

		if (transport->execute)
			continue;
		responder->ready = (struct io_stream){.fd = transport->fd(responder->transport)};
		r = engine->add(worker->engine, &responder->ready);
	}
	return r;
}

static void *run(void *argument)
{
	struct worker *worker = argument;

	worker->start_error = prepare(worker);
	sem_post(&worker->started);
	if (worker->start_error == 0)
		serve(worker);
	if (worker->engine)
		io_ops(worker->engine)->close(worker->engine);
	return NULL;
}

static void free_parts(struct worker *worker)
{
	for (unsigned i = 0; i < worker->responder_count; i++)
		transport_ops(worker->responders[i].transport)
			->close(worker->responders[i].transport);
	free(worker->responders);
	sem_destroy(&worker->started);
}

int worker_start(struct worker *worker, const struct settings *settings, unsigned stream_count_max,
		 struct data_responder *responders, unsigned responder_count,
		 struct mailbox *outbox)
{
	int r;

	*worker = (struct worker){.io = settings_io[settings->io],
				  .poll = (enum transport_poll)settings->poll,
				  .stream_count_max = stream_count_max,
				  .responders = responders,
				  .responder_count = responder_count,
				  .outbox = outbox};
	for (unsigned i = 0; i < responder_count; i++) {
		list_init(&responders[i].executing);
		list_init(&responders[i].ended);
	}
	sem_init(&worker->started, 0, 0);
	r = mailbox_open(&worker->inbox);
	if (r) {
		free_parts(worker);
		return r;
	}
	r = -pthread_create(&worker->thread, NULL, run, worker);
	if (r == 0) {
		while (sem_wait(&worker->started))
			;
		r = worker->start_error;
		if (r)
			pthread_join(worker->thread, NULL);
	}
	if (r) {
		mailbox_close(&worker->inbox);
		free_parts(worker);
	}
	return r;
}

void worker_stop(struct worker *worker)
{
	atomic_store_explicit(&worker->stop, true, memory_order_relaxed);
	eventfd_write(worker->inbox.event_fd, 1);
	pthread_join(worker->thread, NULL);
	mailbox_close(&worker->inbox);
	free_parts(worker);
}
