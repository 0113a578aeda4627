/* SPDX-License-Identifier: Apache-2.0 */
/* Permits of a semaphore, as storaged looks at them when a session that was woken for some has not
 * come. */
#ifndef STORAGED_SESSION_PERMITS_H
#define STORAGED_SESSION_PERMITS_H

#include <stdint.h>

struct session;

/* How many permits nobody has, of the semaphore that @session has open as @handle; 0 where it is
 * none, or cannot be read. *ret_object is the offset of its header. */
uint32_t permits_free(const struct session *session, uint32_t handle, uint64_t *ret_object);

#endif
