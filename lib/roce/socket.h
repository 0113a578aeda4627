/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP sockets for packets: as many in a system call as there are (generic segmentation offload out,
 * generic receive offload in). No packet is fragmented unless roce_socket_fragment() allows it, and
 * a socket that takes no more loses them: whoever misses an answer sends again.
 */
#ifndef LIB_ROCE_SOCKET_H
#define LIB_ROCE_SOCKET_H

#include "lib/roce/batch.h"

/* Messages of one receive, each of up to 64 KiB of packets. */
#define ROCE_MESSAGES_MAX  8
#define ROCE_MESSAGE_BYTES 65536
/* Asked for; the system's limit may be lower. Packets of 2,000 sessions with four operations
 * each. */
#define ROCE_SOCKET_FILL_BYTES (16 << 20)

struct roce_socket; /* with its receive buffers */

struct roce_socket_options {
	const struct roce_address *local; /* its port 0: any */
	bool share_port;                  /* with others that roce_socket_share allows to */
};

/* Returns 0 or a negative errno: -EADDRINUSE (the port is taken), -EADDRNOTAVAIL. Nonblocking. */
int roce_socket_open(const struct roce_socket_options *options, struct roce_socket **ret_socket);
void roce_socket_close(struct roce_socket *socket); /* NULL does nothing */

/* From now on nobody but @remote is sent to and heard, which is quicker. Then the identifications
 * count up: not for a device. Returns 0 or a negative errno. */
int roce_socket_connect(struct roce_socket *socket, const struct roce_address *remote);

/* From now on a packet that is longer than the path to its destination takes is sent in fragments.
 * Not for a device: the ICRC covers the field that tells of fragments. */
void roce_socket_fragment(struct roce_socket *socket);
/* Whether a packet was too long for the path and could not be sent. */
bool roce_socket_is_narrow(const struct roce_socket *socket);
void roce_socket_forget_narrow(struct roce_socket *socket);

int roce_socket_fd(const struct roce_socket *socket);
struct roce_address roce_socket_local(const struct roce_socket *socket);
/* Bytes that arrive while nobody receives. */
uint32_t roce_socket_buffer_bytes(const struct roce_socket *socket);

/* From now on others may be opened that share the port of @socket, which had it for itself until
 * then. Returns 0 or a negative errno. */
int roce_socket_share(const struct roce_socket *socket);
/* Of @count sockets that share a port, @socket one of them, number QPN % @count in the order of
 * their opening gets a packet. Returns 0 or a negative errno. */
int roce_socket_steer(const struct roce_socket *socket, unsigned count);

/*
 * The largest path MTU, 256 to 4096, whose packets pass from @local to @remote unfragmented as far
 * as this host knows; fills in @local's address. Returns it, or a negative errno: there is no way
 * to @remote.
 */
int roce_route(const struct roce_address *remote, struct roce_address *ret_local);

/* Send and clear @batch. Where the kernel takes no segmented sends, @batch is told to make none. */
void roce_socket_send(struct roce_socket *socket, struct roce_batch *batch);

/* Whether the kernel refused a packet for want of room, and has not yet sent half of what it
 * holds. */
bool roce_socket_is_full(struct roce_socket *socket);

/*
 * Receive what is there, and call @take with every packet. Returns the number of packets, 0 when
 * there was none, or -ECONNREFUSED: nobody listens where it is connected to.
 */
int roce_socket_receive(struct roce_socket *socket,
			void (*take)(void *context, const struct roce_address *source,
				     const uint8_t *packet, size_t bytes),
			void *context);

#endif
