/* SPDX-License-Identifier: Apache-2.0 */
/* Faults put in between the library and the record, to see that each is found. */
#ifndef TESTS_LINEARIZABILITY_FAULTS_H
#define TESTS_LINEARIZABILITY_FAULTS_H

#include "tests/linearizability/clients.h"

struct fault {
	const char *sentence;
	const struct object_kind *kind;
	void (*perform)(struct client *client,
			struct operation *operations); /* instead of kind's */
};

extern const struct fault faults[];
extern const unsigned fault_count;

#endif
