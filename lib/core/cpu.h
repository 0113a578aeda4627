/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that C has no word for. Everything that differs between architectures is in this
 * file. */
#ifndef LIB_CORE_CPU_H
#define LIB_CORE_CPU_H

#include <stdatomic.h>

/*
 * Between two looks at a word. The processor gives its resources to its other hardware thread, and
 * runs ahead with no loads that it would have to take back when the word changes.
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
 * Before a READ: other processors see the atomics that came before it first. x86's locked
 * instructions do this by themselves; arm64 before v8.1, with an exclusive load and an exclusive
 * store, does not.
 */
static inline void cpu_fence_read(void)
{
#if defined(__x86_64__)
	atomic_thread_fence(memory_order_acquire);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

/*
 * After vectors of 32 or 64 bytes, of code that does not clean up after itself. While the upper
 * parts of the registers are in use, all that the thread computes by SSE, which is the doubles of
 * most programs, takes up to twice as long.
 */
static inline void cpu_leave_vectors(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroupper" ::
					 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
					   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
					   "xmm13", "xmm14", "xmm15");
#endif
}

#endif
