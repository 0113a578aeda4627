/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian integers as byte arrays: alignment 1 by construction, so that a struct made of
 * them has no padding and may lie anywhere in a buffer. Compilers turn each into one load or store.
 */
#ifndef PROTO_LE_H
#define PROTO_LE_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "words in remote memory are little-endian and changed by the CPU as they lie");

#define LE_TYPE(bits)                                                    \
	typedef struct {                                                 \
		uint8_t byte[bits / 8];                                  \
	} le##bits##_t;                                                  \
	static inline uint##bits##_t le##bits##_get(le##bits##_t stored) \
	{                                                                \
		uint##bits##_t value;                                    \
		memcpy(&value, stored.byte, sizeof value);               \
		return value;                                            \
	}                                                                \
	static inline le##bits##_t le##bits##_of(uint##bits##_t value)   \
	{                                                                \
		le##bits##_t stored;                                     \
		memcpy(stored.byte, &value, sizeof value);               \
		return stored;                                           \
	}

LE_TYPE(16)
LE_TYPE(32)
LE_TYPE(64)

#undef LE_TYPE

#endif
