/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing memory that other processes and threads change at the same time. Each aligned
 * 8 bytes are read and written whole (relaxed atomics); nothing more is promised. A region is
 * touched only by these functions.
 */
#ifndef LIB_CORE_REGION_H
#define LIB_CORE_REGION_H

#include "lib/core/cpu.h"

#include <stdbool.h>
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

/* A look at an aligned word, in the one order that all atomics of region_execute have. */
static inline uint64_t region_load(const uint8_t *at)
{
	return __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_SEQ_CST);
}

/* ---- the four operations, executed by this CPU ---- */

static inline void region_execute_read(const uint8_t *at, void *buffer, size_t bytes)
{
	/* What an atomic before this READ has seen published is read, not something older. */
	cpu_fence_read();
	region_read(buffer, at, bytes);
	atomic_thread_fence(memory_order_acquire);
}

static inline void region_execute_write(uint8_t *at, const void *buffer, size_t bytes)
{
	atomic_thread_fence(memory_order_release);
	region_write(at, buffer, bytes);
	atomic_thread_fence(memory_order_release);
}

/* Both return the value before. @at is aligned. */
static inline uint64_t region_execute_cas(uint8_t *at, uint64_t compare, uint64_t swap)
{
	__atomic_compare_exchange_n((uint64_t *)(void *)at, &compare, swap, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	return compare;
}

static inline uint64_t region_execute_faa(uint8_t *at, uint64_t addend)
{
	return __atomic_fetch_add((uint64_t *)(void *)at, addend, __ATOMIC_SEQ_CST);
}

#endif
