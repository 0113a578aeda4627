/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport over a connected RC queue pair: work requests out, completions in. How the queue
 * pair comes to be connected is its maker's: connect.c (rdma_cm) or loopback.c. A maker embeds
 * struct queue_pair at the start of its own.
 *
 * Threads: one at a time, as every transport. What is shared between queue pairs (the device's
 * context) is locked by libibverbs.
 */
#ifndef LIB_VERBS_QUEUE_PAIR_H
#define LIB_VERBS_QUEUE_PAIR_H

#include "lib/core/peer_timeout.h"
#include "lib/core/transport.h"
#include "lib/verbs/api.h"

/*
 * READs land in registered memory of ours, and WRITEs start there. It holds eight of the longest at
 * a time. It is small enough for a function whose limit of locked memory is the usual 8 MiB, and to
 * be faulted in fast.
 */
#define QUEUE_PAIR_STAGING_BYTES (8 * DATA_TRANSFER_BYTES_MAX)

/* WRITEs up to this length are sent in the work request itself, where the device allows that. */
#define QUEUE_PAIR_INLINE_BYTES 64

/* READs and atomics outstanding on a queue pair: what private data and attributes have room for. */
#define VERBS_RD_ATOMIC_MAX 128

/* One in so many work requests asks for a completion, and the last before each doorbell. */
#define QUEUE_PAIR_SIGNAL_INTERVAL 32

/* Why a queue pair broke, in words. */
#define QUEUE_PAIR_WHY_BYTES 128

/* 7 would mean for ever on rxe: a dead peer would never be noticed. */
#define QUEUE_PAIR_RETRY_COUNT 6

struct queue_pair;

struct queue_pair_hooks {
	/* Why the other side has gone, a constant clause for people; NULL: it is there. May make a
	 * system call, does not block. The hook is NULL where nothing can be told. */
	const char *(*lost)(struct queue_pair *queue_pair);
	/* Put the queue pair into the error state, so that what is posted is flushed, and tell the
	 * other side. Does not block. */
	void (*sever)(struct queue_pair *queue_pair);
	/* The transport's close: destroy the ibv_qp, call queue_pair_fini, free the rest. */
	void (*close)(struct queue_pair *queue_pair);
	/* Optional: called when the queue pair is broken and nothing is in flight. Connect another
	 * ibv_qp, call queue_pair_restart, and return true; or return false, at once where it was
	 * tried a moment ago. */
	bool (*revive)(struct queue_pair *queue_pair);
};

struct queue_pair_config {
	struct ibv_context *context;
	struct ibv_pd *pd;
	uint64_t region_address;
	uint64_t region_bytes;
	uint32_t rkey;
	enum transport_poll poll;
	/* work was in flight and nothing completed for so long: broken */
	int64_t timeout_ns;
	const _Atomic int *health; /* as in struct attachment; NULL: always well */
	struct breakage breakage;  /* told of each breakage, where it is revived */
	int event_fd;              /* readable when `lost` may have something to say; -1: none */
};

struct queue_pair {
	struct transport_base base;
	const struct queue_pair_hooks *hooks;
	struct queue_pair_config config;
	struct ibv_qp *qp; /* the maker's; NULL until connected */
	struct ibv_cq *cq;
	struct ibv_comp_channel *channel;
	struct ibv_mr *mr; /* results and staging */
	uint64_t *results; /* one for each slot, where atomics put the value before */
	uint8_t *staging;
	uint32_t inline_bytes;
	uint32_t depth; /* operations in flight, at most TRANSPORT_INFLIGHT_MAX */
	bool fences;    /* the device may be given IBV_SEND_FENCE: see wait_for_earlier */
	bool broken;
	char why[QUEUE_PAIR_WHY_BYTES]; /* it breaks or has broken; empty: it works */

	/* Operations are numbered from 0 in the order of submission; number %
	 * TRANSPORT_INFLIGHT_MAX is the slot. completed <= posted <= flushed <= submitted. What is
	 * flushed and not posted waits for an operation that is posted (waits_for). */
	uint64_t submitted;
	uint64_t flushed;
	uint64_t posted;
	uint64_t completed;

	/* The work requests between posted and submitted; refused operations have none. */
	struct ibv_send_wr *chain_first;
	struct ibv_send_wr *chain_last;
	unsigned unsignalled;

	/* 1 + the number of the last READ and atomic that no fenced operation has waited for since;
	 * 0: none */
	uint64_t last_read;
	uint64_t last_atomic;

	/* Bytes of staging ever taken and given back, with those skipped at the end of the ring. */
	uint64_t staging_taken;
	uint64_t staging_freed;

	int64_t spin_ns; /* before a wait sleeps */
	/* begins with the first look at the clock since something completed */
	struct peer_timeout timeout;
	int64_t lost_checked_ns;
	unsigned looks;       /* fruitless looks, by progress without a wait */
	bool armed;           /* the completion channel has an event, or will have one */
	unsigned event_count; /* taken from the channel, to be acknowledged */
	int poll_fd;   /* epoll over channel, event_fd and raised_fd; made by the first fd(); -1 */
	int raised_fd; /* an eventfd: completed while fd() armed */
	bool raised;

	struct op *ops[TRANSPORT_INFLIGHT_MAX];
	int32_t refusals[TRANSPORT_INFLIGHT_MAX];      /* why an op was never to be sent, or 0 */
	uint64_t staging_ends[TRANSPORT_INFLIGHT_MAX]; /* staging_freed once the op is complete */
	/* the operation is posted when so many are complete: see `fences` */
	uint64_t waits_for[TRANSPORT_INFLIGHT_MAX];
	struct ibv_sge sges[TRANSPORT_INFLIGHT_MAX];
	struct ibv_send_wr work_requests[TRANSPORT_INFLIGHT_MAX];
};

extern const struct transport_ops queue_pair_ops;

/*
 * Create the completion queue and the channel, and register the local memory. @queue_pair is
 * zeroed. After a failure queue_pair_fini still has to be called. Returns 0 or a negative errno
 * with @reason filled.
 */
int queue_pair_init(struct queue_pair *queue_pair, const struct queue_pair_hooks *hooks,
		    const struct queue_pair_config *config, char *reason, size_t reason_bytes);
/* Free what init made; the ibv_qp has been destroyed. A zeroed or half-made queue pair is
 * allowed. */
void queue_pair_fini(struct queue_pair *queue_pair);

/* How to create the ibv_qp. */
struct ibv_qp_init_attr queue_pair_attributes(const struct queue_pair *queue_pair);
/* @qp is connected; @inline_bytes as its creation granted. Operations may be submitted from here
 * on. */
void queue_pair_start(struct queue_pair *queue_pair, struct ibv_qp *qp, uint32_t inline_bytes);

/* The same for a queue pair that was broken and whose ibv_qp has been destroyed. */
void queue_pair_restart(struct queue_pair *queue_pair, struct ibv_qp *qp, uint32_t inline_bytes);

/*
 * The local ack timeout (4.096 us * 2^it) with which a device gives a peer up after
 * QUEUE_PAIR_RETRY_COUNT retries, not before @timeout_ns have passed. A device may take up to four
 * times as long (IBTA 9.7.6.1.3), rxe takes once.
 */
uint8_t queue_pair_ack_timeout(int64_t timeout_ns);

#endif
