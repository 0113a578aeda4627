/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fork() means for sessions. The parent keeps them. The child inherits handles that answer
 * -ENOTCONN: a session's transport and directory are replaced by ones that touch nothing, and the
 * child's copies of its descriptors and memory are given back at once, so that the parent's end is
 * seen although the child lives.
 */
#ifndef LIB_CLIENT_FORK_H
#define LIB_CLIENT_FORK_H

#include "lib/client/session.h"

/* From here on, until fork_forget, a child inherits @session. */
void fork_remember(struct dso_session *session);
/* Does nothing for a session that is not remembered. */
void fork_forget(struct dso_session *session);

/* Between the two, no other thread forks: for memory that a child must not have, from its mmap() to
 * its MADV_DONTFORK. The caller has no lock of the library. */
void fork_hold_up(void);
void fork_allow(void);

/* Whether @session was opened by the process that forked this one. */
bool fork_is_inherited(const struct dso_session *session);

#endif
