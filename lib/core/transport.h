/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport carries one-sided operations to a region: READ, WRITE, CAS, FAA, in the order of
 * their submission, and completes them in that order. It knows regions and offsets, never objects.
 *
 * The same interface serves storaged, which executes what arrives over tcp through a transport of
 * its own: the CPU (region_open) or a loopback queue pair (verbs_loopback_open).
 *
 * Threads: a transport is used by one thread at a time.
 */
#ifndef LIB_CORE_TRANSPORT_H
#define LIB_CORE_TRANSPORT_H

#include "lib/include/dso/dso.h"
#include "proto/control.h"
#include "proto/data.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* One operation. The caller fills it and leaves it alone until status is other than
 * -EINPROGRESS. */
struct op {
	uint8_t opcode;        /* enum data_opcode */
	uint32_t length_bytes; /* READ, WRITE: 1 to DATA_TRANSFER_BYTES_MAX; atomics: 8 */
	/* set to -EINPROGRESS by submit; 0 or a negative errno when completed: -ERANGE, -EINVAL,
	 * -EACCES refused by the far side; -ECONNRESET outcome unknown; -ENOTCONN never sent */
	int32_t status;
	uint64_t offset;  /* in the region */
	uint64_t operand; /* FAA: the addend; CAS: the value compared */
	uint64_t swap;    /* CAS: the new value */
	uint64_t value;   /* atomics: the value before, set on completion */
	void *buffer;     /* READ: filled; WRITE: read, not written to. Until completion */
};

/* Why @op cannot be executed on a region of @region_bytes: -EINVAL, -ERANGE, or 0. */
static inline int op_check(const struct op *op, uint64_t region_bytes)
{
	enum wire_status status =
		data_check_operation(op->opcode, op->offset, op->length_bytes, region_bytes);

	return status == WIRE_OK ? 0 : status == WIRE_RANGE ? -ERANGE : -EINVAL;
}

/* An atomic load of the word at @offset: a fetch-and-add of 0. */
static inline struct op op_load(uint64_t offset)
{
	return (struct op){.opcode = DATA_FAA, .length_bytes = 8, .offset = offset};
}

/* The most operations that a transport holds between submit and completion. A power of two. */
#define TRANSPORT_INFLIGHT_MAX 1024

/* How a transport waits: spin for about a round trip and then sleep, spin, or sleep at once. */
enum transport_poll { TRANSPORT_POLL_ADAPTIVE, TRANSPORT_POLL_BUSY, TRANSPORT_POLL_BLOCK };

/* How long the adaptive policy spins: some round trips on loopback. It yields between looks:
 * spinning is of no use where it keeps the other side off this processor. */
#define TRANSPORT_SPIN_NS 50000
/* The longest sleep between two looks at the session's health, the loss of which wakes no sleeper.
 * It is this long because thousands of sessions may wait at a time. */
#define TRANSPORT_SLEEP_NS 50000000
/* After so long without an answer the busy policy yields too: more threads may spin than there are
 * processors. */
#define TRANSPORT_SPIN_ALONE_NS 15000

/* Why a session ends whose operation storaged's RDMA device failed. */
#define TRANSPORT_DEVICE_FAILED "storaged's RDMA device failed an operation"

struct transport; /* begins with struct transport_base */

struct transport_ops {
	const char *name;

	/*
	 * Take @op; it may wait unsent until flush. Does not block, makes no system call. Returns
	 * 0; -EAGAIN when TRANSPORT_INFLIGHT_MAX are in flight or buffers are full (flush and
	 * progress, then try again); -ENOTCONN when the transport is broken. On failure the op is
	 * the caller's and its status is undefined.
	 */
	int (*submit)(struct transport *transport, struct op *op);

	/*
	 * Start everything submitted, with as few system calls as possible; what has to wait for an
	 * answer progress starts. May complete operations meanwhile. Blocks only while the peer
	 * takes no more, and at most for the transport's timeout, after which the transport is
	 * broken. Returns 0 or -ENOTCONN.
	 */
	int (*flush)(struct transport *transport);

	/*
	 * Complete what the far side has answered. @wait_ns 0: only look. Otherwise wait, as the
	 * poll policy says, until at least one operation completes or @wait_ns have passed. When
	 * the transport breaks, every op in flight is completed with an error. Returns 0, or
	 * -ENOTCONN once it is broken and nothing is in flight.
	 */
	int (*progress)(struct transport *transport, int64_t wait_ns);

	/* A descriptor that polls readable when progress may complete something; armed by the
	 * call. */
	int (*fd)(struct transport *transport);

	/* Optional, for memory that this CPU reaches, which storaged cannot take away: after it
	 * nothing of this process lands there any more. Only close may be called after it. Does not
	 * block. */
	void (*detach)(struct transport *transport);

	/* Close and free. What is in flight is abandoned: the ops are the caller's again. */
	void (*close)(struct transport *transport);

	/* Optional, in a forked child: free it and close the child's copies of its descriptors.
	 * What the parent shares (rings, sockets' buffers, memory) is not touched. */
	void (*forget)(struct transport *transport);

	/*
	 * Optional: execute @op at once, without a queue (memory that this CPU reaches). Sets value
	 * and returns the status. A transport that has it needs none of submit, flush, progress and
	 * fd.
	 */
	int (*execute)(struct transport *transport, struct op *op);

	/* Where there is execute: a CAS of 8 bytes without a struct op, for locks. *ret_before is
	 * set where it returns 0. */
	int (*cas)(struct transport *transport, uint64_t offset, uint64_t expected, uint64_t value,
		   uint64_t *ret_before);

	/* Where there is execute, optional: where @length_bytes from @offset on lie, to be
	 * touched by lib/core/region.h between session_enter and session_leave; NULL: outside. */
	uint8_t *(*at)(struct transport *transport, uint64_t offset, uint64_t length_bytes);

	/* Optional: append what was counted to *count figures, at most @count_max. Does not
	 * block. */
	void (*figures)(struct transport *transport, struct dso_figure *figures, size_t count_max,
			size_t *count);
};

/* How many sessions are parked on a word at this moment. */
#define FIGURE_SESSIONS_PARKED "sessions_parked"
/* How often storaged gave a word, or woke for a permit, a session that did not come in time. */
#define FIGURE_GRANTS_MISSED "grants_missed"

/* Append a figure, if there is room. */
static inline void figure_append(struct dso_figure *figures, size_t count_max, size_t *count,
				 const char *name, size_t name_bytes_max, uint64_t value)
{
	struct dso_figure *figure = &figures[*count];
	size_t bytes = strnlen(name, name_bytes_max);

	if (*count >= count_max)
		return;
	*figure = (struct dso_figure){.value = value};
	memcpy(figure->name, name, bytes < sizeof figure->name ? bytes : sizeof figure->name - 1);
	++*count;
}

struct transport_base {
	const struct transport_ops *ops;
};

static inline const struct transport_ops *transport_ops(struct transport *transport)
{
	return ((struct transport_base *)transport)->ops;
}

/*
 * Execute @count operations in order and wait for all of them. Every op's status is set. Returns 0
 * or the status of the first that failed; but -ECONNRESET for the -ENOTCONN of one behind others,
 * which have been executed. A silent far side is given up after the transport's timeout; over roce
 * after its retries, which may take longer.
 */
int transport_execute(struct transport *transport, struct op *ops, unsigned count);

/* The function that a transport calls when it breaks. @why is a clause for people, which may be
 * gone after the call. The thread that uses the transport calls it, once, when everything that was
 * under way has its outcome. @tell may be NULL. */
struct breakage {
	void (*tell)(void *context, const char *why);
	void *context;
};

static inline void breakage_tell(struct breakage *breakage, const char *why)
{
	void (*tell)(void *context, const char *why) = breakage->tell;

	breakage->tell = NULL;
	if (tell)
		tell(breakage->context, why);
}

/* For how many timeouts a data path of sockets may be silent. Whether storaged lives, its
 * heartbeats tell after one. On the data path a machine may only be busy, or a queue may overflow,
 * which the window makes up for. */
#define DATA_TIMEOUTS 4

/* What a client's transport needs to know to connect. The pointers outlive the transport. */
struct attachment {
	const struct control_welcome *welcome;
	/* Ask storaged over the control connection, until the deadline, for a reply of exactly
	 * @reply_bytes. Heartbeats go on meanwhile. Returns 0 or a negative errno with *reason. */
	int (*ask)(const struct attachment *attachment, uint16_t type, const void *body,
		   uint32_t body_bytes, void *reply, uint32_t reply_bytes);
	void *asker;
	/* numeric: storaged's address on the control connection; over a unix socket its address for
	 * packets, or NULL */
	const char *host;
	uint16_t port;
	const char *unix_path; /* of the control connection, NULL over TCP */
	const char *device;    /* the RDMA device asked for, or NULL */
	const char *io;        /* "auto", "io_uring" or "poll" */
	enum transport_poll poll;
	int64_t connect_deadline_ns; /* CLOCK_MONOTONIC; of this transport alone */
	int64_t timeout_ns;          /* of silence, once it is connected */
	const _Atomic int
		*health; /* 0, or a negative errno once the control plane gave up: then every
				    * wait ends */
	struct breakage breakage; /* once it is connected */
	char *reason; /* where a failed connect says why, a sentence without a full stop */
	size_t reason_bytes;
};

static inline int64_t transport_data_timeout_ns(const struct attachment *attachment)
{
	return attachment->timeout_ns < INT64_MAX / DATA_TIMEOUTS
		       ? DATA_TIMEOUTS * attachment->timeout_ns
		       : INT64_MAX;
}

/* Each connects, until the deadline, and returns 0 or a negative errno with *reason filled. */
#define X(NAME, name, bit)                                                  \
	int transport_##name##_connect(const struct attachment *attachment, \
				       struct transport **ret_transport);
TRANSPORTS(X)
#undef X

#define TRANSPORT_LEASE_BYTES 4096 /* mapped of a lease */

/* Over @bytes of memory that this process has mapped at @base; the CPU executes. The memory stays
 * the caller's. */
int transport_cpu_open(void *base, uint64_t bytes, struct transport **ret_transport);
/* The same under the name `shm`. The transport owns the mapping, the @lease (NULL: none) and the
 * @connection that came with it. detach unmaps the memory, then the lease, and then ends the
 * connection. */
int transport_cpu_adopt(void *base, uint64_t bytes, void *lease, int connection,
			struct transport **ret_transport);

#endif
