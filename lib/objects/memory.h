/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_OBJECTS_MEMORY_H
#define LIB_OBJECTS_MEMORY_H

#include "lib/client/session.h"

/* As dso_memory_open(), of a memory that is there: returns -ENOENT where it is not. */
int memory_open_existing(struct dso_session *session, const char *name,
			 struct dso_memory **ret_memory);

#endif
