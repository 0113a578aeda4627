/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that have the arena mapped (transport shm). While one has, what it does can land, so its session is not swept.
 * It has it mapped no more when it has ended, or when the open file description that the mapping came from is gone:
 * storaged opens one for each process and locks a byte in it, and the kernel takes the lock back with the last mapping and
 * descriptor. That is after munmap() and after exec(), and not where a program closes descriptors that are none of
 * its own. When to look is what the connection says that brought the description: the library closes it behind the
 * mapping, exec() does at any rate.
 */
#ifndef STORAGED_MAPPINGS_H
#define STORAGED_MAPPINGS_H

#include "storaged/list.h"
#include "storaged/loop.h"

#define MAPPING_LOOK_NS \
	INT64_C(20000000) /* to the first look without a sign; then twice as long each time, */
#define MAPPING_LOOK_NS_MAX 5000000000 /* and no longer than this */

struct server;
struct session;
struct store;

struct mapping {
	struct source process;    /* the pidfd */
	struct source connection; /* closed by the client when it has unmapped; fd -1: it was */
	uint64_t
		number; /* of the byte that is locked; 0: none, the end of the process alone tells */
	struct deadline look;
	int64_t pause_ns; /* between two looks */
	struct list link; /* in session->mappings */
	struct session *session;
};

/* Another description of the arena, for one process. *ret_number is its lock, 0 where there can be none. Returns a
 * descriptor or a negative errno. */
int mapping_open_arena(struct server *server, const struct store *store, uint64_t *ret_number);

/* The process @pidfd is about to map the arena. Returns 0, -EMFILE, -ENOMEM, -ENOSPC; the descriptor is the mapping's
 * only after 0. */
int mapping_new(struct session *session, int pidfd, uint64_t number, struct mapping **ret_mapping);
/* The connection is the mapping's from here on. */
void mapping_watch(struct mapping *mapping, int connection_fd);
/* It was not passed after all. */
void mapping_forget(struct mapping *mapping);

/* The session is over; its processes may still be told by nobody that they are to unmap. */
void mappings_look_at(struct session *session, int64_t now_ns);
/* Its client says that nothing is mapped. */
void mappings_forget(struct session *session);
/* Nothing else takes a mapping away from a process that is frozen. */
void mappings_kill(struct session *session);
/* Look at those whose time has come. */
void mappings_expire_looks(struct server *server, int64_t now_ns);

#endif
