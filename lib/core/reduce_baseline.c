/* SPDX-License-Identifier: Apache-2.0 */
/* For every processor of the architecture. */
#include <assert.h>
#include <stdbool.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#define NAME          "sse2"
#define GREATER(a, b) _mm_max_pd(a, b)
#define LESS(a, b)    _mm_min_pd(a, b)
#elif defined(__aarch64__)
#include <arm_neon.h>
#define NAME          "neon"
#define GREATER(a, b) (doubles) vmaxnmq_f64((float64x2_t)(a), (float64x2_t)(b))
#define LESS(a, b)    (doubles) vminnmq_f64((float64x2_t)(a), (float64x2_t)(b))
#else
#define NAME                 "plain"
#define GREATER(a, b)        SELECTED((a) > (b), a, b)
#define LESS(a, b)           SELECTED((a) < (b), a, b)
#define SELECTED(bits, a, b) (doubles)(((words)(bits) & (words)(a)) | (~(words)(bits) & (words)(b)))
#endif
#define KERNELS   reduce_baseline
#define RUNS_HERE runs_anywhere
#define WIDTH     2
#define ABREAST   4
#define ANY(bits) (((bits)[0] | (bits)[1]) != 0)

static bool runs_anywhere(void)
{
	return true;
}

#include "lib/core/reduce_vectorised.h"
