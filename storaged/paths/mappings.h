/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that have the arena mapped (transport shm). While a process has, what it does can land,
 * so its session is not swept. It no longer has when it has ended, or when its lease is not mapped.
 * The lease is an empty memfd of its own, which the library maps before the arena and unmaps after
 * it.
 *
 * storaged tests a lease by sealing it against writing: the kernel refuses that while the lease is
 * mapped for writing, and lets no process map it afterwards. So storaged learns of munmap() and
 * exec(), is not misled by a program that closes descriptors that are not its own, and does not
 * depend on what other clients do to the arena's file. The lease is empty and cannot grow: a seal
 * waits for pinned pages, and it has none.
 *
 * The connection that brought the descriptors says when to look: the library closes it after
 * unmapping, and exec() closes it in any case.
 */
#ifndef STORAGED_PATHS_MAPPINGS_H
#define STORAGED_PATHS_MAPPINGS_H

#include "lib/core/deadlines.h"
#include "storaged/loop.h"
#include "storaged/room.h"
#include "storaged/session/fence.h"

#define MAPPING_LOOK_NS \
	INT64_C(20000000) /* to the first look without a sign; then twice as long each time */
#define MAPPING_LOOK_NS_MAX 5000000000 /* and no longer than this */

struct session;

#define SESSION_MAPPINGS_MAX 8 /* the processes that have mapped the arena for a session */
#define MAPPING_FILES        3 /* its process, its connection, its lease */

struct mappings {
	struct list all;
	struct deadlines looks;
	struct loop *loop;
	struct room *room;
	/* processes of sessions that fell silent */
	bool are_killed;
};

struct mapping {
	struct fence fence;
	struct mappings *mappings;
	/* in mappings->all */
	struct list link;
	/* the pidfd */
	struct source process;
	/* the client closes it when it has unmapped; fd -1: it has */
	struct source connection;
	/* -1: none, only the end of the process tells */
	int lease_fd;
	struct deadline look;
	/* between two looks */
	int64_t pause_ns;
};

void mappings_init(struct mappings *mappings, struct loop *loop, struct room *room,
		   bool are_killed);
/* Forget all of them, and wait for no process. */
void mappings_close(struct mappings *mappings);

/* The process @pidfd is about to map the arena. Returns 0, -EMFILE, -ENOMEM, -ENOSPC; the
 * descriptor is the mapping's only after 0. */
int mapping_new(struct mappings *mappings, struct session *session, int pidfd,
		struct mapping **ret_mapping);
/* The connection is the mapping's from here on. */
void mapping_watch(struct mapping *mapping, int connection_fd);
/* It was not passed after all. */
void mapping_forget(struct mapping *mapping);

/* Look at the mappings that are due. */
void mappings_turn(struct mappings *mappings, int64_t now_ns);

#endif
