/* SPDX-License-Identifier: Apache-2.0 */
/* How many steps further on a test ends or stops a session the next time: STEP_STRIDE, or 1. Slow
 * builds take every so many'th alone. */
#ifndef LIB_OBJECTS_STRIDE_H
#define LIB_OBJECTS_STRIDE_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t step_stride(void)
{
	const char *given = getenv("STEP_STRIDE");
	uint64_t stride = given ? strtoul(given, NULL, 10) : 1;

	return stride ? stride : 1;
}

#endif
