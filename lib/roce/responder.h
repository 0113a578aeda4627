/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The responder of one queue pair: requests in, responses out, in the order of their PSNs
 * (InfiniBand specification 9.7.4 and 9.7.5). It does no I/O and reads no clock. Of duplicate
 * requests only a READ is executed again. A duplicate WRITE is acknowledged, a duplicate atomic
 * answered from the replay ring, which has an entry for each atomic that the requester may have
 * outstanding. A fatal NAK ends the queue pair: everything after it is dropped.
 */
#ifndef LIB_ROCE_RESPONDER_H
#define LIB_ROCE_RESPONDER_H

#include "lib/roce/batch.h"
#include "lib/roce/counters.h"

/* Packets of one READ's response that are made in a turn, before other queue pairs have theirs. */
#define ROCE_READ_TURN_MAX 256
/* A READ of this length is answered at once, a longer one in turns. */
#define ROCE_READ_AT_ONCE_BYTES 65536

/* The memory behind an rkey. The responder has checked range, rights and alignment, so none of
 * these functions fails. */
struct roce_memory_ops {
	void (*read)(void *context, uint64_t offset, void *buffer, uint32_t bytes);
	void (*write)(void *context, uint64_t offset, const void *buffer, uint32_t bytes);
	uint64_t (*compare_swap)(void *context, uint64_t offset, uint64_t compare, uint64_t swap);
	uint64_t (*fetch_add)(void *context, uint64_t offset, uint64_t addend);
};

enum roce_access { ROCE_ACCESS_READ = 1, ROCE_ACCESS_WRITE = 2, ROCE_ACCESS_ATOMIC = 4 };

struct roce_memory {
	const struct roce_memory_ops *ops;
	void *context;
	uint64_t address; /* the address of its first byte, as requests name it */
	uint64_t bytes;
	uint32_t rkey;
	unsigned access;
};

struct roce_responder_config {
	struct roce_path path;
	struct roce_memory memory;
	uint32_t remote_qpn;
	uint32_t psn; /* of the first request */
	uint32_t mtu;
	uint32_t replay_count; /* 1 to ROCE_RD_ATOMIC_MAX */
	/* The longest READ, which a request of 44 bytes asks for; 0: as long as there are PSNs
	 * for. */
	uint32_t read_bytes_max;
};

enum roce_responder_state {
	ROCE_RESPONDER_READY,   /* waits for a request */
	ROCE_RESPONDER_WRITING, /* waits for the next packet of a WRITE */
	/* waits for room to go on with the response of a READ; requests are dropped meanwhile */
	ROCE_RESPONDER_READING,
	ROCE_RESPONDER_ERROR, /* waits to be destroyed */
};

struct roce_replay {
	uint64_t position;
	uint64_t original;
};

struct roce_responder {
	struct roce_responder_config config;
	struct roce_counters *counters;
	enum roce_responder_state state;
	uint32_t psn;      /* expected */
	uint64_t position; /* PSNs before this one, ever: the replay ring outlives their wrap */
	uint32_t msn;      /* messages completed */
	bool nak_sent;     /* for the gap before `psn` */
	bool ack_due;
	uint32_t ack_psn; /* of what is due */
	/* WRITING: where the next packet's payload goes; READING: where the response goes on */
	uint64_t offset;
	uint32_t left_bytes;
	uint32_t read_psn;
	bool read_begun;
	/* the newest atomics */
	uint64_t replay_total;
	struct roce_replay replay[ROCE_RD_ATOMIC_MAX];
};

/* @counters outlives it and may be shared by responders of one thread. */
void roce_responder_init(struct roce_responder *responder,
			 const struct roce_responder_config *config,
			 struct roce_counters *counters);

/*
 * Take a packet whose ICRC and source were checked. An answer that cannot wait is written into
 * @batch, which has room for ROCE_RESPONDER_ROOM packets; acknowledges wait for
 * roce_responder_finish.
 */
#define ROCE_RESPONDER_ROOM 2
void roce_responder_receive(struct roce_responder *responder, const struct roce_packet *packet,
			    struct roce_batch *batch);

/*
 * At the end of a batch of packets: acknowledge, and go on with the response of a READ as far as
 * there is room. Returns whether there is more of it: then call again.
 */
bool roce_responder_finish(struct roce_responder *responder, struct roce_batch *batch);

/* Drop the rest of a READ's response, as if it were lost: the requester asks again. */
void roce_responder_abandon_read(struct roce_responder *responder);

#endif
