/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled with AVX2. */
#include <assert.h>
#include <stdbool.h>
#include <immintrin.h>

#define KERNELS       reduce_avx2
#define NAME          "avx2"
#define RUNS_HERE     has_avx2
#define WIDTH         4
#define ABREAST       2
#define GREATER(a, b) _mm256_max_pd(a, b)
#define LESS(a, b)    _mm256_min_pd(a, b)
#define ANY(bits)     (!_mm256_testz_si256((__m256i)(bits), (__m256i)(bits)))

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

#include "lib/core/reduce_vectorised.h"
