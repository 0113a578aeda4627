/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/monte_carlo.h"

#include "examples/application.h"
#include "perf/clock.h"
#include "perf/iterate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS 21

bool monte_carlo_asked(int argc, char **argv, struct monte_carlo *ret_asked)
{
	if (argc != 4 || strcmp(argv[1], "pi") != 0)
		return false;
	*ret_asked = (struct monte_carlo){strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10)};
	return ret_asked->points && ret_asked->workers && ret_asked->workers <= ITERATE_WORKERS_MAX;
}

uint64_t monte_carlo(const struct shots *shots)
{
	uint64_t inside = 0;

	for (uint64_t i = 0; i < shots->points; i++) {
		double x = draw_unit(shots->seed, 2 * i), y = draw_unit(shots->seed, 2 * i + 1);

		inside += x * x + y * y < 1;
	}
	return inside;
}

void monte_carlo_run(const char *system, const struct monte_carlo *asked, monte_carlo_all *all)
{
	int64_t begin_ns, alone_ns = INT64_MAX, together_ns = INT64_MAX, ns;
	struct shots shots = {0, asked->points / asked->workers};
	volatile uint64_t alone; /* so that it is computed */
	uint64_t inside = 0;

	all(asked->workers, asked->workers); /* so that all workers serve */
	for (unsigned i = 0; i < TURNS; i++) {
		begin_ns = clock_ns();
		inside = all(asked->points, asked->workers);
		ns = clock_ns() - begin_ns;
		together_ns = ns < together_ns ? ns : together_ns;
		begin_ns = clock_ns();
		alone = monte_carlo(&shots);
		(void)alone;
		ns = clock_ns() - begin_ns;
		alone_ns = ns < alone_ns ? ns : alone_ns;
	}
	printf("{\"system\":\"%s\",\"work\":\"pi\",\"efficiency\":%.4f,\"pi\":%.6f}\n", system,
	       (double)alone_ns / (double)together_ns, 4 * (double)inside / (double)asked->points);
}
