/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/roce/arrival.h"

bool roce_arrival_decode(const uint8_t *bytes, size_t count, struct roce_packet *ret_packet,
			 struct roce_counters *counters)
{
	uint64_t *const dropped[ROCE_MALFORMATIONS] = {
		[ROCE_TRUNCATED] = &counters->dropped_truncated,
		[ROCE_BAD_VERSION] = &counters->dropped_version,
		[ROCE_BAD_KEY] = &counters->dropped_partition_key,
		[ROCE_BAD_OPCODE] = &counters->dropped_opcode,
		[ROCE_BAD_LENGTH] = &counters->dropped_length,
	};
	enum roce_malformation malformation = roce_decode(bytes, count, ret_packet);

	if (malformation == ROCE_WELL_FORMED)
		return true;
	++*dropped[malformation];
	return false;
}

bool roce_arrival_holds(const struct roce_path *path, const struct roce_address *source,
			const uint8_t *bytes, size_t count, struct roce_counters *counters)
{
	if (!roce_address_same_ip(source, &path->remote) ||
	    (!path->to_device && source->port != path->remote.port)) {
		counters->dropped_foreign_source++;
		return false;
	}
	/* The ICRC covers the port from which the packet was really sent. */
	if (!roce_icrc_holds(path, source->port, bytes, count)) {
		counters->dropped_icrc++;
		return false;
	}
	return true;
}
