/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requester of one queue pair: operations in, packets out; responses in, completions out, both
 * in order (InfiniBand specification 9.7.3 and 9.7.5.2). It does no I/O and looks at no clock:
 * packets and the time are handed in.
 *
 * Loss is noticed by a NAK, by a response that leaves one out, or by a timer, and repaired by going
 * back to the oldest packet without an answer. UDP has no lossless fabric below it, so what is
 * under way is limited by a window in bytes, which grows as TCP's does (RFC 5681: slow start, then
 * one packet a round trip), halves at a loss and starts from one packet at a timeout. The timer
 * follows RFC 6298.
 */
#ifndef LIB_ROCE_REQUESTER_H
#define LIB_ROCE_REQUESTER_H

#include "lib/roce/batch.h"
#include "lib/roce/counters.h"
#include "lib/core/peer_timeout.h"

/* Operations between post and completion. A power of two. */
#define ROCE_REQUESTS_MAX 1024

/* PSNs of these operations: few enough that no two can be mistaken for each other. */
#define ROCE_PSNS_MAX (1 << 22)

/* What a packet takes of the window beside its payload. */
#define ROCE_PACKET_COST 64

/* Timeouts in a row before the requester gives up, but not before the configured silence. */
#define ROCE_RETRY_MAX 6

enum roce_operation { ROCE_READ, ROCE_WRITE, ROCE_CAS, ROCE_FAA };

struct roce_request {
	enum roce_operation operation;
	uint32_t length_bytes; /* READ, WRITE; atomics: 8 */
	uint64_t address;      /* at the far side */
	uint64_t operand;      /* FAA: the addend; CAS: the value compared */
	uint64_t swap;         /* CAS: the new value */
	void *buffer;          /* READ: filled; WRITE: read. Until completion */
	void *owner;           /* the user's */
};

enum roce_outcome {
	ROCE_DONE,
	ROCE_REFUSED_REQUEST,   /* the far side's NAK: invalid request */
	ROCE_REFUSED_ACCESS,    /* rkey, range or right */
	ROCE_REFUSED_OPERATION, /* it failed there */
	ROCE_UNKNOWN,           /* may or may not have been executed: the queue pair broke */
	ROCE_NEVER_SENT,
};

struct roce_requester_config {
	struct roce_path path;
	uint32_t remote_qpn;
	uint32_t psn; /* of the first request */
	uint32_t mtu;
	uint32_t rkey;
	uint32_t rd_atomic_max; /* READs and atomics under way, at least 1 */
	uint32_t window_bytes_max;
	int64_t timeout_ns; /* without any progress: the queue pair is given up */
	/* Called with each completion, in order. It may post. */
	void (*complete)(void *context, const struct roce_request *request,
			 enum roce_outcome outcome, uint64_t original);
	void *context;
};

struct roce_slot {
	struct roce_request request;
	uint32_t psn; /* first */
	uint32_t psn_count;
	uint32_t done;      /* PSNs answered */
	uint32_t sent;      /* PSNs sent since the requester last went back */
	uint32_t under_way; /* of a READ: request packets sent since then */
};

struct roce_requester {
	struct roce_requester_config config;
	struct roce_counters *counters;
	bool broken;
	/* operations, by their number modulo ROCE_REQUESTS_MAX: head <= sending <= tail */
	uint64_t head, sending, tail;
	uint32_t psn_posted; /* the next operation's */
	uint32_t psn_sent;   /* the one after the last one ever sent */
	uint32_t rd_atomics; /* READ and atomic request packets under way */
	uint64_t under_way_bytes;
	/* after the last one sent that no operation has waited for */
	uint64_t reads_end, atomics_end;
	/* congestion */
	uint64_t window_bytes, slow_start_bytes;
	bool duplicate_acknowledged; /* a packet that came before all that is outstanding */
	bool may_go_back;            /* an answer has come since the requester went back */
	/* timers; 0: none */
	int64_t due_ns;
	int64_t resume_ns;           /* after RNR NAK: not before */
	struct peer_timeout timeout; /* since the last progress */
	unsigned retries;
	int64_t srtt_ns, rttvar_ns, rto_ns;
	bool sampling;
	uint32_t sample_psn;
	int64_t sample_ns;

	struct roce_slot slots[ROCE_REQUESTS_MAX];
};

void roce_requester_init(struct roce_requester *requester,
			 const struct roce_requester_config *config,
			 struct roce_counters *counters);

/* Take an operation. Returns 0; -EAGAIN (ROCE_REQUESTS_MAX operations or ROCE_PSNS_MAX packets are
 * there); -EMSGSIZE (this one alone takes more PSNs); -ENOTCONN (the queue pair is broken). */
int roce_requester_post(struct roce_requester *requester, const struct roce_request *request);

/* Write the packets that may be sent now into @batch, as far as there is room. Returns whether
 * there were any. */
bool roce_requester_emit(struct roce_requester *requester, int64_t now_ns,
			 struct roce_batch *batch);

/*
 * Write a packet of the greatest length into @batch, which has room: a WRITE whose PSN is that of
 * the first request, which was answered. The responder acknowledges it as a duplicate (9.7.5.1.3)
 * and executes nothing. It looks at neither the rkey nor the address, which name no memory in case
 * it does. `duplicate_acknowledged` then says that the packet arrived.
 */
void roce_requester_emit_duplicate(struct roce_requester *requester, struct roce_batch *batch);

/* Take a packet whose ICRC and source were checked. */
void roce_requester_receive(struct roce_requester *requester, int64_t now_ns,
			    const struct roce_packet *packet);

/* When roce_requester_tick is due, INT64_MAX: never. */
int64_t roce_requester_due(const struct roce_requester *requester);
void roce_requester_tick(struct roce_requester *requester, int64_t now_ns);

/* Break the queue pair: everything under way completes as ROCE_UNKNOWN, the rest as
 * ROCE_NEVER_SENT. */
void roce_requester_break(struct roce_requester *requester);

/* How many operations are posted and not complete. */
static inline uint64_t roce_requester_outstanding(const struct roce_requester *requester)
{
	return requester->tail - requester->head;
}

#endif
