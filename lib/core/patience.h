/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a peer may be silent. The last quarter of that begins when it is seen that the rest is
 * over: who stood still, as a machine does that is paused, looks once more before it gives up a
 * peer that stood still with it.
 */
#ifndef LIB_CORE_PATIENCE_H
#define LIB_CORE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct patience {
	int64_t until_ns; /* when to look next; 0: it has not begun */
	int64_t rest_ns;  /* behind that */
};

static inline void patience_begin(struct patience *patience, int64_t now_ns, int64_t whole_ns)
{
	patience->rest_ns = whole_ns / 4;
	patience->until_ns = now_ns + whole_ns - patience->rest_ns;
}

static inline bool patience_is_over(struct patience *patience, int64_t now_ns)
{
	if (now_ns < patience->until_ns)
		return false;
	if (patience->rest_ns == 0)
		return true;
	patience->until_ns = now_ns + patience->rest_ns;
	patience->rest_ns = 0;
	return false;
}

#endif
