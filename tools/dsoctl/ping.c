/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <stdio.h>

enum exit_status run_ping(struct dsoctl *ctl)
{
	char text[3][DURATION_BYTES];
	int64_t min = INT64_MAX, max = 0, sum = 0;

	for (uint64_t i = 0; i < ctl->count; i++) {
		int64_t round_trip;
		int r = dso_ping(ctl->session, &round_trip);

		if (r)
			return fail(ctl, r);
		sum += round_trip;
		min = round_trip < min ? round_trip : min;
		max = round_trip > max ? round_trip : max;
	}
	sum /= (int64_t)ctl->count;
	if (ctl->json)
		return print_json(json_pack("{s:I, s:I, s:I, s:I, s:s}", "count",
					    (json_int_t)ctl->count, "min_ns", (json_int_t)min,
					    "avg_ns", (json_int_t)sum, "max_ns", (json_int_t)max,
					    "transport", dso_transport(ctl->session)));
	printf("%ju round trips on the control connection: min %s, avg %s, max %s; transport %s\n",
	       (uintmax_t)ctl->count, duration(min, text[0]), duration(sum, text[1]),
	       duration(max, text[2]), dso_transport(ctl->session));
	return STATUS_DONE;
}
