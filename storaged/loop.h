/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread's descriptors: an epoll instance, and a callback for each. */
#ifndef STORAGED_LOOP_H
#define STORAGED_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

/* Embedded in the struct that owns a descriptor. */
struct source {
	/* -1 once closed */
	int fd;
	/* asked for */
	uint32_t events;
	void (*ready)(struct source *source, uint32_t events);
	/* the loop's */
	void *buried;
	struct source *next_buried;
};

struct loop {
	int epoll_fd;
	struct source *graveyard;
};

int loop_open(struct loop *loop);
void loop_close(struct loop *loop);

/* Watch @fd for @events. Returns 0 or a negative errno; the descriptor is the source's only after
 * 0. */
int loop_add(struct loop *loop, struct source *source, int fd, uint32_t events,
	     void (*ready)(struct source *source, uint32_t events));
/* Watch for other events from now on. */
void loop_change(struct loop *loop, struct source *source, uint32_t events);
/* Stop watching without closing. */
int loop_take(struct loop *loop, struct source *source);
/* Stop watching and close; does nothing when that was done before. */
void loop_end(struct loop *loop, struct source *source);
/* The same, and free @memory, which contains @source, once no event of this turn can refer to it
 * any more. */
void loop_bury(struct loop *loop, struct source *source, void *memory);

/* Wait for at most @timeout_ms (-1: for ever) and call everything that is ready, as far as
 * EVENTS_MAX and EVENT_ROUNDS_MAX allow. Returns 0 or a negative errno. */
int loop_turn(struct loop *loop, int timeout_ms);

#endif
