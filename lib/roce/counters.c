/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/roce/counters.h"

const char *roce_counter_name(unsigned index)
{
#define X(name) #name,
	static const char *const names[] = {ROCE_COUNTERS(X)};
#undef X
	return names[index];
}
