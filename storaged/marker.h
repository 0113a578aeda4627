/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a storaged leaves for the next one at its place: when it last lived, whether it may have had sessions
 * that hold something, for how long those may go on, and which token origins it may have given. It is a
 * small file that is mapped: writing to it is no system call, and what was written outlives a crash.
 */
#ifndef STORAGED_MARKER_H
#define STORAGED_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Behind the path of the unix socket, or, without one, HOST:PORT of the first address in the same directory. */
#define MARKER_SUFFIX ".state"

/* The file: each number is written alone, in the machine's byte order, and is true by itself. */
struct marker_page {
	uint8_t magic[8];
	uint8_t boot[16];      /* the kernel's boot id */
	uint64_t has_sessions; /* there are some, or were when it was told to end */
	uint64_t keep_ns; /* for so long behind its end they may go on as if nothing had happened */
	int64_t lived_ns; /* CLOCK_BOOTTIME, last */
	int64_t realtime_ns; /* CLOCK_REALTIME, last */
	uint64_t reserved;   /* no origin of a token was larger */
};

struct marker {
	struct marker_page *page; /* NULL: there is none */
	int fd;                   /* locked while it is in use */
};

/* Of the storaged before. */
struct marker_before {
	int64_t wait_ns; /* from now on, until every holder must have noticed; 0: nobody can hold anything */
	int64_t ago_ns;    /* that it last lived; where wait_ns is not 0 */
	uint64_t reserved; /* token origins up to here */
};

/* Both clocks and the boot id, as the marker knows them. */
struct marker_now {
	uint8_t boot[16];
	int64_t boottime_ns, realtime_ns;
};
struct marker_now marker_now(const uint8_t boot[16]);

/* What @page, of any content, says at @now. */
struct marker_before marker_read(const struct marker_page *page, const struct marker_now *now);

/* Open or make the file @path. Returns 0 with *ret_before, or a negative errno with *reason filled; then the
 * marker is one that keeps nothing. */
int marker_open(struct marker *marker, const char *path, const struct marker_now *now,
		struct marker_before *ret_before, char *reason, size_t reason_bytes);
/* storaged lives, and gives no token origin beyond @reserved. */
void marker_beat(struct marker *marker, const struct marker_now *now, uint64_t reserved);
/* There are sessions, of which one may go on for @keep_ns; 0: there are none any more. */
void marker_keep(struct marker *marker, uint64_t keep_ns);
void marker_close(struct marker *marker);

#endif
