/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a storaged leaves for the next one at its place: when it last lived, for how long the
 * sessions of each namespace that may hold something may go on, and which token origins it may have
 * given. It is a small file that is mapped: writing to it is no system call, and what was written
 * outlives a crash. It is storaged's own: one of another layout, by its magic, is like one that is
 * not there.
 */
#ifndef STORAGED_SESSION_MARKER_H
#define STORAGED_SESSION_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Behind the path of the unix socket, or, without one, HOST:PORT of the first address in the same
 * directory. */
#define MARKER_SUFFIX ".state"

#define MARKER_SPACES     32
#define MARKER_NAME_BYTES 64
/* CLOCK_REALTIME gets there in the year 2262: an origin beyond is damage, and the clock of tokens
 * would wrap. */
#define MARKER_RESERVED_LAST (UINT64_C(1) << 63)

struct marker_space {
	/* "": none */
	char name[MARKER_NAME_BYTES];
	/* so long behind its end they may go on as if nothing had happened; 0: nobody */
	uint64_t keep_ns;
};

/* The file: each number is written alone, in the machine's byte order, and is true by itself. */
struct marker_page {
	uint8_t magic[8];
	/* the kernel's boot id */
	uint8_t boot[16];
	/* CLOCK_BOOTTIME, last */
	int64_t lived_ns;
	/* CLOCK_REALTIME, last */
	int64_t realtime_ns;
	/* no origin of a token was larger */
	uint64_t reserved;
	struct marker_space spaces[MARKER_SPACES];
};

struct marker {
	/* NULL: there is none */
	struct marker_page *page;
	/* locked while it is in use */
	int fd;
};

/* Of the storaged before. */
struct marker_before {
	/* that it last lived */
	int64_t ago_ns;
	/* token origins up to here */
	uint64_t reserved;
	/* it says what cannot be, which is not believed */
	bool is_damaged;
	struct marker_space spaces[MARKER_SPACES];
};

/* From now on, until every holder in the namespace @name must have noticed; 0: nobody can hold
 * anything. */
int64_t marker_wait_ns(const struct marker_before *before, const char *name);

/* Both clocks and the boot id, as the marker knows them. */
struct marker_now {
	uint8_t boot[16];
	int64_t boottime_ns, realtime_ns;
};
struct marker_now marker_now(const uint8_t boot[16]);

/* What @page, of any content, says at @now. */
struct marker_before marker_read(const struct marker_page *page, const struct marker_now *now);

/* Open or make the file @path. Returns 0 with *ret_before, or a negative errno with *reason filled;
 * then the marker is one that keeps nothing. */
int marker_open(struct marker *marker, const char *path, const struct marker_now *now,
		struct marker_before *ret_before, char *reason, size_t reason_bytes);
/* storaged lives, and gives no token origin beyond @reserved. */
void marker_beat(struct marker *marker, const struct marker_now *now, uint64_t reserved);
/*
 * In the namespace @name sessions may go on for @keep_ns; 0: none. A namespace keeps its row, as
 * long as that is not 0, over all starts. Between any two stores the page says of each namespace
 * what it said before or what it says now.
 */
void marker_keep(struct marker *marker, const char *name, uint64_t keep_ns);
void marker_close(struct marker *marker);

#endif
