/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes through streams, and their ends. */
#include "lib/io/engine_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void echo(struct link *link)
{
	char there[32];
	char back[32];

	for (int i = 0; i < 100; i++) {
		char text[32] = {(char)i, 'a', 'b', 'c'};

		/* Blocking and busy waits alternate. */
		ops->recv(engine, &link->end[1], there, sizeof there);
		ops->send(engine, &link->end[0], text, sizeof text);
		if (i % 2)
			settle((struct io_stream *[]){&link->end[0], &link->end[1]}, 2);
		while (link->end[0].pending || link->end[1].pending)
			next_event();
		ops->send(engine, &link->end[1], there, sizeof there);
		ops->recv(engine, &link->end[0], back, sizeof back);
		if (i % 2)
			settle((struct io_stream *[]){&link->end[1], &link->end[0]}, 2);
		while (link->end[0].pending || link->end[1].pending)
			next_event();
		ck_assert_mem_eq(back, text, sizeof text);
	}
	unlink_both(link);
	ops->close(engine);
}

START_TEST(bytes_are_echoed_over_a_unix_socket)
{
	struct link link;

	open_engine(2);
	link_unix(&link);
	echo(&link);
}
END_TEST

START_TEST(bytes_are_echoed_over_tcp)
{
	struct link link;

	open_engine(2);
	link_tcp(&link);
	echo(&link);
}
END_TEST

START_TEST(a_nonblocking_descriptor_serves_as_well)
{
	struct link link;

	open_engine(2);
	link_tcp(&link);
	fcntl(link.end[0].fd, F_SETFL, O_NONBLOCK);
	fcntl(link.end[1].fd, F_SETFL, O_NONBLOCK);
	echo(&link);
}
END_TEST

/* More than fit the submission queue at once, in one wait. */
START_TEST(many_streams_send_and_receive_in_one_batch)
{
	enum { COUNT = 400 };
	static struct link links[COUNT];
	static uint32_t sent[COUNT];
	static uint32_t received[COUNT];
	static struct io_stream *ends[2 * COUNT];

	open_engine(2 * COUNT);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			link_unix(&links[i]);
			ends[2 * i] = &links[i].end[0];
			ends[2 * i + 1] = &links[i].end[1];
			sent[i] = i * 7919 + round;
			ops->recv(engine, ends[2 * i + 1], &received[i], sizeof *received);
			ops->send(engine, ends[2 * i], &sent[i], sizeof *sent);
		}
		settle(ends, 2 * COUNT);
		ck_assert_mem_eq(received, sent, sizeof sent);
		for (unsigned i = 0; i < COUNT; i++)
			unlink_both(&links[i]);
	}
	ops->close(engine);
}
END_TEST

START_TEST(one_wait_starts_a_whole_batch)
{
	enum { COUNT = 400 };
	static struct link links[COUNT];
	static struct io_event events[COUNT + 1];
	char byte = 'b';

	open_engine(2 * COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		link_unix(&links[i]);
		ops->send(engine, &links[i].end[0], &byte, 1);
	}
	ck_assert_int_eq(ops->wait(engine, events, COUNT + 1, 0), COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		ck_assert_int_eq(recv(links[i].end[1].fd, &byte, 1, MSG_DONTWAIT), 1);
		unlink_both(&links[i]);
	}
	ops->close(engine);
}
END_TEST

static void send_long(struct link *link)
{
	enum { BYTES = 8 << 20 };
	uint8_t *out = malloc(BYTES);
	uint8_t *in = malloc(BYTES);
	uint64_t state = 1;
	size_t received = 0;
	bool sent = false;

	fill_random(out, BYTES, &state);
	ops->send(engine, &link->end[0], out, BYTES);
	ops->recv(engine, &link->end[1], in, BYTES);
	while (!sent || received < BYTES) {
		struct io_event event = next_event();

		if (event.kind == IO_SEND) {
			ck_assert_int_eq(event.result, 0);
			sent = true;
			continue;
		}
		ck_assert_int_gt(event.result, 0);
		received += (size_t)event.result;
		if (received < BYTES)
			ops->recv(engine, &link->end[1], in + received, BYTES - received);
	}
	ck_assert(memcmp(in, out, BYTES) == 0);
	unlink_both(link);
	ops->close(engine);
	free(out);
	free(in);
}

START_TEST(a_long_send_goes_through_small_unix_buffers_whole)
{
	int small = 4096;
	struct link link;

	open_engine(2);
	link_unix(&link);
	setsockopt(link.end[0].fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	send_long(&link);
}
END_TEST

/* A TCP window below a segment of the loopback (64 KiB) would be a matter of timers. */
START_TEST(a_long_send_goes_through_small_tcp_buffers_whole)
{
	int small = 128 << 10;
	struct link link;

	open_engine(2);
	link_tcp(&link);
	setsockopt(link.end[0].fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	setsockopt(link.end[1].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	send_long(&link);
}
END_TEST

enum { SLOW_BYTES = 1 << 20, SLOW_PART_BYTES = 64 << 10 };

static void *receive_slowly(void *fd)
{
	static char part[SLOW_PART_BYTES];

	for (size_t received = 0; received < SLOW_BYTES;) {
		ssize_t got = recv(*(int *)fd, part, sizeof part, 0);

		ck_assert_int_gt(got, 0);
		received += (size_t)got;
		usleep(1000);
	}
	return NULL;
}

START_TEST(a_wait_outlasts_the_parts_of_a_send)
{
	static char out[SLOW_BYTES];
	struct link link;
	pthread_t thread;

	open_engine(2);
	link_unix(&link);
	ck_assert_int_eq(pthread_create(&thread, NULL, receive_slowly, &link.end[1].fd), 0);
	ops->send(engine, &link.end[0], out, sizeof out);
	expect_event(&link.end[0], IO_SEND, 0);
	pthread_join(thread, NULL);
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(the_end_of_a_stream_is_a_receive_of_nothing)
{
	struct link link;
	char byte;

	open_engine(2);
	link_tcp(&link);
	ops->recv(engine, &link.end[1], &byte, 1);
	expect_nothing();
	shutdown(link.end[0].fd, SHUT_WR);
	expect_event(&link.end[1], IO_RECV, 0);
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(a_reset_fails_the_receive_and_a_later_send_without_a_signal)
{
	struct linger linger = {.l_onoff = 1};
	struct link link;
	char byte = 0;

	open_engine(2);
	link_tcp(&link);
	ops->recv(engine, &link.end[1], &byte, 1);
	expect_nothing();
	ops->remove(engine, &link.end[0]);
	setsockopt(link.end[0].fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(link.end[0].fd);
	expect_event(&link.end[1], IO_RECV, -ECONNRESET);
	ops->send(engine, &link.end[1], &byte, 1);
	expect_event(&link.end[1], IO_SEND, -EPIPE);
	ops->remove(engine, &link.end[1]);
	close(link.end[1].fd);
	ops->close(engine);
}
END_TEST

void add_stream_tests(TCase *tests)
{
	tcase_add_test(tests, bytes_are_echoed_over_a_unix_socket);
	tcase_add_test(tests, bytes_are_echoed_over_tcp);
	tcase_add_test(tests, a_nonblocking_descriptor_serves_as_well);
	tcase_add_test(tests, many_streams_send_and_receive_in_one_batch);
	tcase_add_test(tests, one_wait_starts_a_whole_batch);
	tcase_add_test(tests, a_long_send_goes_through_small_unix_buffers_whole);
	tcase_add_test(tests, a_long_send_goes_through_small_tcp_buffers_whole);
	tcase_add_test(tests, a_wait_outlasts_the_parts_of_a_send);
	tcase_add_test(tests, the_end_of_a_stream_is_a_receive_of_nothing);
	tcase_add_test(tests, a_reset_fails_the_receive_and_a_later_send_without_a_signal);
}
