/* SPDX-License-Identifier: Apache-2.0 */
/* The checks that a packet has to pass before a state machine sees it. A packet that fails one is
 * counted and dropped. */
#ifndef LIB_ROCE_ARRIVAL_H
#define LIB_ROCE_ARRIVAL_H

#include "lib/roce/counters.h"
#include "lib/roce/path.h"

/* Decode a UDP payload. Returns whether it is well-formed. */
bool roce_arrival_decode(const uint8_t *bytes, size_t count, struct roce_packet *ret_packet,
			 struct roce_counters *counters);

/* Whether a packet of the queue pair with @path comes from its other end, and is whole. A device
 * sends from any port. */
bool roce_arrival_holds(const struct roce_path *path, const struct roce_address *source,
			const uint8_t *bytes, size_t count, struct roce_counters *counters);

#endif
