/* SPDX-License-Identifier: Apache-2.0 */
/* The checksums of a slot (proto/layout.h), of a register or a future. */
#ifndef LIB_OBJECTS_SLOT_H
#define LIB_OBJECTS_SLOT_H

#include "proto/layout.h"

#include <stddef.h>
#include <xxhash.h>

static inline uint64_t slot_checksum(const struct register_slot *slot)
{
	return XXH3_64bits(slot, offsetof(struct register_slot, header_checksum));
}

static inline uint64_t slot_value_checksum(const void *value, size_t length_bytes, uint64_t version)
{
	return XXH3_64bits_withSeed(value, length_bytes, version);
}

#endif
