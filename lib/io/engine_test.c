/* SPDX-License-Identifier: Apache-2.0 */
/* Run as `engine_test io_uring` and `engine_test poll`: the same tests over either engine. */
#include "lib/io/engine_test.h"
#include "tests/runner.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *engine_name;
struct io_engine *engine;
const struct io_engine_ops *ops;

void open_engine(unsigned stream_count_max)
{
	ck_assert_int_eq(io_engine_open(engine_name, stream_count_max, &engine), 0);
	ops = io_ops(engine);
	ck_assert_str_eq(ops->name, engine_name);
}

static void link_fds(struct link *link, int fd0, int fd1)
{
	memset(link, 0, sizeof *link);
	link->end[0].fd = fd0;
	link->end[1].fd = fd1;
	ck_assert_int_eq(ops->add(engine, &link->end[0]), 0);
	ck_assert_int_eq(ops->add(engine, &link->end[1]), 0);
}

void link_unix(struct link *link)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	link_fds(link, fds[0], fds[1]);
}

void link_tcp(struct link *link)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &address_bytes), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	link_fds(link, fd, accept(listener, NULL, NULL));
	close(listener);
}

void unlink_both(struct link *link)
{
	for (int i = 0; i < 2; i++) {
		ops->remove(engine, &link->end[i]);
		close(link->end[i].fd);
	}
}

struct io_event next_event(void)
{
	struct io_event event;

	ck_assert_int_eq(ops->wait(engine, &event, 1, HANG_TIMEOUT_NS), 1);
	return event;
}

void expect_event(const struct io_stream *stream, enum io_kind kind, int result)
{
	struct io_event event = next_event();

	ck_assert_ptr_eq(event.stream, stream);
	ck_assert_int_eq(event.kind, kind);
	ck_assert_int_eq(event.result, result);
	ck_assert_int_eq(event.stream->pending & 1 << kind, 0);
}

void expect_nothing(void)
{
	struct io_event event;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(ops->wait(engine, &event, 1, 0), 0);
	ck_assert_int_eq(ops->wait(engine, &event, 1, MILLISECOND_NS), 0);
}

void settle(struct io_stream *const *streams, unsigned count)
{
	struct io_event events[8];
	int64_t deadline_ns = clock_now_ns() + HANG_TIMEOUT_NS;

	for (unsigned i = 0; i < count;) {
		int taken = ops->wait(engine, events, 8, 0);

		ck_assert_int_ge(taken, 0);
		for (int j = 0; j < taken; j++)
			ck_assert_int_ge(events[j].result, 0);
		while (i < count && !streams[i]->pending)
			i++;
		ck_assert(clock_now_ns() < deadline_ns);
	}
}

void look_once(void)
{
	struct io_event event;

	ck_assert_int_eq(ops->wait(engine, &event, 1, 0), 0);
}

void fill_random(uint8_t *bytes, size_t count, uint64_t *state)
{
	for (size_t i = 0; i < count; i++) {
		*state = *state * 6364136223846793005u + 1442695040888963407u;
		bytes[i] = (uint8_t)(*state >> 56);
	}
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("engine");
	TCase *tests;
	int error;

	if (argc != 2) {
		fprintf(stderr, "usage: engine_test io_uring|poll\n");
		return 2;
	}
	engine_name = argv[1];
	tests = tcase_create(engine_name);
	error = io_engine_open(engine_name, 1, &engine);
	if (error) {
		printf("1..0 # SKIP %s cannot be had here: %s\n", engine_name, strerror(-error));
		return 0;
	}
	io_ops(engine)->close(engine);
	tcase_set_timeout(tests, 300);
	add_stream_tests(tests);
	add_cancel_tests(tests);
	add_wait_tests(tests);
	add_thread_tests(tests);
	add_random_tests(tests);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
