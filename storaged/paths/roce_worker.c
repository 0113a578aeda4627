/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/roce_worker.h"
#include "storaged/paths/idle.h"
#include "lib/roce/arrival.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Looks at the sockets between two looks at the clock. */
#define LOOKS_PER_PUBLISH 32
#define PUBLISH_NS        INT64_C(10000000)
/* The packets that the batch must have room for before a request is taken: a READ of 64 KiB in full
 * packets, and an acknowledge for what came before it. */
#define ROOM (DATA_TRANSFER_BYTES_MAX / ROCE_MTU_MAX + ROCE_RESPONDER_ROOM)

/* The packets of responses to long READs in a turn; then requests are looked at again. */
#define FINISH_PACKETS 256

/* ---- queue pairs ---- */

static struct roce_queue_pair **bucket_of(struct roce_worker *worker, uint32_t qpn)
{
	/* Fibonacci hashing, because the low bits are the same for all queue pairs of a worker. */
	return &worker->buckets[(qpn * 0x9e3779b1u >> 8) & worker->bucket_mask];
}

static struct roce_queue_pair *find(struct roce_worker *worker, uint32_t qpn)
{
	struct roce_queue_pair *pair = *bucket_of(worker, qpn);

	while (pair && pair->qpn != qpn)
		pair = pair->next;
	return pair;
}

static void begin(struct roce_worker *worker, struct roce_queue_pair *pair)
{
	struct roce_queue_pair **bucket = bucket_of(worker, pair->qpn);

	pair->responder.counters = &worker->counters;
	pair->next = *bucket;
	*bucket = pair;
	worker->queue_pair_count++;
}

static void end(struct roce_worker *worker, struct roce_queue_pair *pair)
{
	struct roce_queue_pair **at = bucket_of(worker, pair->qpn);

	while (*at && *at != pair)
		at = &(*at)->next;
	if (*at) { /* it had begun */
		*at = pair->next;
		worker->queue_pair_count--;
	}
	list_remove(&pair->busy);
	/* From here on its packets count as those of an unknown queue pair. */
	mailbox_post(worker->outbox, &pair->to_main, QUEUE_PAIR_GONE);
}

static void take_mail(struct roce_worker *worker)
{
	struct mail *mail;
	uint32_t bits;

	mailbox_quiet(&worker->inbox);
	while ((mail = mailbox_take(&worker->inbox, &bits))) {
		struct roce_queue_pair *pair =
			container_of(mail, struct roce_queue_pair, to_worker);

		if (bits & QUEUE_PAIR_BEGIN)
			begin(worker, pair);
		if (bits & QUEUE_PAIR_END)
			end(worker, pair);
	}
}

/* ---- packets ---- */

static void take(void *context, const struct roce_address *source, const uint8_t *bytes,
		 size_t count)
{
	struct roce_worker *worker = context;
	struct roce_queue_pair *pair;
	struct roce_packet packet;

	if (!roce_arrival_decode(bytes, count, &packet, &worker->counters))
		return;
	pair = find(worker, packet.qpn);
	if (!pair) {
		worker->counters.dropped_unknown_queue_pair++;
		return;
	}
	if (!roce_arrival_holds(&pair->responder.config.path, source, bytes, count,
				&worker->counters))
		return;
	/* A client that does not take the response to its READ must not keep others from their
	 * answers. */
	if (packet.opcode == ROCE_READ_REQUEST &&
	    packet.length_bytes > pair->responder.config.mtu &&
	    roce_socket_is_full(worker->receiving)) {
		worker->counters.dropped_no_room_to_send++;
		return;
	}
	/* An answer leaves by the socket at which its request came. */
	pair->socket = worker->receiving;
	if (!roce_batch_has_room(&worker->batch, ROOM))
		roce_socket_send(worker->receiving, &worker->batch);
	roce_responder_receive(&pair->responder, &packet, &worker->batch);
	if (pair->responder.state == ROCE_RESPONDER_ERROR && !pair->failed) {
		pair->failed = true;
		mailbox_post(worker->outbox, &pair->to_main, QUEUE_PAIR_FAILED);
	}
	if (list_empty(&pair->busy))
		list_append(&worker->busy, &pair->busy);
}

/* Let each queue pair send what it has to. Those with long READs go on in the next turn. */
static void finish(struct roce_worker *worker, struct roce_socket *socket)
{
	uint64_t end = worker->counters.packets_sent + FINISH_PACKETS;
	bool full = roce_socket_is_full(socket);
	struct list turn, more;

	list_init(&turn);
	list_init(&more);
	list_splice(&turn, &worker->busy);
	while (!list_empty(&turn)) {
		struct roce_queue_pair *pair =
			container_of(turn.next, struct roce_queue_pair, busy);

		list_remove(&pair->busy);
		if (pair->socket != socket) {
			list_append(&worker->busy, &pair->busy);
			continue;
		}
		if (full)
			roce_responder_abandon_read(&pair->responder);
		/* Long READs go on in turn, as many as this turn has time for. */
		if (pair->responder.state == ROCE_RESPONDER_READING &&
		    worker->counters.packets_sent >= end)
			list_append(&worker->busy, &pair->busy);
		else if (roce_responder_finish(&pair->responder, &worker->batch))
			list_append(&more, &pair->busy);
		if (!roce_batch_has_room(&worker->batch, ROOM))
			roce_socket_send(socket, &worker->batch);
	}
	list_splice(&worker->busy, &more);
	roce_socket_send(socket, &worker->batch);
}

/* Serve every socket once. Returns whether there were any packets. */
static bool turn(struct roce_worker *worker)
{
	bool any = false;

	for (unsigned i = 0; i < worker->socket_count; i++) {
		worker->receiving = worker->sockets[i];
		any |= roce_socket_receive(worker->receiving, take, worker) > 0;
		if (!list_empty(&worker->busy))
			finish(worker, worker->receiving);
	}
	return any || !list_empty(&worker->busy);
}

/* ---- the thread ---- */

static void publish(struct roce_worker *worker)
{
	for (unsigned i = 0; i < ROCE_COUNTER_COUNT; i++)
		atomic_store_explicit(&worker->figures[i], roce_counter_get(&worker->counters, i),
				      memory_order_relaxed);
}

static void sleep_until_readable(struct roce_worker *worker)
{
	struct pollfd fds[LISTENERS_MAX + 1];

	publish(worker);
	for (unsigned i = 0; i < worker->socket_count; i++)
		fds[i] =
			(struct pollfd){.fd = roce_socket_fd(worker->sockets[i]), .events = POLLIN};
	fds[worker->socket_count] = (struct pollfd){.fd = worker->inbox.event_fd, .events = POLLIN};
	poll(fds, worker->socket_count + 1, -1);
	if (fds[worker->socket_count].revents)
		take_mail(worker);
}

static bool may_sleep(const struct roce_worker *worker, const struct idle *idle)
{
	return list_empty(&worker->busy) && idle_may_sleep(idle, worker->queue_pair_count == 0);
}

static void *run(void *argument)
{
	struct roce_worker *worker = argument;
	struct idle idle = {.poll = worker->poll};

	for (unsigned looks = 0; !atomic_load_explicit(&worker->stop, memory_order_relaxed);
	     looks++) {
		if (may_sleep(worker, &idle)) {
			sleep_until_readable(worker);
			idle_ends(&idle);
		} else if (mailbox_has_mail(&worker->inbox)) {
			/* Before the next packet, which may be the first one of a new queue
			 * pair. */
			take_mail(worker);
		} else if (looks % LOOKS_PER_PUBLISH == 0) {
			int64_t now_ns = clock_now_ns();

			if (now_ns - worker->published_ns > PUBLISH_NS) {
				publish(worker);
				worker->published_ns = now_ns;
			}
		}
		if (turn(worker))
			idle_ends(&idle);
		else
			idle_goes_on(&idle);
	}
	return NULL;
}

static void free_parts(struct roce_worker *worker)
{
	while (worker->socket_count)
		roce_socket_close(worker->sockets[--worker->socket_count]);
	free(worker->buckets);
	worker->buckets = NULL;
}

int roce_worker_start(struct roce_worker *worker, enum transport_poll poll_policy,
		      uint32_t queue_pairs, struct mailbox *outbox)
{
	uint32_t bucket_count = 64;
	int r;

	while (bucket_count < queue_pairs)
		bucket_count *= 2;
	worker->poll = poll_policy;
	worker->outbox = outbox;
	worker->bucket_mask = bucket_count - 1;
	list_init(&worker->busy);
	worker->buckets = calloc(bucket_count, sizeof *worker->buckets);
	r = worker->buckets ? mailbox_open(&worker->inbox) : -ENOMEM;
	if (r == 0) {
		r = -pthread_create(&worker->thread, NULL, run, worker);
		if (r)
			mailbox_close(&worker->inbox);
	}
	if (r)
		free_parts(worker);
	return r;
}

void roce_worker_stop(struct roce_worker *worker)
{
	atomic_store_explicit(&worker->stop, true, memory_order_relaxed);
	eventfd_write(worker->inbox.event_fd, 1);
	pthread_join(worker->thread, NULL);
	mailbox_close(&worker->inbox);
	free_parts(worker);
}
