/* SPDX-License-Identifier: Apache-2.0 */
/* Room for connections, and for the descriptors that they take: of all kinds together. */
#ifndef STORAGED_ROOM_H
#define STORAGED_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct room {
	uint64_t connections, connections_max;
	uint64_t files, files_max;
};

/* Whether there may be another connection, of @files descriptors. */
static inline bool room_has(const struct room *room, unsigned files)
{
	return room->connections < room->connections_max && room->files + files <= room->files_max;
}

static inline void room_take(struct room *room, unsigned files)
{
	room->connections++;
	room->files += files;
}

static inline void room_give_back(struct room *room, unsigned files)
{
	room->connections--;
	room->files -= files;
}

#endif
