/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled with AVX-512F. */
#include <assert.h>
#include <stdbool.h>
#include <immintrin.h>

#define KERNELS       reduce_avx512
#define NAME          "avx512f"
#define RUNS_HERE     has_avx512
#define WIDTH         8
#define ABREAST       2
#define GREATER(a, b) _mm512_max_pd(a, b)
#define LESS(a, b)    _mm512_min_pd(a, b)
#define ANY(bits)     (_mm512_test_epi64_mask((__m512i)(bits), (__m512i)(bits)) != 0)

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f");
}

#include "lib/core/reduce_vectorised.h"
