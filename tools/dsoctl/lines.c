/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/lines.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As much as a pipe that poll() calls writable takes without blocking: PIPE_BUF. */
#define WRITE_BYTES 4096

/* ---- an outlet ---- */

int outlet_open(struct outlet *outlet, int fd)
{
	*outlet = (struct outlet){.fd = fd, .bytes = malloc(OUTLET_BYTES)};
	return outlet->bytes ? 0 : -ENOMEM;
}

void outlet_close(struct outlet *outlet)
{
	free(outlet->bytes);
	*outlet = (struct outlet){0};
}

bool outlet_is_empty(const struct outlet *outlet)
{
	return outlet->begin == outlet->end;
}

static bool has_room(const struct outlet *outlet)
{
	struct pollfd polled = {.fd = outlet->fd, .events = POLLOUT};

	return poll(&polled, 1, 0) == 1;
}

void outlet_flush(struct outlet *outlet)
{
	while (!outlet_is_empty(outlet) && has_room(outlet)) {
		size_t left = outlet->end - outlet->begin;
		ssize_t n = write(outlet->fd, outlet->bytes + outlet->begin,
				  left < WRITE_BYTES ? left : WRITE_BYTES);

		if (n >= 0) {
			outlet->begin += (size_t)n;
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			outlet->is_broken = true;
			outlet->begin = outlet->end;
		}
	}
}

static void add(struct outlet *outlet, const char *bytes, size_t count)
{
	if (outlet->is_broken)
		return;
	assert(count <= OUTLET_BYTES - outlet->end);
	memcpy(outlet->bytes + outlet->end, bytes, count);
	outlet->end += count;
}

/* ---- a stream ---- */

int stream_open(struct stream *stream, int fd, const char *mark)
{
	*stream = (struct stream){.fd = fd, .line = malloc(LINE_BYTES_MAX)};
	snprintf(stream->mark, sizeof stream->mark, "%s", mark);
	return stream->line ? 0 : -ENOMEM;
}

static void add_line(const struct stream *stream, const char *line, size_t count,
		     struct outlet *outlet)
{
	add(outlet, stream->mark, strlen(stream->mark));
	add(outlet, line, count);
	if (count == 0 || line[count - 1] != '\n')
		add(outlet, "\n", 1);
}

/* Add the lines that are whole, and keep the beginning of the next one. */
static void add_whole_lines(struct stream *stream, struct outlet *outlet)
{
	char *line = stream->line, *end = line + stream->used, *newline;

	while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
		add_line(stream, line, (size_t)(newline + 1 - line), outlet);
		line = newline + 1;
	}
	stream->used = (size_t)(end - line);
	memmove(stream->line, line, stream->used);
	if (stream->used == LINE_BYTES_MAX) {
		add_line(stream, stream->line, stream->used, outlet);
		stream->used = 0;
	}
}

static void end(struct stream *stream, struct outlet *outlet)
{
	if (stream->used)
		add_line(stream, stream->line, stream->used, outlet);
	close(stream->fd);
	free(stream->line);
	*stream = (struct stream){.fd = -1};
}

void stream_read(struct stream *stream, bool is_over, struct outlet *outlet)
{
	ssize_t n = read(stream->fd, stream->line + stream->used, LINE_BYTES_MAX - stream->used);

	outlet->begin = outlet->end = 0;
	if (n > 0) {
		stream->used += (size_t)n;
		add_whole_lines(stream, outlet);
	} else if (n == 0 || is_over || (errno != EAGAIN && errno != EINTR)) {
		end(stream, outlet);
	}
}
