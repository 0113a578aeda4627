/* SPDX-License-Identifier: Apache-2.0 */
/* What happened to packets: one table, which the struct, the names and the totals are made from. */
#ifndef LIB_ROCE_COUNTERS_H
#define LIB_ROCE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

/* X(name) */
#define ROCE_COUNTERS(X)              \
	X(packets_sent)               \
	X(packets_received)           \
	X(packets_retransmitted)      \
	X(timeouts)                   \
	X(losses_detected)            \
	X(duplicates)                 \
	X(acknowledges_stale)         \
	X(naks_sequence)              \
	X(naks_request)               \
	X(naks_access)                \
	X(naks_operation)             \
	X(naks_receiver_not_ready)    \
	X(dropped_truncated)          \
	X(dropped_version)            \
	X(dropped_partition_key)      \
	X(dropped_opcode)             \
	X(dropped_length)             \
	X(dropped_icrc)               \
	X(dropped_unknown_queue_pair) \
	X(dropped_foreign_source)     \
	X(dropped_in_error_state)     \
	X(dropped_out_of_order)       \
	X(dropped_unanswerable)       \
	X(dropped_no_room_to_send)

#define X(name) uint64_t name;
struct roce_counters {
	ROCE_COUNTERS(X)
};
#undef X

#define ROCE_COUNTER_COUNT (sizeof(struct roce_counters) / sizeof(uint64_t))

/* The name of counter @index, "packets_sent". */
const char *roce_counter_name(unsigned index);

static inline uint64_t roce_counter_get(const struct roce_counters *counters, unsigned index)
{
	return ((const uint64_t *)counters)[index];
}

#endif
