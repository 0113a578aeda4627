/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers: their end, however they were made; and making one from attributes, for a requester that
 * speaks RoCEv2 itself and has no rdma_cm.
 */
#include "lib/verbs/host/peer.h"
#include "lib/verbs/host/device.h"
#include "lib/verbs/queue_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void destroy_own(struct verbs_peer *peer)
{
	struct ibv_qp_attr error = {.qp_state = IBV_QPS_ERR};

	if (peer->qp) {
		verbs_api.ibv.modify_qp(peer->qp, &error, IBV_QP_STATE);
		verbs_api.ibv.destroy_qp(peer->qp); /* the fence */
	}
	if (peer->cq)
		verbs_api.ibv.destroy_cq(peer->cq);
}

void verbs_peer_destroy(struct verbs_peer *peer)
{
	if (peer->id) {
		/* The error state, and a disconnect request, so that the client notices at once:
		 * the destruction of the queue pair alone would tell it nothing. */
		verbs_api.cm.disconnect(peer->id);
		verbs_api.cm.destroy_qp(peer->id); /* the fence */
		verbs_api.cm.destroy_id(peer->id);
	} else {
		destroy_own(peer);
	}
	free(peer);
}

/* ---- from attributes ---- */

static enum ibv_mtu mtu_of(uint32_t bytes)
{
	return bytes >= 4096   ? IBV_MTU_4096
	       : bytes >= 2048 ? IBV_MTU_2048
	       : bytes >= 1024 ? IBV_MTU_1024
	       : bytes >= 512  ? IBV_MTU_512
			       : IBV_MTU_256;
}

/* The smaller of two, within what this device does. */
static void agree(const struct verbs_device *device, const struct verbs_end *theirs,
		  struct verbs_end *ours)
{
	uint32_t mtu = 128u << device->port_attributes.active_mtu;
	uint32_t rd_atomic = (uint32_t)device->attributes.max_qp_rd_atom;

	*ours = (struct verbs_end){.mtu = theirs->mtu < mtu ? theirs->mtu : mtu,
				   .rd_atomic = theirs->rd_atomic};
	if (rd_atomic > VERBS_RD_ATOMIC_MAX)
		rd_atomic = VERBS_RD_ATOMIC_MAX;
	if (ours->rd_atomic > rd_atomic)
		ours->rd_atomic = rd_atomic;
	memcpy(ours->gid, device->gid.raw, sizeof ours->gid);
}

static int create(struct verbs_peer *peer, struct verbs_region *region)
{
	struct ibv_qp_init_attr attributes = {
		.cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1},
		.qp_type = IBV_QPT_RC,
	};

	errno = 0;
	peer->cq = verbs_api.ibv.create_cq(region->device->context, 1, NULL, NULL, 0);
	attributes.send_cq = attributes.recv_cq = peer->cq;
	if (peer->cq)
		peer->qp = verbs_api.ibv.create_qp(region->pd, &attributes);
	return peer->qp ? 0 : errno ? errno : EIO;
}

/* A responder only has to be ready to receive. */
static int connect_to(struct verbs_peer *peer, const struct verbs_device *device,
		      const struct verbs_end *theirs, const struct verbs_end *ours)
{
	struct ibv_qp_attr init = {.qp_state = IBV_QPS_INIT,
				   .port_num = device->port,
				   .qp_access_flags = IBV_ACCESS_REMOTE_READ |
						      IBV_ACCESS_REMOTE_WRITE |
						      IBV_ACCESS_REMOTE_ATOMIC};
	struct ibv_qp_attr ready = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = mtu_of(ours->mtu),
		.dest_qp_num = theirs->qpn,
		.rq_psn = theirs->psn,
		.max_dest_rd_atomic = (uint8_t)ours->rd_atomic,
		.min_rnr_timer = 12,
		.ah_attr = {.port_num = device->port,
			    .is_global = 1,
			    .grh = {.sgid_index = (uint8_t)device->gid_index, .hop_limit = 64}},
	};
	int error;

	memcpy(ready.ah_attr.grh.dgid.raw, theirs->gid, sizeof theirs->gid);
	error = verbs_api.ibv.modify_qp(peer->qp, &init,
					IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
						IBV_QP_ACCESS_FLAGS);
	if (error)
		return error;
	return verbs_api.ibv.modify_qp(peer->qp, &ready,
				       IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
					       IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
					       IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
}

int verbs_peer_make(struct verbs_region *region, const struct verbs_end *theirs,
		    struct verbs_end *ret_ours, struct verbs_peer **ret_peer, char *reason,
		    size_t reason_bytes)
{
	struct verbs_peer *peer = calloc(1, sizeof *peer);
	struct verbs_end ours;
	int error;

	if (!peer) {
		snprintf(reason, reason_bytes, "no memory");
		return -ENOMEM;
	}
	agree(region->device, theirs, &ours);
	error = create(peer, region);
	if (error == 0)
		error = connect_to(peer, region->device, theirs, &ours);
	if (error) {
		snprintf(reason, reason_bytes, "the RDMA device %s makes no queue pair: %s%s",
			 region->device->name, strerror(error),
			 error == ETIMEDOUT ? " (it gets no ARP or neighbour answer)" : "");
		destroy_own(peer);
		free(peer);
		return -error;
	}
	ours.qpn = peer->qp->qp_num;
	*ret_ours = ours;
	*ret_peer = peer;
	return 0;
}
