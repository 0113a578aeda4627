/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/clock.h"
#include "lib/verbs/queue_pair.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define STAGING_ALIGN 64

#define POLL_BATCH 16
/* Fruitless looks at the completion queue between two looks at the clock and at health. */
#define LOOKS_PER_CHECK 256
/* `lost` costs a system call; a spinning thread calls it this often. */
#define LOST_INTERVAL_NS 1000000
/* A change of health wakes no sleeper, so a sleep is no longer than this. */
#define SLEEP_NS_MAX 10000000
/* After sever, how long completions of what had been executed are waited for. */
#define HARVEST_NS 10000000

static struct queue_pair *of(struct transport *transport)
{
	return (struct queue_pair *)transport;
}

static unsigned slot_of(uint64_t number)
{
	return number & (TRANSPORT_INFLIGHT_MAX - 1);
}

/* ---- completion ---- */

/* Complete the oldest operation with @status; it is the caller's from then on. */
static void finish_next(struct queue_pair *queue_pair, int status)
{
	unsigned slot = slot_of(queue_pair->completed);
	struct op *op = queue_pair->ops[slot];

	if (queue_pair->refusals[slot]) {
		status = queue_pair->refusals[slot];
	} else if (status == 0) {
		if (op->opcode == DATA_READ)
			memcpy(op->buffer, (void *)(uintptr_t)queue_pair->sges[slot].addr,
			       op->length_bytes);
		else if (op->opcode != DATA_WRITE)
			op->value = queue_pair->results[slot];
	}
	queue_pair->staging_freed = queue_pair->staging_ends[slot];
	queue_pair->completed++;
	op->status = status;
}

/* Everything before @end was executed. Then complete the operations right behind it that were
 * refused. */
static void finish_until(struct queue_pair *queue_pair, uint64_t end)
{
	while (queue_pair->completed < end)
		finish_next(queue_pair, 0);
	while (queue_pair->completed < queue_pair->posted &&
	       queue_pair->refusals[slot_of(queue_pair->completed)])
		finish_next(queue_pair, 0);
}

/* The first reason is the cause: it makes others, as of operations that are flushed. */
__attribute__((format(printf, 2, 3))) static void explain(struct queue_pair *queue_pair,
							  const char *format, ...)
{
	va_list arguments;

	if (queue_pair->why[0])
		return;
	va_start(arguments, format);
	vsnprintf(queue_pair->why, sizeof queue_pair->why, format, arguments);
	va_end(arguments);
}

/* The transport is broken: the next operation ends with @status, the rest as unknown or never
 * sent. */
static void fail(struct queue_pair *queue_pair, int status)
{
	struct breakage breakage = queue_pair->config.breakage;

	queue_pair->broken = true;
	queue_pair->chain_first = queue_pair->chain_last = NULL;
	if (queue_pair->completed < queue_pair->posted)
		finish_next(queue_pair, status);
	while (queue_pair->completed < queue_pair->posted)
		finish_next(queue_pair, -ECONNRESET);
	queue_pair->posted = queue_pair->flushed = queue_pair->submitted;
	while (queue_pair->completed < queue_pair->submitted)
		finish_next(queue_pair, -ENOTCONN);
	breakage_tell(&breakage, queue_pair->why);
}

static int status_of(enum ibv_wc_status status)
{
	switch (status) {
	case IBV_WC_REM_ACCESS_ERR:  /* rkey, range or rights of the memory region */
	case IBV_WC_REM_INV_REQ_ERR: /* rights of the queue pair */
		return -EACCES;
	default:
		return -ECONNRESET;
	}
}

static void explain_completion(struct queue_pair *queue_pair, const struct ibv_wc *completion)
{
	static const char *const names[] = {[DATA_READ] = "READ",
					    [DATA_WRITE] = "WRITE",
					    [DATA_CAS] = "CAS",
					    [DATA_FAA] = "FAA"};
	const struct op *op = queue_pair->ops[slot_of(completion->wr_id)];

	explain(queue_pair, "the RDMA device failed a %s: %s (status %d, vendor's %#x)",
		names[op->opcode], verbs_api.ibv.wc_status_str(completion->status),
		(int)completion->status, completion->vendor_err);
}

/* Take what the completion queue has. An error leaves nothing in flight. */
static void drain_completions(struct queue_pair *queue_pair)
{
	struct ibv_wc completions[POLL_BATCH];
	int count = ibv_poll_cq(queue_pair->cq, POLL_BATCH, completions);

	for (int i = 0; i < count; i++) {
		if (queue_pair->broken) /* flushed: its operation was failed already */
			return;
		queue_pair->timeout.until_ns = 0;
		if (completions[i].status == IBV_WC_SUCCESS) {
			finish_until(queue_pair, completions[i].wr_id + 1);
			continue;
		}
		/* A reliable connection executes in order: what was posted before the failed one
		 * has been executed, also where no completion was asked for. */
		finish_until(queue_pair, completions[i].wr_id);
		explain_completion(queue_pair, &completions[i]);
		fail(queue_pair, status_of(completions[i].status));
		queue_pair->hooks->sever(queue_pair);
	}
}

/*
 * Give the other side up. The error state flushes what is in flight, so that the completion queue
 * then has everything there is to know, and nothing lands in our memory that close would not wait
 * for.
 */
static void break_off(struct queue_pair *queue_pair)
{
	int64_t end = clock_now_ns() + HARVEST_NS;

	queue_pair->hooks->sever(queue_pair);
	while (queue_pair->completed < queue_pair->posted && !queue_pair->broken &&
	       clock_now_ns() < end)
		drain_completions(queue_pair);
	if (!queue_pair->broken)
		fail(queue_pair, -ECONNRESET);
}

/* Whether the operation of @request may be posted. */
static bool is_ready(const struct queue_pair *queue_pair, const struct ibv_send_wr *request)
{
	return request->wr_id < queue_pair->flushed &&
	       queue_pair->waits_for[slot_of(request->wr_id)] <= queue_pair->completed;
}

/* Post what was flushed, up to the first operation that waits for another to be complete. */
static void post(struct queue_pair *queue_pair)
{
	struct ibv_send_wr *first = queue_pair->chain_first, *last = NULL, *next = first,
			   *refused = NULL;
	int error;

	for (; next && is_ready(queue_pair, next); next = next->next)
		last = next;
	queue_pair->chain_first = next;
	if (!next)
		queue_pair->chain_last = NULL;
	if (last) {
		last->next = NULL;
		last->send_flags |= IBV_SEND_SIGNALED;
		error = ibv_post_send(queue_pair->qp, first, &refused);
		if (error) {
			/* The queue always has room here, so the device or its driver has
			 * failed. */
			explain(queue_pair, "the RDMA device took no work request: %s",
				strerror(error));
			queue_pair->posted = refused ? refused->wr_id : queue_pair->posted;
			break_off(queue_pair);
			return;
		}
	}
	queue_pair->posted =
		next && next->wr_id < queue_pair->flushed ? next->wr_id : queue_pair->flushed;
}

/* Take what has completed, and post what waited for it. */
static void look(struct queue_pair *queue_pair)
{
	drain_completions(queue_pair);
	if (queue_pair->chain_first)
		post(queue_pair);
}

/* ---- submission ---- */

/* Room for @bytes in one piece, or NULL. */
static uint8_t *stage(struct queue_pair *queue_pair, uint32_t bytes)
{
	uint64_t start = queue_pair->staging_taken;
	uint64_t offset = start % QUEUE_PAIR_STAGING_BYTES;
	uint32_t rounded = (bytes + STAGING_ALIGN - 1) & ~(uint32_t)(STAGING_ALIGN - 1);

	if (offset + rounded > QUEUE_PAIR_STAGING_BYTES) {
		start += QUEUE_PAIR_STAGING_BYTES - offset;
		offset = 0;
	}
	if (start + rounded - queue_pair->staging_freed > QUEUE_PAIR_STAGING_BYTES)
		return NULL;
	queue_pair->staging_taken = start + rounded;
	return queue_pair->staging + offset;
}

/*
 * Operations are executed in the order of submission. The far device executes WRITEs and atomics in
 * the order of their arrival, but a WRITE or atomic may overtake an earlier READ, and a WRITE an
 * earlier atomic, unless it starts when those have completed. Returns how many operations have to
 * be complete by then.
 */
static uint64_t earlier_end(struct queue_pair *queue_pair, const struct op *op)
{
	uint64_t last_read = queue_pair->last_read, last_atomic = queue_pair->last_atomic;
	bool behind_read = last_read > queue_pair->completed;
	bool behind_atomic = last_atomic > queue_pair->completed;

	if (op->opcode == DATA_READ)
		return 0;
	if (!behind_read && !(behind_atomic && op->opcode == DATA_WRITE))
		return 0;
	queue_pair->last_read = queue_pair->last_atomic = 0;
	return last_read > last_atomic ? last_read : last_atomic;
}

/* Have the device wait, or wait here before the operation is posted. Returns the send flags. */
static unsigned wait_for_earlier(struct queue_pair *queue_pair, unsigned slot, const struct op *op)
{
	uint64_t end = earlier_end(queue_pair, op);

	queue_pair->waits_for[slot] = queue_pair->fences ? 0 : end;
	return end && queue_pair->fences ? IBV_SEND_FENCE : 0;
}

/* Fill the slot's work request. Returns 0 or -EAGAIN. */
static int build(struct queue_pair *queue_pair, unsigned slot, struct op *op)
{
	struct ibv_send_wr *request = &queue_pair->work_requests[slot];
	struct ibv_sge *sge = &queue_pair->sges[slot];
	uint64_t address = queue_pair->config.region_address + op->offset;
	unsigned flags = 0;

	sge->length = op->length_bytes;
	sge->lkey = queue_pair->mr->lkey;
	if (op->opcode == DATA_CAS || op->opcode == DATA_FAA) {
		sge->addr = (uintptr_t)&queue_pair->results[slot];
		request->wr.atomic.remote_addr = address;
		request->wr.atomic.rkey = queue_pair->config.rkey;
		request->wr.atomic.compare_add = op->operand;
		request->wr.atomic.swap = op->swap;
		request->opcode = op->opcode == DATA_FAA ? IBV_WR_ATOMIC_FETCH_AND_ADD
							 : IBV_WR_ATOMIC_CMP_AND_SWP;
	} else {
		if (op->opcode == DATA_WRITE && op->length_bytes <= queue_pair->inline_bytes) {
			sge->addr = (uintptr_t)op->buffer;
			flags = IBV_SEND_INLINE;
		} else {
			uint8_t *staged = stage(queue_pair, op->length_bytes);

			if (!staged)
				return -EAGAIN;
			if (op->opcode == DATA_WRITE)
				memcpy(staged, op->buffer, op->length_bytes);
			sge->addr = (uintptr_t)staged;
		}
		request->wr.rdma.remote_addr = address;
		request->wr.rdma.rkey = queue_pair->config.rkey;
		request->opcode = op->opcode == DATA_READ ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE;
	}
	request->wr_id = queue_pair->submitted;
	request->next = NULL;
	request->sg_list = sge;
	request->num_sge = 1;
	request->send_flags = flags | wait_for_earlier(queue_pair, slot, op);
	return 0;
}

static void link_request(struct queue_pair *queue_pair, struct ibv_send_wr *request)
{
	if (++queue_pair->unsignalled >= QUEUE_PAIR_SIGNAL_INTERVAL) {
		request->send_flags |= IBV_SEND_SIGNALED;
		queue_pair->unsignalled = 0;
	}
	if (queue_pair->chain_last)
		queue_pair->chain_last->next = request;
	else
		queue_pair->chain_first = request;
	queue_pair->chain_last = request;
}

/* Whether a broken queue pair works again. The caller has got the outcome of what was in flight by
 * then. */
static bool revive(struct queue_pair *queue_pair)
{
	return queue_pair->hooks->revive && queue_pair->completed == queue_pair->submitted &&
	       queue_pair->hooks->revive(queue_pair);
}

static int queue_pair_submit(struct transport *transport, struct op *op)
{
	struct queue_pair *queue_pair = of(transport);
	unsigned slot = slot_of(queue_pair->submitted);
	int status, refusal;

	if (queue_pair->broken && !revive(queue_pair))
		return -ENOTCONN;
	if (queue_pair->submitted - queue_pair->completed >= queue_pair->depth)
		return -EAGAIN;
	refusal = op_check(op, queue_pair->config.region_bytes);
	if (!refusal) {
		status = build(queue_pair, slot, op);
		if (status)
			return status;
		link_request(queue_pair, &queue_pair->work_requests[slot]);
	}
	queue_pair->refusals[slot] = refusal;
	queue_pair->staging_ends[slot] = queue_pair->staging_taken;
	queue_pair->ops[slot] = op;
	queue_pair->submitted++;
	if (!refusal && op->opcode == DATA_READ)
		queue_pair->last_read = queue_pair->submitted;
	else if (!refusal && op->opcode != DATA_WRITE)
		queue_pair->last_atomic = queue_pair->submitted;
	op->status = -EINPROGRESS;
	return 0;
}

static int queue_pair_flush(struct transport *transport)
{
	struct queue_pair *queue_pair = of(transport);

	if (queue_pair->broken)
		return -ENOTCONN;
	if (queue_pair->completed == queue_pair->posted)
		queue_pair->timeout.until_ns = 0;
	queue_pair->flushed = queue_pair->submitted;
	post(queue_pair);
	if (queue_pair->broken)
		return -ENOTCONN;
	finish_until(queue_pair, queue_pair->completed);
	return 0;
}

/* ---- waiting ---- */

/* Returns false when the transport was given up. */
static bool check(struct queue_pair *queue_pair, int64_t now)
{
	const struct queue_pair_config *config = &queue_pair->config;
	const char *gone = NULL;

	if (config->health && atomic_load_explicit(config->health, memory_order_acquire))
		gone = "the session was over";
	if (!queue_pair->timeout.until_ns)
		peer_timeout_begin(&queue_pair->timeout, now, config->timeout_ns);
	if (queue_pair->hooks->lost && now - queue_pair->lost_checked_ns >= LOST_INTERVAL_NS) {
		queue_pair->lost_checked_ns = now;
		gone = gone ? gone : queue_pair->hooks->lost(queue_pair);
	}
	if (gone)
		explain(queue_pair, "%s", gone);
	else if (peer_timeout_is_over(&queue_pair->timeout, now))
		explain(queue_pair, "the RDMA device completed nothing for %lld ms",
			(long long)(config->timeout_ns / 1000000));
	else
		return true;
	break_off(queue_pair);
	return false;
}

/* Ask for an event with the next completion. The caller has to look once more afterwards: what
 * completed before gives no event. */
static void arm(struct queue_pair *queue_pair)
{
	if (!queue_pair->armed)
		ibv_req_notify_cq(queue_pair->cq, 0);
	queue_pair->armed = true;
}

/* Take the event that was asked for, if it has come. */
static void disarm(struct queue_pair *queue_pair)
{
	struct ibv_cq *cq;
	void *context;
	uint64_t count;

	if (queue_pair->armed &&
	    verbs_api.ibv.get_cq_event(queue_pair->channel, &cq, &context) == 0) {
		queue_pair->event_count++;
		queue_pair->armed = false;
	}
	if (queue_pair->raised && read(queue_pair->raised_fd, &count, sizeof count) > 0)
		queue_pair->raised = false;
}

static void sleep_for(struct queue_pair *queue_pair, int64_t wait_ns)
{
	struct pollfd descriptors[2] = {
		{.fd = queue_pair->channel->fd, .events = POLLIN},
		{.fd = queue_pair->config.event_fd, .events = POLLIN},
	};
	struct timespec timeout = {.tv_nsec = wait_ns < SLEEP_NS_MAX ? wait_ns : SLEEP_NS_MAX};

	ppoll(descriptors, 2, &timeout, NULL);
	if (descriptors[1].revents)
		queue_pair->lost_checked_ns = 0;
	disarm(queue_pair);
}

static void wait_for_completion(struct queue_pair *queue_pair, int64_t wait_ns)
{
	uint64_t completed = queue_pair->completed;
	int64_t start = 0;

	if (queue_pair->spin_ns == 0) {
		start = clock_now_ns();
		arm(queue_pair);
		look(queue_pair);
		if (queue_pair->completed == completed)
			sleep_for(queue_pair, wait_ns);
	}
	for (unsigned looks = 1;; looks++) {
		int64_t now;

		look(queue_pair);
		if (queue_pair->completed != completed)
			return;
		if (looks % LOOKS_PER_CHECK && !queue_pair->armed && queue_pair->spin_ns)
			continue;
		now = clock_now_ns();
		if (!start)
			start = now;
		if (!check(queue_pair, now) || now - start >= wait_ns)
			return;
		if (now - start < queue_pair->spin_ns)
			continue;
		arm(queue_pair);
		look(queue_pair);
		if (queue_pair->completed != completed)
			return;
		sleep_for(queue_pair, wait_ns - (now - start));
	}
}

static int queue_pair_progress(struct transport *transport, int64_t wait_ns)
{
	struct queue_pair *queue_pair = of(transport);
	uint64_t completed = queue_pair->completed;

	if (queue_pair->armed || queue_pair->raised)
		disarm(queue_pair);
	look(queue_pair);
	if (queue_pair->completed == completed) {
		if (queue_pair->broken)
			return -ENOTCONN;
		if (queue_pair->completed == queue_pair->posted)
			return 0;
		if (wait_ns > 0)
			wait_for_completion(queue_pair, wait_ns);
		else if (++queue_pair->looks % LOOKS_PER_CHECK == 0)
			check(queue_pair, clock_now_ns());
	}
	return 0;
}

/* ---- the descriptor ---- */

static int watch(int poll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return fd < 0 ? 0 : epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_poll_fd(struct queue_pair *queue_pair)
{
	int poll_fd = epoll_create1(EPOLL_CLOEXEC);

	queue_pair->raised_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (poll_fd < 0 || queue_pair->raised_fd < 0 || watch(poll_fd, queue_pair->channel->fd) ||
	    watch(poll_fd, queue_pair->config.event_fd) || watch(poll_fd, queue_pair->raised_fd)) {
		int error = -errno;

		if (poll_fd >= 0)
			close(poll_fd);
		if (queue_pair->raised_fd >= 0)
			close(queue_pair->raised_fd);
		queue_pair->raised_fd = -1;
		return error;
	}
	queue_pair->poll_fd = poll_fd;
	return 0;
}

static int queue_pair_fd(struct transport *transport)
{
	struct queue_pair *queue_pair = of(transport);
	uint64_t completed = queue_pair->completed;

	if (queue_pair->poll_fd < 0) {
		int status = open_poll_fd(queue_pair);

		if (status)
			return status;
	}
	arm(queue_pair);
	look(queue_pair);
	if ((queue_pair->completed != completed || queue_pair->broken) && !queue_pair->raised) {
		uint64_t one = 1;

		queue_pair->raised = write(queue_pair->raised_fd, &one, sizeof one) == sizeof one;
	}
	return queue_pair->poll_fd;
}

/* ---- life ---- */

static void queue_pair_close(struct transport *transport)
{
	of(transport)->hooks->close(of(transport));
}

const struct transport_ops queue_pair_ops = {
	.name = "verbs",
	.submit = queue_pair_submit,
	.flush = queue_pair_flush,
	.progress = queue_pair_progress,
	.fd = queue_pair_fd,
	.close = queue_pair_close,
};
