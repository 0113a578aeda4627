/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, each with a session of its own, that do something at the same time. */
#ifndef TESTS_CONFORMANCE_PARTY_H
#define TESTS_CONFORMANCE_PARTY_H

#include "tests/clock.h"
#include "tests/conformance.h"

#define HANG_TIMEOUT (120 * DSO_SECOND) /* for what must happen: only a hang reaches it */

struct party {
	unsigned number;
	struct dso_session *session; /* over the second transport */
};

/* Have @count threads run @run. */
void parties_begin(unsigned count, void (*run)(struct party *party));
/* Wait for all of them, and close their sessions. */
void parties_end(void);

static inline void parties_run(unsigned count, void (*run)(struct party *party))
{
	parties_begin(count, run);
	parties_end();
}

#endif
