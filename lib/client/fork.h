/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fork() means for sessions. They stay the parent's. The child inherits handles that answer
 * -ENOTCONN: the transport and directory of each session are replaced by ones that touch nothing.
 * The child gives its copies of descriptors and memory back at once, so that storaged sees the
 * parent's end although the child lives.
 */
#ifndef LIB_CLIENT_FORK_H
#define LIB_CLIENT_FORK_H

#include "lib/client/session.h"

/* From here on, until fork_forget, a child inherits @session. */
void fork_remember(struct dso_session *session);
/* Does nothing for a session that is not remembered. */
void fork_forget(struct dso_session *session);

/* Between these two no other thread forks. This is for memory that a child must not have, from its
 * mmap() to its MADV_DONTFORK. The caller holds no lock of the library. */
void fork_hold_up(void);
void fork_allow(void);

/* Whether @session was opened by the process that forked this one. */
bool fork_is_inherited(const struct dso_session *session);

#endif
