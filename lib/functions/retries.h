/* SPDX-License-Identifier: Apache-2.0 */
/* When a call that has failed is made again. */
#ifndef LIB_FUNCTIONS_RETRIES_H
#define LIB_FUNCTIONS_RETRIES_H

#include "lib/include/dso/dso.h"

#include <stdbool.h>

/* A call that pauses until it is made again. */
struct pause {
	bool is_on;
	int64_t due_ns; /* when it is made again */
	struct pause *next;
};

/* NULL, or the sentence that says what in @retry makes no sense. */
const char *retries_check(const struct dso_retry *retry);

/* The pause in ns after the failure number @failures (from 1 on). */
int64_t retries_pause_ns(const struct dso_retry *retry, uint32_t failures);

/* A list of calls that pause, by the time at which they are due. */
void retries_add(struct pause **list, struct pause *pause, int64_t due_ns);
void retries_remove(struct pause **list, struct pause *pause);

#endif
