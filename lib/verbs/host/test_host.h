/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests: a storage host in a process of its own, with one region, that does what it is
 * told. */
#ifndef LIB_VERBS_HOST_TEST_HOST_H
#define LIB_VERBS_HOST_TEST_HOST_H

#include "lib/verbs/host/host.h"

#include <sys/types.h>

#define HOST_REGION_BYTES (1 << 20)
#define HOST_SESSION      0xabc0042ULL  /* with a cookie of all ones, the only one admitted */
#define HOST_TIMEOUT_NS   20000000000LL /* a loaded virtual machine stalls now and then */

enum host_command {
	HOST_COUNTS = 'c',           /* answer only */
	HOST_DESTROY = 'd',          /* destroy every peer */
	HOST_DESTROY_SILENTLY = 's', /* only the queue pairs: no client is told */
};

struct host_answer {
	int admitted, joined, left, present;
};

struct host {
	pid_t pid;
	int socket;
	uint8_t *memory; /* the region's, shared */
	struct control_welcome welcome;
};

/* Start one; on failure the test fails. */
struct host host_start(void);
struct host_answer host_command(const struct host *host, enum host_command command);
void host_kill(struct host *host);

/* Connect to it with @welcome (NULL: its own). *health may be NULL. */
int host_connect_with(const struct control_welcome *welcome, enum transport_poll poll,
		      int64_t timeout_ns, const _Atomic int *health,
		      struct transport **ret_transport);
struct transport *host_connect(const struct host *host, enum transport_poll poll);
/* With a timeout as short as faults need; tried again where the machine was too busy to connect in
 * it. */
struct transport *host_connect_with_timeout(const struct host *host, enum transport_poll poll,
					    int64_t timeout_ns);
extern _Thread_local char host_reason[256]; /* of the last connect */
extern char host_breakage[256];             /* why the last transport that broke did */
extern const struct breakage host_notes;    /* notes it there */

int64_t test_clock_ns(void);
/* Submit and flush; then progress until the op has a status, for at most two seconds. */
int test_execute(struct transport *transport, struct op *op);
int test_wait(struct transport *transport, struct op *op);
static inline struct op op_faa(uint64_t offset, uint64_t addend)
{
	return (struct op){
		.opcode = DATA_FAA, .length_bytes = 8, .offset = offset, .operand = addend};
}
static inline struct op op_bytes(uint8_t opcode, uint64_t offset, void *buffer, uint32_t length)
{
	return (struct op){
		.opcode = opcode, .length_bytes = length, .offset = offset, .buffer = buffer};
}

/* Whether this machine has a device; if not, says so as a skipped TAP plan. Opens nothing in this
 * process. */
bool test_have_device(void);

#endif
