/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/age.h"

#include <inttypes.h>
#include <stdio.h>

void age_write(char *text, size_t bytes, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		char name;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};

	for (size_t i = 0; i + 1 < sizeof units / sizeof *units; i++) {
		if (seconds < units[i].seconds)
			continue;
		snprintf(text, bytes, "%" PRId64 "%c%02" PRId64 "%c", seconds / units[i].seconds,
			 units[i].name, seconds % units[i].seconds / units[i + 1].seconds,
			 units[i + 1].name);
		return;
	}
	snprintf(text, bytes, "%" PRId64 "s", seconds);
}
