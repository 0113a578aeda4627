/* SPDX-License-Identifier: Apache-2.0 */
/* A queue pair on the storage host whose requester is a function. */
#ifndef LIB_VERBS_HOST_PEER_H
#define LIB_VERBS_HOST_PEER_H

#include "lib/verbs/api.h"

#include <stdbool.h>

struct verbs_peer {
	struct rdma_cm_id *id; /* NULL: it was made from attributes, without rdma_cm */
	/* where it was made from attributes: with a completion queue of its own */
	struct ibv_qp *qp;
	struct ibv_cq *cq;
	void *owner;
	bool left;
};

#endif
