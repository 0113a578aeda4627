/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing memory that other processes and threads change at the same time. Each aligned
 * 8 bytes are read and written whole (relaxed atomics); nothing more is promised. A region is
 * touched only by these functions and by atomic instructions.
 */
#ifndef LIB_CORE_REGION_H
#define LIB_CORE_REGION_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void region_read(void *buffer, const uint8_t *from, size_t bytes)
{
	uint8_t *to = buffer;

	for (; bytes && (uintptr_t)from % 8; bytes--)
		*to++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
	for (; bytes >= 8; bytes -= 8, to += 8, from += 8) {
		uint64_t word =
			__atomic_load_n((const uint64_t *)(const void *)from, __ATOMIC_RELAXED);

		memcpy(to, &word, sizeof word);
	}
	while (bytes--)
		*to++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
}

static inline void region_write(uint8_t *to, const void *buffer, size_t bytes)
{
	const uint8_t *from = buffer;

	for (; bytes && (uintptr_t)to % 8; bytes--)
		__atomic_store_n(to++, *from++, __ATOMIC_RELAXED);
	for (; bytes >= 8; bytes -= 8, to += 8, from += 8) {
		uint64_t word;

		memcpy(&word, from, sizeof word);
		__atomic_store_n((uint64_t *)(void *)to, word, __ATOMIC_RELAXED);
	}
	while (bytes--)
		__atomic_store_n(to++, *from++, __ATOMIC_RELAXED);
}

/* @to and @bytes are multiples of 8. */
static inline void region_zero(uint8_t *to, size_t bytes)
{
	for (; bytes; bytes -= 8, to += 8)
		__atomic_store_n((uint64_t *)(void *)to, 0, __ATOMIC_RELAXED);
}

#endif
