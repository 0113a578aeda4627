/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor has and C does not: all that differs between architectures stands here. */
#ifndef LIB_CORE_CPU_H
#define LIB_CORE_CPU_H

#include <stdatomic.h>

/*
 * Between two looks at a word: the processor gives its resources to its other hardware thread, and
 * does not run ahead with loads that it has to take back when the word changes.
 */
static inline void cpu_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory"); /* yield is a no-op there, and takes no time */
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/*
 * Before a READ: other processors see the atomics before it first. x86's locked instructions bring
 * that with them; what arm64 has before v8.1, an exclusive load and an exclusive store, does not.
 */
static inline void cpu_fence_read(void)
{
#if defined(__x86_64__)
	atomic_thread_fence(memory_order_acquire);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
