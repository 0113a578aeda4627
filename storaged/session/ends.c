/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/ends.h"

const struct session_end_kind session_ends[END_COUNT] = {
#define X(name, level, died, reason) {"sessions_ended_" #name, LOG_LEVEL_##level, died, reason},
	{0}, SESSION_ENDS(X)
#undef X
};
