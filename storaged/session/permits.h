/* SPDX-License-Identifier: Apache-2.0 */
/* Permits of a semaphore, as storaged looks at them when a session that was woken for some has not
 * come. */
#ifndef STORAGED_SESSION_PERMITS_H
#define STORAGED_SESSION_PERMITS_H

#include "storaged/session/waiter.h"

/* How many permits are free, of the semaphore that @waiter has open as @handle; 0 where it is none,
 * or cannot be read. *ret_object is the offset of its header. */
uint32_t permits_free(const struct waiter *waiter, uint32_t handle, uint64_t *ret_object);

#endif
