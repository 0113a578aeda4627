/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two queue pairs of one device, connected to each other without rdma_cm: both ends are ours, so
 * there is nothing to negotiate.
 */
#include "lib/core/clock.h"
#include "lib/verbs/host/device.h"
#include "lib/verbs/queue_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The time between two tries to connect a broken queue pair again. */
#define REVIVE_INTERVAL_NS INT64_C(50000000)

struct loopback {
	struct queue_pair queue_pair;
	struct verbs_region *region;
	struct ibv_qp *requester;
	struct ibv_qp *responder;
	int64_t revive_ns; /* not before */
};

static void loopback_sever(struct queue_pair *queue_pair)
{
	struct ibv_qp_attr error = {.qp_state = IBV_QPS_ERR};

	verbs_api.ibv.modify_qp(((struct loopback *)queue_pair)->requester, &error, IBV_QP_STATE);
}

static void destroy_both(struct loopback *loopback)
{
	if (loopback->requester)
		verbs_api.ibv.destroy_qp(loopback->requester);
	if (loopback->responder)
		verbs_api.ibv.destroy_qp(loopback->responder);
	loopback->requester = loopback->responder = NULL;
}

static void loopback_close(struct queue_pair *queue_pair)
{
	struct loopback *loopback = (struct loopback *)queue_pair;

	destroy_both(loopback);
	queue_pair_fini(queue_pair);
	free(loopback);
}

static uint8_t rd_atomic_of(const struct verbs_device *device)
{
	int count = device->attributes.max_qp_rd_atom;

	if (device->attributes.max_qp_init_rd_atom < count)
		count = device->attributes.max_qp_init_rd_atom;
	return count < VERBS_RD_ATOMIC_MAX ? count : VERBS_RD_ATOMIC_MAX;
}

static int to_init(struct verbs_device *device, struct ibv_qp *qp, unsigned access)
{
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_INIT, .port_num = device->port, .qp_access_flags = access};

	return verbs_api.ibv.modify_qp(qp, &attributes,
				       IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
					       IBV_QP_ACCESS_FLAGS);
}

static int to_ready_to_receive(struct verbs_device *device, struct ibv_qp *qp, uint32_t other)
{
	bool infiniband = device->port_attributes.link_layer == IBV_LINK_LAYER_INFINIBAND;
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = device->port_attributes.active_mtu,
		.dest_qp_num = other,
		.max_dest_rd_atomic = rd_atomic_of(device),
		.min_rnr_timer = 12,
		.ah_attr = {.port_num = device->port,
			    .dlid = device->port_attributes.lid,
			    .is_global = !infiniband,
			    .grh = {.dgid = device->gid,
				    .sgid_index = device->gid_index,
				    .hop_limit = 64}},
	};

	return verbs_api.ibv.modify_qp(qp, &attributes,
				       IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
					       IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
					       IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
}

static int to_ready_to_send(struct verbs_device *device, struct ibv_qp *qp, int64_t timeout_ns)
{
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_RTS,
		.timeout = queue_pair_ack_timeout(timeout_ns),
		.retry_cnt = QUEUE_PAIR_RETRY_COUNT,
		.rnr_retry = QUEUE_PAIR_RETRY_COUNT,
		.max_rd_atomic = rd_atomic_of(device),
	};

	return verbs_api.ibv.modify_qp(qp, &attributes,
				       IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
					       IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
					       IBV_QP_MAX_QP_RD_ATOMIC);
}

/* Returns 0 or a positive errno. */
static int connect_both(struct verbs_device *device, struct loopback *loopback, int64_t timeout_ns)
{
	struct ibv_qp *requester = loopback->requester, *responder = loopback->responder;
	int error = to_init(device, requester, 0);

	if (!error)
		error = to_init(device, responder,
				IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE |
					IBV_ACCESS_REMOTE_ATOMIC);
	if (!error)
		error = to_ready_to_receive(device, responder, requester->qp_num);
	if (!error)
		error = to_ready_to_receive(device, requester, responder->qp_num);
	if (!error)
		error = to_ready_to_send(device, requester, timeout_ns);
	return error;
}

/* Make both queue pairs and connect them. Returns 0, or a negative errno: then there is none. */
static int make_both(struct loopback *loopback, uint32_t *ret_inline_bytes)
{
	struct ibv_qp_init_attr attributes = queue_pair_attributes(&loopback->queue_pair);
	struct ibv_qp_init_attr responder_attributes = attributes;
	struct verbs_region *region = loopback->region;
	int status;

	responder_attributes.cap.max_send_wr = 1;
	responder_attributes.cap.max_inline_data = 0;
	loopback->requester = verbs_api.ibv.create_qp(region->pd, &attributes);
	loopback->responder = verbs_api.ibv.create_qp(region->pd, &responder_attributes);
	if (!loopback->requester || !loopback->responder)
		status = errno ? -errno : -EIO;
	else
		status = -connect_both(region->device, loopback,
				       loopback->queue_pair.config.timeout_ns);
	if (status)
		destroy_both(loopback);
	*ret_inline_bytes = attributes.cap.max_inline_data;
	return status;
}

/* A device that failed, or whose port was down, may work again. */
static bool loopback_revive(struct queue_pair *queue_pair)
{
	struct loopback *loopback = (struct loopback *)queue_pair;
	int64_t now_ns = clock_now_ns();
	uint32_t inline_bytes;

	if (now_ns < loopback->revive_ns)
		return false;
	loopback->revive_ns = now_ns + REVIVE_INTERVAL_NS;
	/* Nothing of the old queue pair can land any more. */
	destroy_both(loopback);
	if (make_both(loopback, &inline_bytes))
		return false;
	queue_pair_restart(queue_pair, loopback->requester, inline_bytes);
	return true;
}

static const struct queue_pair_hooks loopback_hooks = {
	.sever = loopback_sever,
	.close = loopback_close,
	.revive = loopback_revive,
};

int verbs_loopback_open(struct verbs_region *region, enum transport_poll poll, int64_t timeout_ns,
			const struct breakage *breakage, struct transport **ret_transport,
			char *reason, size_t reason_bytes)
{
	struct verbs_device *device = region->device;
	struct queue_pair_config config = {
		.context = device->context,
		.pd = region->pd,
		.region_address = (uintptr_t)region->mr->addr,
		.region_bytes = region->bytes,
		.rkey = region->mr->rkey,
		.poll = poll,
		.timeout_ns = timeout_ns,
		.event_fd = -1,
	};
	struct loopback *loopback = calloc(1, sizeof *loopback);
	uint32_t inline_bytes;
	int status;

	if (!loopback) {
		snprintf(reason, reason_bytes, "no memory");
		return -ENOMEM;
	}
	if (breakage)
		config.breakage = *breakage;
	loopback->region = region;
	status = queue_pair_init(&loopback->queue_pair, &loopback_hooks, &config, reason,
				 reason_bytes);
	if (status)
		goto failed;
	status = make_both(loopback, &inline_bytes);
	if (status) {
		snprintf(reason, reason_bytes,
			 "a loopback queue pair on the RDMA device %s failed: %s", device->name,
			 strerror(-status));
		goto failed;
	}
	queue_pair_start(&loopback->queue_pair, loopback->requester, inline_bytes);
	*ret_transport = (struct transport *)loopback;
	return 0;
failed:
	loopback_close(&loopback->queue_pair);
	return status;
}
