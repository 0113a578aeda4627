/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's end of a queue pair of transport roce, by hand: a control connection, a UDP socket,
 * and packets as they should be or as they should not. Only the making of packets is the library's.
 * Whatever storaged owes and does not do ends the test.
 */
#ifndef TESTS_ROCE_END_H
#define TESTS_ROCE_END_H

#include "lib/roce/path.h"
#include "tests/raw_client.h"

#define REGION_BYTES (UINT64_C(1) << 20)
#define MTU          1024
#define RD_ATOMIC    4
#define QPN          0x00face /* of the client's end */
#define PSN          0xfffffe /* it wraps soon */
#define FIGURES_MAX  64

struct figures {
	unsigned count;
	struct control_figure figure[FIGURES_MAX];
};

struct end {
	int control, udp;
	struct control_welcome welcome;
	struct control_queue_pair theirs;
	struct roce_path path;
	uint32_t psn;  /* of the next request */
	uint64_t base; /* offset of an object of eight packets */
	uint64_t sum;  /* what its first word must hold */
};

/* A packet as it goes on the wire. */
struct wire {
	size_t bytes; /* with the ICRC */
	uint8_t at[2 * ROCE_PACKET_BYTES_MAX];
};

/* ---- the control connection ---- */

uint64_t sessions_of_storaged(int fd);
uint64_t protocol_errors_of_storaged(int fd);

/* A request for a queue pair whose other end is at @local. */
struct control_queue_pair ask_for(const struct roce_address *local);
unsigned try_queue_pair(int fd, const struct control_queue_pair *ours,
			struct control_queue_pair *ret_theirs);

/* ---- figures ---- */

struct figures figures_now(int fd);
uint64_t figure(const struct figures *figures, const char *name);
/* The figures when @name has risen by @by since @before. */
struct figures figures_after(int fd, const struct figures *before, const char *name, uint64_t by);
/* Nothing but @name and @and_name, which may be NULL, rises, beside the counts of packets: for
 * @what. */
void expect_figure(int fd, const struct figures *before, const char *name, const char *and_name,
		   const char *what);

/* ---- ends ---- */

/* A session with an object @name, which nobody else has, and a queue pair that has served once. */
struct end end_new(const char *name);
void end_close(struct end *end);
/* A UDP socket at 127.0.0.@last, on a port of its own where @port is 0. */
int udp_socket(uint8_t last, uint16_t port, struct roce_address *ret_address);

/* A request at @offset of the region, with the right rkey and the PSN that is expected. */
struct roce_packet request_of(const struct end *end, uint8_t opcode, uint64_t offset);
/* One to add 1 to the first word of the object. */
struct roce_packet add_of(const struct end *end);
/* The PSNs were executed. */
void took(struct end *end, uint32_t psns);

/* The packet with its payload, whose every byte is @payload, and its ICRC. */
struct wire wire_of(const struct end *end, const struct roce_packet *packet, uint8_t payload);
void seal(const struct end *end, struct wire *wire);
void send_wire(int udp, const struct end *end, const struct wire *wire);
void send_packet(const struct end *end, const struct roce_packet *packet, uint8_t payload);

/* The next packet from storaged. Its payload is valid until the next call. */
struct roce_packet receive_packet(const struct end *end);
void expect_acknowledge(const struct end *end, uint32_t psn, uint8_t syndrome);
void expect_original(const struct end *end, uint32_t psn, uint64_t original);
/* All that storaged had to say was said before the figures told of the packet. */
void expect_silence(const struct end *end, const char *what);
/* Fetch and add as it should be. */
void serves(struct end *end);

/* ---- memory ---- */

/* Map the region over shm, in the session of @end. */
void map_region(const struct end *end);
void unmap_region(void);
uint64_t word_at(uint64_t offset);
const uint8_t *bytes_at(uint64_t offset);
/* A copy of the region to compare with, to be freed by expect_untouched. */
uint8_t *copy_region(void);
void expect_untouched(uint8_t *copy, const char *what);

#endif
