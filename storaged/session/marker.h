/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a storaged leaves for the next one at its place: when it last lived, for how long the
 * sessions of each namespace that may hold something may go on, and which token origins it may have
 * given. It is a small mapped file: writing to it is no system call, and what was written outlives
 * a crash. A file with the magic of another layout counts as if it were not there.
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
/* CLOCK_REALTIME reaches this in the year 2262: a larger origin is damage, and the clock of tokens
 * would wrap. */
#define MARKER_RESERVED_LAST (UINT64_C(1) << 63)

struct marker_space {
	/* "": none */
	char name[MARKER_NAME_BYTES];
	/* for so long after the end of storaged sessions may go on as if nothing had happened; 0:
	 * none */
	uint64_t keep_ns;
};

/* The file. Each number is written by itself, in the machine's byte order, and is true by
 * itself. */
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
	/* it says what cannot be, and is not believed */
	bool is_damaged;
	struct marker_space spaces[MARKER_SPACES];
};

/* How long it is, from now on, until every holder in the namespace @name must have noticed; 0:
 * there can be no holder. */
int64_t marker_wait_ns(const struct marker_before *before, const char *name);

/* Both clocks and the boot id, as the marker knows them. */
struct marker_now {
	uint8_t boot[16];
	int64_t boottime_ns, realtime_ns;
};
struct marker_now marker_now(const uint8_t boot[16]);

/* What @page, which may have any content, says at @now. */
struct marker_before marker_read(const struct marker_page *page, const struct marker_now *now);

/* Open or create the file @path. Returns 0 with *ret_before, or a negative errno with *reason
 * filled; then the marker keeps nothing. */
int marker_open(struct marker *marker, const char *path, const struct marker_now *now,
		struct marker_before *ret_before, char *reason, size_t reason_bytes);
/* Note that storaged lives, and gives no token origin beyond @reserved. */
void marker_beat(struct marker *marker, const struct marker_now *now, uint64_t reserved);
/*
 * Note that sessions may go on for @keep_ns in the namespace @name; 0: none. A namespace keeps its
 * row over all starts, as long as that is not 0. Between any two stores the page says of each
 * namespace either what it said before or what it says now.
 */
void marker_keep(struct marker *marker, const char *name, uint64_t keep_ns);
void marker_close(struct marker *marker);

#endif
