/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor has and C does not: all that differs between architectures stands here. */
#ifndef DSO_CPU_H
#define DSO_CPU_H

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

#endif
