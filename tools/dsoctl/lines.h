/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output of many processes as whole lines, each with a mark in front. A stream is what one
 * process writes; an outlet is where lines of many streams go. Neither read nor write blocks.
 */
#ifndef TOOLS_DSOCTL_LINES_H
#define TOOLS_DSOCTL_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_BYTES_MAX 65536 /* a longer line comes in pieces, each a line */
#define MARK_BYTES_MAX 16

/* What lines wait in until the outlet's reader has room for them. */
struct outlet {
	int fd;
	/* nobody reads any more: what is added is dropped */
	bool is_broken;
	char *bytes; /* of OUTLET_BYTES */
	size_t begin, end;
};

/* Room for what one read of a stream brings: a mark in front of each byte, if each is a newline. */
#define OUTLET_BYTES ((size_t)(LINE_BYTES_MAX + 1) * (1 + MARK_BYTES_MAX))

/* Returns 0 or -ENOMEM. */
int outlet_open(struct outlet *outlet, int fd);
void outlet_close(struct outlet *outlet);

bool outlet_is_empty(const struct outlet *outlet);

/* Write what there is room for. The file descriptor may be one that blocks. */
void outlet_flush(struct outlet *outlet);

struct stream {
	int fd;        /* does not block; -1: it has ended */
	bool is_ready; /* there is something to be read */
	char mark[MARK_BYTES_MAX];
	char *line; /* of LINE_BYTES_MAX: the beginning of a line */
	size_t used;
};

/* @mark is put in front of each line. @fd is the stream's. Returns 0 or -ENOMEM. */
int stream_open(struct stream *stream, int fd, const char *mark);

/*
 * Read once, and add the whole lines to @outlet, which is empty. At the end of the stream, and with
 * @is_over where there is nothing to be read now, its last line is added, if need be with a
 * newline, and it is closed.
 */
void stream_read(struct stream *stream, bool is_over, struct outlet *outlet);

#endif
