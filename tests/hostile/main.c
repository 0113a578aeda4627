/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hostile/hostile.h"
#include "tests/leap/leap.h"
#include "tests/runner.h"

#include <stdlib.h>

int main(void)
{
	static TCase *(*const tests[])(void) = {
		hello_tests,  broken_tests, attach_tests, data_tests,  limits_tests,  grow_tests,
		reduce_tests, holds_tests,  death_tests,  waits_tests, starting_tests};
	Suite *suite = suite_create("storaged");

	leap_prepare();
	for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++)
		suite_add_tcase(suite, tests[i]());
	return run_suite_forked(suite);
}
