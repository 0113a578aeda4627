/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session behind which there is nothing: a child's that its parent opened (lib/client/fork.c),
 * and one whose renewal failed (lib/client/renew.c). Its transport and directory touch nothing and
 * answer as its health says.
 */
#ifndef LIB_CLIENT_GONE_H
#define LIB_CLIENT_GONE_H

#include "lib/client/session.h"

extern const struct directory_ops gone_directory;

/* dso_interrupt() of any thread finds nothing behind @session from here on. Returns the directory
 * that it had. */
const struct directory_ops *gone_take_directory(struct dso_session *session);
/* Give @session a transport that refuses everything, under the name @name. What it had is the
 * caller's. */
void gone_transport(struct dso_session *session, const char *name);

#endif
