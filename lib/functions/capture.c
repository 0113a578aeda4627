/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/capture.h"

#include "lib/core/clock.h"
#include "lib/core/thread.h"
#include "lib/functions/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STREAMS 2 /* standard output, standard error */
/* So many results may wait for the driver when a line is added to them; more lines are dropped. */
#define OUTPUT_WAITING_MAX 1024
/* Reads of a pipe at the end of a call: programs that it has started may write on. */
#define READS_AT_END 64
/* For which a process that crashes waits until its last lines are on their way. */
#define LAST_LINES_NS DSO_SECOND

struct stream {
	int fd;      /* STDOUT_FILENO, STDERR_FILENO */
	int before;  /* what that was */
	int read_fd; /* of the pipe */
	size_t used; /* of a line without an end */
	char line[OUTPUT_LINE_BYTES_MAX];
};

struct capture {
	pthread_t thread;
	int wake_fd; /* an eventfd: something is asked of the thread */
	_Atomic bool is_stopping;
	_Atomic uint64_t asked, drained; /* how often */
	pthread_mutex_t lock;            /* of the call */
	uint64_t number;
	const char *name;

	/* the thread's own */
	uint64_t room; /* lines that may be added before the driver is known to keep up */
	bool has_asked;
	uint32_t dropped; /* lines of the call that nobody was told of */
	struct stream streams[STREAMS];
	char url[256];
	char prefix[PREFIX_BYTES_MAX];
	struct dso_session *session;
	struct dso_queue *results;
	struct dso_memory *lines; /* NULL: they are not kept */
	uint8_t item[MESSAGE_BYTES];
};

/* Of this process, for those that end it. */
static _Atomic(struct capture *) captured;

/* ---- a line ---- */

static void leave_store(struct capture *capture)
{
	dso_close(capture->session);
	capture->session = NULL;
	capture->lines = NULL;
}

static int enter_store(struct capture *capture)
{
	struct dso_queue_params params = {.ephemeral = DSO_EPHEMERAL};
	int r;

	if (capture->session)
		return 0;
	r = dso_open(capture->url, NULL, &capture->session);
	if (r)
		return r;
	r = dso_queue_open(capture->session, name_of(capture->prefix, "results").text, &params,
			   &capture->results);
	if (r)
		leave_store(capture);
	else if (lines_open(capture->session, capture->prefix, &capture->lines))
		capture->lines = NULL;
	return r;
}

static int push(struct capture *capture, int fd, const char *text, size_t bytes)
{
	struct result_message message = {.outcome = OUTCOME_OUTPUT,
					 .bytes = le64_of(bytes),
					 .error = le32_of((uint32_t)fd),
					 .round = le32_of(capture->dropped)};
	uint8_t *at = capture->item + sizeof message;
	size_t name_bytes, whole_bytes;
	int r;

	pthread_mutex_lock(&capture->lock);
	message.number = le64_of(capture->number);
	name_bytes = strnlen(capture->name, MESSAGE_NAME_BYTES);
	memcpy(at, capture->name, name_bytes);
	pthread_mutex_unlock(&capture->lock);
	message.name_bytes = (uint8_t)name_bytes;
	memcpy(capture->item, &message, sizeof message);
	memcpy(at + name_bytes, text, bytes);
	whole_bytes = sizeof message + name_bytes + bytes;
	r = dso_queue_push(capture->results, capture->item, whole_bytes, DSO_NOWAIT);
	/* It is told: that it is not kept, too, is no failure. */
	if (r == 0 && capture->lines)
		lines_add(capture->lines, capture->item, whole_bytes);
	return r;
}

/* Whether the driver keeps up. That is asked once for what was read at once. */
static int check_room(struct capture *capture)
{
	uint64_t waiting;
	int r;

	if (capture->room == 0 && !capture->has_asked) {
		r = dso_queue_length(capture->results, &waiting);
		if (r)
			return r;
		capture->has_asked = true;
		capture->room = waiting < OUTPUT_WAITING_MAX ? OUTPUT_WAITING_MAX - waiting : 0;
	}
	return capture->room ? 0 : -ENOBUFS;
}

/* Put a line among the results, or count it. */
static void put_line(struct capture *capture, int fd, const char *text, size_t bytes)
{
	int r = enter_store(capture);

	if (r == 0)
		r = check_room(capture);
	if (r == 0)
		r = push(capture, fd, text, bytes);
	if (r == 0) {
		capture->dropped = 0;
		capture->room--;
		return;
	}
	capture->dropped++;
	if (r != -ENOBUFS && r != -ETIMEDOUT)
		leave_store(capture);
}

/* ---- a stream ---- */

static void end_line(struct capture *capture, struct stream *stream)
{
	put_line(capture, stream->fd, stream->line, stream->used);
	stream->used = 0;
}

static void take_bytes(struct capture *capture, struct stream *stream, const char *bytes,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n') {
			end_line(capture, stream);
			continue;
		}
		if (stream->used == sizeof stream->line)
			end_line(capture, stream);
		stream->line[stream->used++] = bytes[i];
	}
}

/* Take what is in the pipe; at most so much at once, as a function may write for ever. Returns
 * whether there was something. */
static bool take_stream(struct capture *capture, struct stream *stream)
{
	char bytes[4096];
	ssize_t count = read(stream->read_fd, bytes, sizeof bytes);

	capture->has_asked = false;
	if (count > 0)
		take_bytes(capture, stream, bytes, (size_t)count);
	return count > 0;
}

/* What a call has left: all that is in the pipes, and that some lines were dropped. */
static void drain(struct capture *capture)
{
	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *stream = &capture->streams[i];

		for (unsigned reads = 0; reads < READS_AT_END && take_stream(capture, stream);
		     reads++)
			;
		if (stream->used)
			end_line(capture, stream);
	}
	/* The queue has room for more than lines. */
	if (capture->dropped && enter_store(capture) == 0 &&
	    push(capture, STDERR_FILENO, "", 0) == 0)
		capture->dropped = 0;
}

/* ---- the thread ---- */

static void *listen_to(void *argument)
{
	struct capture *capture = argument;
	struct pollfd polled[1 + STREAMS] = {{.fd = capture->wake_fd, .events = POLLIN}};
	eventfd_t ignored;

	for (unsigned i = 0; i < STREAMS; i++)
		polled[1 + i] =
			(struct pollfd){.fd = capture->streams[i].read_fd, .events = POLLIN};
	while (!atomic_load(&capture->is_stopping)) {
		uint64_t asked;

		poll(polled, 1 + STREAMS, -1);
		for (unsigned i = 0; i < STREAMS; i++)
			if (polled[1 + i].revents && !take_stream(capture, &capture->streams[i]))
				polled[1 + i].fd = -1; /* the function has closed it */
		if (!polled[0].revents)
			continue;
		eventfd_read(capture->wake_fd, &ignored);
		asked = atomic_load(&capture->asked);
		drain(capture);
		atomic_store(&capture->drained, asked);
	}
	leave_store(capture);
	return NULL;
}

/* Safe in a signal handler. */
static uint64_t ask(struct capture *capture)
{
	uint64_t asked = atomic_fetch_add(&capture->asked, 1) + 1, one = 1;

	while (write(capture->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	return asked;
}

static void wait_until(struct capture *capture, uint64_t asked, int64_t deadline_ns)
{
	while (atomic_load(&capture->drained) < asked && clock_now_ns() < deadline_ns)
		nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

void capture_drain(struct capture *capture)
{
	wait_until(capture, ask(capture), INT64_MAX);
}

/* ---- a process that ends by itself ---- */

/* What it wrote last says why. */
static void send_last_lines(int signal)
{
	struct capture *capture = atomic_load(&captured);
	int before = errno;

	if (capture && !pthread_equal(pthread_self(), capture->thread))
		wait_until(capture, ask(capture), clock_now_ns() + LAST_LINES_NS);
	errno = before;
}

static void send_last_lines_at_exit(void)
{
	fflush(NULL);
	send_last_lines(0);
}

/* A program that handles these signals itself does so behind this. */
static void watch_ends(void)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	static bool is_registered;
	struct sigaction action = {.sa_handler = send_last_lines, .sa_flags = (int)SA_RESETHAND};
	struct sigaction before;

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			sigaction(signals[i], &action, NULL);
	if (!is_registered)
		atexit(send_last_lines_at_exit);
	is_registered = true;
}

/* ---- start and stop ---- */

/* Both ends are kept from programs that functions start; these have the standard one. */
static int redirect(struct stream *stream, int fd)
{
	int ends[2];

	stream->fd = fd;
	stream->before = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	stream->read_fd = ends[0];
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	dup2(ends[1], fd);
	close(ends[1]);
	return 0;
}

static void restore(struct stream *stream)
{
	if (stream->read_fd < 0)
		return;
	if (stream->before >= 0)
		dup2(stream->before, stream->fd);
	else
		close(stream->fd);
	if (stream->before >= 0)
		close(stream->before);
	close(stream->read_fd);
}

static void free_capture(struct capture *capture)
{
	for (unsigned i = 0; i < STREAMS; i++)
		restore(&capture->streams[i]);
	if (capture->wake_fd >= 0)
		close(capture->wake_fd);
	pthread_mutex_destroy(&capture->lock);
	free(capture);
}

int capture_start(const char *url, const char *prefix, struct capture **ret_capture)
{
	struct capture *capture = calloc(1, sizeof *capture);
	int r;

	if (!capture)
		return -ENOMEM;
	snprintf(capture->url, sizeof capture->url, "%s", url);
	snprintf(capture->prefix, sizeof capture->prefix, "%s", prefix);
	pthread_mutex_init(&capture->lock, NULL);
	capture->name = "";
	for (unsigned i = 0; i < STREAMS; i++)
		capture->streams[i].read_fd = -1;
	fflush(NULL);
	capture->wake_fd = eventfd(0, EFD_CLOEXEC);
	r = capture->wake_fd < 0 ? -errno : redirect(&capture->streams[0], STDOUT_FILENO);
	if (r == 0)
		r = redirect(&capture->streams[1], STDERR_FILENO);
	if (r == 0)
		r = thread_start(&capture->thread, listen_to, capture);
	if (r) {
		free_capture(capture);
		return r;
	}
	atomic_store(&captured, capture);
	watch_ends();
	*ret_capture = capture;
	return 0;
}

void capture_stop(struct capture *capture)
{
	if (!capture)
		return;
	atomic_store(&captured, NULL);
	atomic_store(&capture->is_stopping, true);
	ask(capture);
	pthread_join(capture->thread, NULL);
	free_capture(capture);
}

void capture_begin(struct capture *capture, uint64_t number, const char *name)
{
	pthread_mutex_lock(&capture->lock);
	capture->number = number;
	capture->name = name;
	pthread_mutex_unlock(&capture->lock);
}
