/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/error.h"
#include "tools/printable.h"

void report_error(const char *what, const char *sentence)
{
	fprintf(stderr, "dso-perf: %s", what);
	printable_print(stderr, sentence, PRINTABLE_TERMINAL);
	fputc('\n', stderr);
}
