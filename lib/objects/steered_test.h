/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of an embedded store whose test sees each of its operations before it is executed: the
 * test may act in another session then, or refuse the operation.
 */
#ifndef LIB_OBJECTS_STEERED_TEST_H
#define LIB_OBJECTS_STEERED_TEST_H

#include "lib/client/session.h"

struct steered {
	struct transport_base base;
	struct transport *inside;
	uint64_t executed; /* operations */
	uint64_t limit;    /* the test's: so many are executed before something happens */
	/* NULL: nothing is done before. Returns 0, or the error that the operation has, which is
	 * not executed then. */
	int (*before)(struct steered *steered, const struct op *op);
};

/* Open @url, which is "embedded:NAME". */
struct dso_session *steered_open(const char *url);
/* The session reaches the memory itself, too, as aggregators of an embedded store need it: such
 * accesses its test does not see. */
void steered_reach(struct dso_session *session);
struct steered *steered_of(const struct dso_session *session);

#endif
