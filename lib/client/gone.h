/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session without a connection: in a child, a session of the parent's (lib/client/fork.c), and a
 * session whose renewal failed (lib/client/renew.c). Its transport and directory touch nothing and
 * answer as its health says.
 */
#ifndef LIB_CLIENT_GONE_H
#define LIB_CLIENT_GONE_H

#include "lib/client/session.h"

extern const struct directory_ops gone_directory;

/* From here on dso_interrupt() of any thread finds nothing behind @session. Returns the directory
 * that the session had. */
const struct directory_ops *gone_take_directory(struct dso_session *session);
/* Give @session a transport called @name that refuses everything. The transport before is the
 * caller's. */
void gone_transport(struct dso_session *session, const char *name);

#endif
