/* SPDX-License-Identifier: Apache-2.0 */
/* Two sessions of one embedded store, of which one acts between two operations of the other. */
#ifndef LIB_OBJECTS_RIVALS_TEST_H
#define LIB_OBJECTS_RIVALS_TEST_H

#include "lib/objects/steered_test.h"

#include <dso/dso.h>

static struct dso_session *mine, *theirs;

#define OK(session, call) ck_assert_msg((call) == 0, "%s: %s", #call, dso_error(session))

static inline void rivals_begin(void)
{
	mine = steered_open("embedded:rivals");
	theirs = steered_open("embedded:rivals");
}

static inline void rivals_end(void)
{
	steered_of(mine)->before = NULL;
	dso_close(mine);
	dso_close(theirs);
}

#endif
