/* SPDX-License-Identifier: Apache-2.0 */
/* What a client says about itself when it connects a queue pair. */
#ifndef LIB_VERBS_HELLO_H
#define LIB_VERBS_HELLO_H

#include "proto/control.h"

/* What the private data of a connection request carries, little-endian as in proto. */
struct verbs_hello {
	uint8_t magic[8]; /* CONTROL_MAGIC */
	le64_t session;
	uint8_t cookie[CONTROL_COOKIE_BYTES];
};
_Static_assert(sizeof(struct verbs_hello) == 32, "rdma_cm gives 56 bytes to a connection request");

#endif
