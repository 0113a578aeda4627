/* SPDX-License-Identifier: Apache-2.0 */
/* Which signal the work gets, and when, once its session is lost. No I/O: the time is handed in. */
#ifndef TOOLS_DSOCTL_COURSE_H
#define TOOLS_DSOCTL_COURSE_H

#include <dso/dso.h>

#include <stdbool.h>
#include <stdint.h>

#define COURSE_GRACE_NS (5 * DSO_SECOND) /* from SIGTERM to SIGKILL */
#define COURSE_AGAIN_NS (DSO_SECOND / 2) /* between looks, and from SIGKILL to the next SIGKILL */

/* What the work has got. */
enum course_state {
	COURSE_RUNS,   /* nothing: the session lives */
	COURSE_ENDS,   /* SIGTERM: it may end by itself until the grace is over */
	COURSE_KILLED, /* SIGKILL, and once more for whatever was forked meanwhile */
};

struct course {
	enum course_state state;
	int64_t due_ns; /* of the next signal; COURSE_RUNS: unused */
};

/* The signal that all of the work is to get at @now_ns, or 0. @lost: the session is lost. */
int course_step(struct course *course, bool lost, int64_t now_ns);

#endif
