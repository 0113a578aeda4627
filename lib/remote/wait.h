/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of remote_ops that park, wake and reduce: see struct directory_ops. */
#ifndef LIB_REMOTE_WAIT_H
#define LIB_REMOTE_WAIT_H

#include "lib/client/session.h"

int remote_wait(struct dso_session *session, struct object *object, const struct park *park,
		int64_t deadline_ns, uint64_t *ret_taken, char *reason, size_t reason_bytes);
void remote_interrupt(struct dso_session *session);
int remote_wake(struct dso_session *session, struct object *object, uint64_t offset, uint32_t count,
		uint32_t *ret_count, char *reason, size_t reason_bytes);
int remote_reduce(struct dso_session *session, struct object *object, uint64_t round,
		  uint64_t *ret_word, char *reason, size_t reason_bytes);

#endif
