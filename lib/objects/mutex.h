/* SPDX-License-Identifier: Apache-2.0 */
/* A mutex from inside, for the condition variable. */
#ifndef LIB_OBJECTS_MUTEX_H
#define LIB_OBJECTS_MUTEX_H

#include "lib/objects/object.h"

/* dso_mutex_lock and dso_mutex_unlock without a sentence. */
int mutex_lock(struct dso_mutex *mutex, int64_t timeout);
int mutex_unlock(struct dso_mutex *mutex);
bool mutex_is_held(const struct dso_mutex *mutex);
struct dso_session *mutex_session(const struct dso_mutex *mutex);

#endif
