/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floating-point environment of a thread: in the one that reducing needs, it rounds to
 * nearest, takes denormals as they are, and traps nothing.
 */
#ifndef LIB_CORE_REDUCE_ENVIRONMENT_H
#define LIB_CORE_REDUCE_ENVIRONMENT_H

#if defined(__x86_64__)

#include <xmmintrin.h>

/* All exceptions masked, the rest 0. */
#define ENVIRONMENT_USUAL 0x1f80u

static inline unsigned environment_enter(void)
{
	unsigned before = _mm_getcsr();

	_mm_setcsr(ENVIRONMENT_USUAL);
	return before;
}

static inline void environment_leave(unsigned before)
{
	_mm_setcsr(before);
}

#elif defined(__aarch64__)

static inline unsigned long environment_enter(void)
{
	unsigned long before;

	__asm__ volatile("mrs %0, fpcr" : "=r"(before)::"memory");
	__asm__ volatile("msr fpcr, %0" ::"r"(0ul) : "memory");
	return before;
}

static inline void environment_leave(unsigned long before)
{
	__asm__ volatile("msr fpcr, %0" ::"r"(before) : "memory");
}

#else

#include <fenv.h>

static inline fenv_t environment_enter(void)
{
	fenv_t before;

	fegetenv(&before);
	fesetenv(FE_DFL_ENV);
	return before;
}

static inline void environment_leave(fenv_t before)
{
	fesetenv(&before);
}

#endif

#endif
