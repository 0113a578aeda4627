/* SPDX-License-Identifier: Apache-2.0 */
/* The handles of a session. */
#ifndef LIB_CLIENT_HANDLES_H
#define LIB_CLIENT_HANDLES_H

#include "lib/client/session.h"

/* Link into, and unlink from, session->objects; session->lock is held. */
void object_link(struct object *object);
void object_unlink(struct object *object);

/* Free the handle and what its type has put into object->memory. It is not linked. */
void object_free(struct object *object);

/* From here on operations that enter are refused: see session_enter. */
static inline void object_mark_deleted(struct object *object)
{
	atomic_store(&object->deleted, true);
	atomic_store(&object->is_slow, true);
}

#endif
