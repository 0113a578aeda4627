/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/course.h"

#include <signal.h>

/* Enter @state; the next signal is due at @due_ns. */
static void enter(struct course *course, enum course_state state, int64_t due_ns)
{
	course->state = state;
	course->due_ns = due_ns;
}

int course_step(struct course *course, bool lost, int64_t now_ns)
{
	if (course->state == COURSE_RUNS && lost) {
		enter(course, COURSE_ENDS, now_ns + COURSE_GRACE_NS);
		return SIGTERM;
	}
	if (course->state == COURSE_RUNS || now_ns < course->due_ns)
		return 0;
	enter(course, COURSE_KILLED, now_ns + COURSE_AGAIN_NS);
	return SIGKILL;
}
