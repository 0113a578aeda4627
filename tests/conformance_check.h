/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of dso_object_check() share. */
#ifndef TESTS_CONFORMANCE_CHECK_H
#define TESTS_CONFORMANCE_CHECK_H

#include "tests/conformance_queue.h"

/* What a check of the object `name` told. */
struct told {
	unsigned damage, leftovers;
	char sentences[4096]; /* a line each */
};

/* Check the object `name` in `session`. Returns what dso_object_check() does. */
int check_told(struct told *told);

/* Nothing is to be found. */
void check_is_clean(void);

/* The tests in which words are written over. */
TCase *conformance_check_damage(void);

#endif
