/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends on one host: the RoCEv2 engine (lib/roce) on a UDP socket in a network namespace, and a
 * queue pair of an RDMA device, driven through libibverbs. A pair connects them in one of two
 * directions and executes operations of the engine's kind, whoever is the requester. One thread
 * drives both.
 */
#ifndef TESTS_RDMA_ROCE_INTEROP_ENDS_H
#define TESTS_RDMA_ROCE_INTEROP_ENDS_H

#include "lib/roce/requester.h"
#include "lib/roce/responder.h"
#include "lib/roce/socket.h"

#include <infiniband/verbs.h>

#define ARENA_BYTES (9u << 20) /* of each end's memory */
#define WORKS_MAX   256        /* of a pair, between post and completion */

struct lab {
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	int gid_index;
	struct roce_address engine, device;
	struct roce_socket *socket;
	/* near: what the requester's buffers lie in; far: what its requests are about */
	uint8_t *near, *far;
	uint64_t *results; /* of the device's atomics, a word for each place in its send queue */
	struct ibv_mr *near_mr, *far_mr, *results_mr;
};

enum direction { TO_DEVICE, FROM_DEVICE };

struct pair_options {
	enum direction direction;
	uint32_t mtu;
	uint32_t psn;       /* of the first request */
	uint32_t rd_atomic; /* at both ends */
	bool single;        /* the engine makes no segmented sends */
	bool endless;       /* the device never gives up */
	/* what goes wrong */
	bool wrong_rkey;
	unsigned denied;        /* enum roce_access: rights that the far memory does not give */
	uint32_t mtu_responder; /* of the engine, if another than @mtu */
};

/* An operation. Its buffer lies in the near arena. */
struct work {
	struct roce_request request;
	bool is_done;
	enum roce_outcome outcome; /* of the device: ROCE_UNKNOWN where it flushed the operation */
	enum ibv_wc_status status; /* the device's own word */
	uint64_t original;
};

struct pair {
	struct lab *lab;
	struct pair_options options;
	uint32_t qpn; /* the engine's */
	struct ibv_qp *qp;
	struct roce_counters counters;
	struct roce_batch batch;
	struct roce_requester requester; /* TO_DEVICE */
	struct roce_responder responder; /* FROM_DEVICE */
	/* works in the order of their posting, by number modulo WORKS_MAX */
	uint64_t posted, completed;
	struct work *works[WORKS_MAX];
	bool out_of_order; /* one completed before an older one */
	int64_t served_ns,
		unserved_ns; /* when the engine was last; the longest time that it was not */
};

/* Open device @name, which has IPv4 address @device, and a socket at @engine in network namespace
 * @space, both numeric. Returns NULL, or what failed. */
const char *lab_open(struct lab *lab, const char *name, const char *device, const char *space,
		     const char *engine);

/* Returns NULL, or what failed. */
const char *pair_open(struct pair *pair, struct lab *lab, const struct pair_options *options);
void pair_close(struct pair *pair);

/* A READ or WRITE, a CAS or FAA at @offset of the far memory. */
struct work bytes_work(const struct lab *lab, enum roce_operation operation, uint32_t offset,
		       uint8_t *buffer, uint32_t bytes);
struct work atomic_work(const struct lab *lab, enum roce_operation operation, uint32_t offset,
			uint64_t operand, uint64_t swap);

/* Returns 0 or a negative errno. */
int pair_post(struct pair *pair, struct work *work);
/* Until @count operations are outstanding. Returns false when nothing completes for
 * HANG_TIMEOUT_NS. */
bool pair_wait(struct pair *pair, uint64_t count);
/* Serve both ends for @ns. */
void pair_settle(struct pair *pair, int64_t ns);

/* PSNs that the responder has moved on by. */
uint32_t pair_psns(struct pair *pair);

#endif
