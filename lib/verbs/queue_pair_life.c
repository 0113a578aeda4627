/* SPDX-License-Identifier: Apache-2.0 */
/* What a queue pair is made of, and is freed with. */
#include "lib/verbs/queue_pair.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RESULTS_BYTES (TRANSPORT_INFLIGHT_MAX * sizeof(uint64_t))
#define LOCAL_BYTES   (RESULTS_BYTES + QUEUE_PAIR_STAGING_BYTES)

/* Spinning of the adaptive policy, before a wait sleeps. */
#define SPIN_NS    50000
#define POLL_BATCH 16

/*
 * The vendor of the kernel's rdma_rxe, to which IBV_SEND_FENCE is deadly. It has an operation with
 * a fence wait until no READ or atomic is on the wire (rxe_req.c, rxe_wqe_is_fenced). When it sends
 * again (req_retry), those are the operation itself and the ones behind it, and it drops the
 * answers to what it had sent before (rxe_comp.c, get_wqe), so that the operation waits for ever.
 * rxe sends again without any loss: its timer runs on while answers come, and what is on the wire
 * when it fires counts as lost.
 */
#define RXE_VENDOR_ID 0xffffff

static int make_completion_queue(struct queue_pair *queue_pair, char *reason, size_t reason_bytes)
{
	struct ibv_context *context = queue_pair->config.context;
	struct ibv_device_attr attributes;
	int flags;

	if (verbs_api.ibv.query_device(context, &attributes)) {
		snprintf(reason, reason_bytes, "the RDMA device does not answer");
		return -EIO;
	}
	queue_pair->fences = attributes.vendor_id != RXE_VENDOR_ID;
	queue_pair->depth = TRANSPORT_INFLIGHT_MAX;
	if ((uint32_t)attributes.max_qp_wr < queue_pair->depth)
		queue_pair->depth = attributes.max_qp_wr;
	queue_pair->channel = verbs_api.ibv.create_comp_channel(context);
	if (!queue_pair->channel)
		goto failed;
	flags = fcntl(queue_pair->channel->fd, F_GETFL);
	if (flags < 0 || fcntl(queue_pair->channel->fd, F_SETFL, flags | O_NONBLOCK))
		goto failed;
	/* Every work request has a completion when the queue pair fails. */
	queue_pair->cq =
		verbs_api.ibv.create_cq(context, queue_pair->depth, NULL, queue_pair->channel, 0);
	if (queue_pair->cq)
		return 0;
failed:
	flags = errno ? errno : EIO;
	snprintf(reason, reason_bytes, "no completion queue of %u entries: %s%s", queue_pair->depth,
		 strerror(flags), verbs_memory_hint(flags));
	return -flags;
}

static int register_local_memory(struct queue_pair *queue_pair, char *reason, size_t reason_bytes)
{
	void *memory =
		mmap(NULL, LOCAL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (memory != MAP_FAILED) {
		queue_pair->results = memory;
		queue_pair->staging = (uint8_t *)memory + RESULTS_BYTES;
		queue_pair->mr = verbs_api.ibv.reg_mr(queue_pair->config.pd, memory, LOCAL_BYTES,
						      IBV_ACCESS_LOCAL_WRITE);
		if (queue_pair->mr)
			return 0;
	}
	error = errno ? errno : EIO;
	snprintf(reason, reason_bytes, "registering %zu KiB of memory failed: %s%s",
		 LOCAL_BYTES >> 10, strerror(error), verbs_memory_hint(error));
	return -error;
}

int queue_pair_init(struct queue_pair *queue_pair, const struct queue_pair_hooks *hooks,
		    const struct queue_pair_config *config, char *reason, size_t reason_bytes)
{
	int status;

	queue_pair->base.ops = &queue_pair_ops;
	queue_pair->hooks = hooks;
	queue_pair->config = *config;
	queue_pair->poll_fd = queue_pair->raised_fd = -1;
	queue_pair->spin_ns = config->poll == TRANSPORT_POLL_BUSY    ? INT64_MAX
			      : config->poll == TRANSPORT_POLL_BLOCK ? 0
								     : SPIN_NS;
	status = make_completion_queue(queue_pair, reason, reason_bytes);
	if (status == 0)
		status = register_local_memory(queue_pair, reason, reason_bytes);
	return status;
}

void queue_pair_fini(struct queue_pair *queue_pair)
{
	if (!queue_pair->base.ops) /* never begun */
		return;
	if (queue_pair->mr)
		verbs_api.ibv.dereg_mr(queue_pair->mr);
	if (queue_pair->results)
		munmap(queue_pair->results, LOCAL_BYTES);
	if (queue_pair->cq) {
		verbs_api.ibv.ack_cq_events(queue_pair->cq, queue_pair->event_count);
		verbs_api.ibv.destroy_cq(queue_pair->cq);
	}
	if (queue_pair->channel)
		verbs_api.ibv.destroy_comp_channel(queue_pair->channel);
	if (queue_pair->poll_fd >= 0)
		close(queue_pair->poll_fd);
	if (queue_pair->raised_fd >= 0)
		close(queue_pair->raised_fd);
}

struct ibv_qp_init_attr queue_pair_attributes(const struct queue_pair *queue_pair)
{
	return (struct ibv_qp_init_attr){
		.send_cq = queue_pair->cq,
		.recv_cq = queue_pair->cq,
		.cap = {.max_send_wr = queue_pair->depth,
			.max_recv_wr = 1,
			.max_send_sge = 1,
			.max_recv_sge = 1,
			.max_inline_data = QUEUE_PAIR_INLINE_BYTES},
		.qp_type = IBV_QPT_RC,
	};
}

void queue_pair_start(struct queue_pair *queue_pair, struct ibv_qp *qp, uint32_t inline_bytes)
{
	assert(queue_pair->mr);
	queue_pair->qp = qp;
	queue_pair->inline_bytes =
		inline_bytes < QUEUE_PAIR_INLINE_BYTES ? inline_bytes : QUEUE_PAIR_INLINE_BYTES;
}

void queue_pair_restart(struct queue_pair *queue_pair, struct ibv_qp *qp, uint32_t inline_bytes)
{
	struct ibv_wc nobodys[POLL_BATCH];

	/* What the queue pair before left there. */
	while (ibv_poll_cq(queue_pair->cq, POLL_BATCH, nobodys) > 0)
		continue;
	queue_pair->unsignalled = 0;
	queue_pair->last_read = queue_pair->last_atomic = 0;
	queue_pair->timeout.until_ns = 0;
	queue_pair->armed = false;
	queue_pair->broken = false;
	queue_pair->why[0] = '\0';
	queue_pair_start(queue_pair, qp, inline_bytes);
}

uint8_t queue_pair_ack_timeout(int64_t timeout_ns)
{
	uint8_t exponent = 8; /* about 1 ms: less is more often a busy host than a dead one */

	while (exponent < 31 && /* it has 5 bits */
	       (QUEUE_PAIR_RETRY_COUNT + 1) * (4096LL << exponent) < timeout_ns)
		exponent++;
	return exponent;
}
