/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handle holds is lost with its session. Of each type that holds something: whether the
 * handle does, and with @loss (role and count to be filled in) it forgets that, and whatever it had
 * seen of the words.
 */
#ifndef LIB_OBJECTS_LOSSES_H
#define LIB_OBJECTS_LOSSES_H

#include "lib/client/session.h"

bool mutex_lose(struct object *object, struct dso_loss *loss);
bool rwlock_lose(struct object *object, struct dso_loss *loss);
bool semaphore_lose(struct object *object, struct dso_loss *loss);
bool barrier_lose(struct object *object, struct dso_loss *loss);
bool once_lose(struct object *object, struct dso_loss *loss);
bool future_lose(struct object *object, struct dso_loss *loss);

#endif
