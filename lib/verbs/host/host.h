/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage host's side of rdma-core: storaged has it, and clients do not. libibverbs and
 * librdmacm are loaded when first needed (lib/verbs/api.c); a build without them (-Dverbs=disabled)
 * has absent.c instead of this folder, as instead of lib/verbs/client.
 *
 * A failing function returns a negative errno and puts a sentence without a full stop into @reason.
 */
#ifndef LIB_VERBS_HOST_HOST_H
#define LIB_VERBS_HOST_HOST_H

#include "lib/verbs/hello.h"
#include "lib/core/transport.h"

struct verbs_device;
struct verbs_region;
struct verbs_listener;
struct verbs_peer;

/*
 * Open the RDMA device @name, or with NULL the first one that has an active port with an IP address
 * and passes the self-test: READ, WRITE, CAS and FAA between two queue pairs of its own on scratch
 * memory. Returns 0, -ENODEV (none, or no rdma-core), -EOPNOTSUPP (no atomics), -EIO (self-test
 * failed).
 */
int verbs_device_open(const char *name, struct verbs_device **ret_device, char *reason,
		      size_t reason_bytes);
/* its regions were closed before; NULL does nothing */
void verbs_device_close(struct verbs_device *device);
const char *verbs_device_name(const struct verbs_device *device);
const char *verbs_device_address(const struct verbs_device *device); /* numeric IP address */
/* One sentence: the device, GID, MTU, limits, and the result of the self-test. */
const char *verbs_device_summary(const struct verbs_device *device);

/* The events of an open device. */
enum verbs_event {
	VERBS_NOTHING,
	VERBS_LINK_DOWN,
	VERBS_LINK_UP,
	VERBS_FAILED, /* its driver gave it up */
	/* or it is about to be removed, which waits for the processes that have it open */
	VERBS_REMOVED,
};
/* Readable when verbs_device_event has an event; the descriptor is the device's. */
int verbs_device_fd(const struct verbs_device *device);
/* The next event. Does not block. */
enum verbs_event verbs_device_event(struct verbs_device *device);

/* Create a protection domain with one memory region over @bytes at @base (prefaulted here). */
int verbs_region_register(struct verbs_device *device, void *base, uint64_t bytes,
			  struct verbs_region **ret_region, char *reason, size_t reason_bytes);
void verbs_region_deregister(struct verbs_region *region); /* NULL does nothing */
uint32_t verbs_region_rkey(const struct verbs_region *region);

/* Create a transport over a loopback queue pair of the device, by which storaged itself touches
 * words of a region whose atomicity domain is the device. Where it breaks, the next operation
 * connects another queue pair; @breakage is told each time, unless it is NULL. */
int verbs_loopback_open(struct verbs_region *region, enum transport_poll poll, int64_t timeout_ns,
			const struct breakage *breakage, struct transport **ret_transport,
			char *reason, size_t reason_bytes);

struct verbs_listener_callbacks {
	/* A client presents @hello. Return the region that it may reach and an @owner for the peer,
	 * or NULL to refuse. */
	struct verbs_region *(*admit)(void *context, const struct verbs_hello *hello,
				      void **ret_owner);
	/* The queue pair is made; the owner keeps @peer until verbs_peer_destroy. */
	void (*joined)(void *context, void *owner, struct verbs_peer *peer);
	/* The other side has disconnected; the owner has to destroy @peer, now or later. */
	void (*left)(void *context, void *owner, struct verbs_peer *peer);
};

/* Accept queue pairs on the device's address at @port (0: any). */
int verbs_listener_open(struct verbs_device *device, uint16_t port,
			const struct verbs_listener_callbacks *callbacks, void *context,
			struct verbs_listener **ret_listener, char *reason, size_t reason_bytes);
void verbs_listener_close(
	struct verbs_listener *listener); /* its peers were destroyed before; NULL does nothing */
uint16_t verbs_listener_port(const struct verbs_listener *listener);
int verbs_listener_fd(const struct verbs_listener *listener);  /* readable: call dispatch */
void verbs_listener_dispatch(struct verbs_listener *listener); /* does not block */

/* One end of a queue pair. */
struct verbs_end {
	uint8_t gid[16];
	uint32_t qpn;
	uint32_t psn; /* of the first request from there */
	uint32_t mtu;
	uint32_t rd_atomic; /* READs and atomics under way */
};

/*
 * Make a queue pair in @region for a requester @theirs that is no RDMA device: transport roce.
 * *ret_ours is our end, with an MTU and rd_atomic of at most theirs. Blocks for about a second
 * where the kernel gets no answer to ARP; any thread may call it. Returns 0, -ETIMEDOUT (no answer
 * to ARP), or the device's error.
 */
int verbs_peer_make(struct verbs_region *region, const struct verbs_end *theirs,
		    struct verbs_end *ret_ours, struct verbs_peer **ret_peer, char *reason,
		    size_t reason_bytes);

/*
 * Destroy the queue pair: first the error state, then destruction. Only the latter fences: an rxe
 * queue pair in the error state lets one more packet execute. When it returns, nothing of the peer
 * can land.
 */
void verbs_peer_destroy(struct verbs_peer *peer);

#endif
