/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that are cancelled, and streams that are used again. */
#include "lib/io/engine_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(a_cancelled_receive_takes_no_bytes)
{
	struct link link;
	char buffer[4] = "";

	open_engine(2);
	link_tcp(&link);
	ops->recv(engine, &link.end[1], buffer, sizeof buffer);
	expect_nothing();
	ops->cancel(engine, &link.end[1]);
	ops->cancel(engine, &link.end[1]);
	expect_event(&link.end[1], IO_RECV, -ECANCELED);
	ck_assert_int_eq(send(link.end[0].fd, "abc", 4, 0), 4);
	expect_nothing();
	ck_assert_str_eq(buffer, "");
	ops->recv(engine, &link.end[1], buffer, sizeof buffer);
	expect_event(&link.end[1], IO_RECV, 4);
	ck_assert_str_eq(buffer, "abc");
	/* Nothing is pending: no event comes of it. */
	ops->cancel(engine, &link.end[1]);
	expect_nothing();
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(a_receive_is_cancelled_while_busy_polling)
{
	struct io_stream *end;
	struct link link;
	struct io_event event;
	char byte;
	int count = 0;

	open_engine(2);
	link_tcp(&link);
	end = &link.end[1];
	ops->recv(engine, end, &byte, 1);
	look_once();
	ops->cancel(engine, end);
	for (int i = 0; i < 1000 && count == 0; i++)
		count = ops->wait(engine, &event, 1, 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(event.result, -ECANCELED);
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(a_busy_poll_goes_on_as_a_wait)
{
	struct link link;
	char byte;

	open_engine(2);
	link_tcp(&link);
	ops->recv(engine, &link.end[1], &byte, 1);
	look_once();
	ck_assert_int_eq(send(link.end[0].fd, "x", 1, 0), 1);
	expect_event(&link.end[1], IO_RECV, 1);
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(what_is_cancelled_before_it_started_ends_too)
{
	struct link link;
	char byte;
	struct io_event event;

	open_engine(2);
	link_tcp(&link);
	ops->recv(engine, &link.end[1], &byte, 1);
	ops->watch(engine, &link.end[1]);
	ops->cancel(engine, &link.end[1]);
	for (int i = 0; i < 2; i++) {
		event = next_event();
		ck_assert_ptr_eq(event.stream, &link.end[1]);
		ck_assert_int_eq(event.result, -ECANCELED);
	}
	ck_assert_int_eq(link.end[1].pending, 0);
	expect_nothing();
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(a_cancelled_send_stops_in_the_middle)
{
	enum { BYTES = 64 << 20 };
	char *out = calloc(1, BYTES);
	struct link link;

	open_engine(2);
	link_tcp(&link);
	ops->send(engine, &link.end[0], out, BYTES);
	expect_nothing();
	ops->cancel(engine, &link.end[0]);
	expect_event(&link.end[0], IO_SEND, -ECANCELED);
	/* It leaves the other direction alone. */
	ck_assert_int_eq(send(link.end[1].fd, "x", 1, 0), 1);
	ops->recv(engine, &link.end[0], out, 1);
	expect_event(&link.end[0], IO_RECV, 1);
	unlink_both(&link);
	ops->close(engine);
	free(out);
}
END_TEST

START_TEST(a_stream_can_be_used_again_after_its_last_event)
{
	struct link link;
	char byte;

	open_engine(2);
	for (int i = 0; i < 50; i++) {
		link_unix(&link);
		ops->recv(engine, &link.end[1], &byte, 1);
		ops->watch(engine, &link.end[1]);
		if (i % 3 == 1)
			expect_nothing();
		if (i % 3 == 2)
			look_once();
		ops->cancel(engine, &link.end[1]);
		next_event();
		next_event();
		unlink_both(&link);
		memset(&link, 0xff, sizeof link);
	}
	ops->close(engine);
}
END_TEST

void add_cancel_tests(TCase *tests)
{
	tcase_add_test(tests, a_cancelled_receive_takes_no_bytes);
	tcase_add_test(tests, a_receive_is_cancelled_while_busy_polling);
	tcase_add_test(tests, a_busy_poll_goes_on_as_a_wait);
	tcase_add_test(tests, what_is_cancelled_before_it_started_ends_too);
	tcase_add_test(tests, a_cancelled_send_stops_in_the_middle);
	tcase_add_test(tests, a_stream_can_be_used_again_after_its_last_event);
}
