/* SPDX-License-Identifier: Apache-2.0 */
/* Renewing a session that is over. */
#ifndef LIB_CLIENT_RENEW_H
#define LIB_CLIENT_RENEW_H

#include "lib/client/session.h"

#include <errno.h>

/* The session may be renewed by itself, and was: try once more what failed with @r. */
__attribute__((cold)) bool renew_after(struct dso_session *session, int r);

/* Whether to try again, after @r, what is safe to repeat. */
static inline bool renewed(struct dso_session *session, int r)
{
	return __builtin_expect(r != 0, 0) && session->settings.renew && renew_after(session, r);
}

#endif
