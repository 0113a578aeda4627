/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP sockets for packets, as many of them in a system call as possible (generic segmentation
 * offload out, generic receive offload in). No packet is fragmented unless roce_socket_fragment()
 * allows it. A socket whose buffer is full loses packets: an end that misses an answer sends again.
 */
#ifndef LIB_ROCE_SOCKET_H
#define LIB_ROCE_SOCKET_H

#include "lib/roce/batch.h"

/* Messages of one receive, each of up to 64 KiB of packets. */
#define ROCE_MESSAGES_MAX  8
#define ROCE_MESSAGE_BYTES 65536
/* The size that is asked for; the system's limit may be lower. It holds the packets of 2,000
 * sessions with four operations each. */
#define ROCE_SOCKET_FILL_BYTES (16 << 20)

struct roce_socket; /* with its receive buffers */

struct roce_socket_options {
	const struct roce_address *local; /* its port 0: any */
	bool share_port;                  /* shared with others, after roce_socket_share */
};

/* Returns 0 or a negative errno: -EADDRINUSE (the port is taken), -EADDRNOTAVAIL. Nonblocking. */
int roce_socket_open(const struct roce_socket_options *options, struct roce_socket **ret_socket);
void roce_socket_close(struct roce_socket *socket); /* NULL does nothing */

/* From now on send to @remote alone and receive from it alone, which is quicker. The
 * identifications count up then, so it is not for a device. Returns 0 or a negative errno. */
int roce_socket_connect(struct roce_socket *socket, const struct roce_address *remote);

/* From now on send a packet in fragments where it is longer than the path to its destination takes.
 * Not for a device: the ICRC covers the field that marks fragments. */
void roce_socket_fragment(struct roce_socket *socket);
/* Whether a packet was too long for the path and could not be sent. */
bool roce_socket_is_narrow(const struct roce_socket *socket);
void roce_socket_forget_narrow(struct roce_socket *socket);

int roce_socket_fd(const struct roce_socket *socket);
struct roce_address roce_socket_local(const struct roce_socket *socket);
/* The bytes that may arrive while nothing is received. */
uint32_t roce_socket_buffer_bytes(const struct roce_socket *socket);

/* From now on other sockets may share the port of @socket, which had it for itself until then.
 * Returns 0 or a negative errno. */
int roce_socket_share(const struct roce_socket *socket);
/* From now on the QPN chooses among the @count sockets that share the port of @socket: a packet
 * goes to number QPN % @count, in the order of their opening. Returns 0 or a negative errno. */
int roce_socket_steer(const struct roce_socket *socket, unsigned count);

/*
 * The largest path MTU, 256 to 4096, whose packets pass from @local to @remote unfragmented as far
 * as this host knows. Fills in @local's address. Returns the MTU, or a negative errno: no route
 * leads to @remote.
 */
int roce_route(const struct roce_address *remote, struct roce_address *ret_local);

/* Send and clear @batch. Where the kernel takes no segmented sends, @batch is told to make none. */
void roce_socket_send(struct roce_socket *socket, struct roce_batch *batch);

/* Whether the kernel refused a packet because its buffer was full, and has not sent half of it
 * since. */
bool roce_socket_is_full(struct roce_socket *socket);

/*
 * Receive what is there, and call @take with every packet. Returns how many there were, or
 * -ECONNREFUSED: nothing listens where the socket is connected to.
 */
int roce_socket_receive(struct roce_socket *socket,
			void (*take)(void *context, const struct roce_address *source,
				     const uint8_t *packet, size_t bytes),
			void *context);

#endif
