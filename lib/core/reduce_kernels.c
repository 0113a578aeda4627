/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/reduce_kernels.h"

const struct reduce_kernels *const reduce_kernels[] = {
	&reduce_baseline,
#if defined(__x86_64__)
	&reduce_avx2,
	&reduce_avx512,
#endif
	NULL,
};

const struct reduce_kernels *reduce_kernels_here(void)
{
	const struct reduce_kernels *best = reduce_kernels[0];

	for (unsigned i = 1; reduce_kernels[i]; i++) {
		if (reduce_kernels[i]->runs_here())
			best = reduce_kernels[i];
	}
	return best;
}
