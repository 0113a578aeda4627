/* SPDX-License-Identifier: Apache-2.0 */
/* What wait promises: time, room, fairness, and being woken. */
#include "lib/io/engine_test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long a wait for nothing takes. */
static int64_t time_wait(int64_t timeout_ns)
{
	int64_t start_ns = clock_now_ns();
	struct io_event event;

	ck_assert_int_eq(ops->wait(engine, &event, 1, timeout_ns), 0);
	return clock_now_ns() - start_ns;
}

START_TEST(timeouts_are_kept)
{
	static const int64_t timeouts_ns[] = {300000, 3 * MILLISECOND_NS, 30 * MILLISECOND_NS};
	struct link link;
	char byte;

	open_engine(2);
	link_tcp(&link);
	for (int pending = 0; pending < 2; pending++) {
		for (int i = 0; i < 3; i++) {
			int64_t passed_ns = time_wait(timeouts_ns[i]);

			ck_assert_int_ge(passed_ns, timeouts_ns[i]);
		}
		if (!pending)
			ops->recv(engine, &link.end[1], &byte, 1);
	}
	ops->cancel(engine, &link.end[1]);
	expect_event(&link.end[1], IO_RECV, -ECANCELED);
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(a_send_with_a_receive_goes_first_and_starts_in_one_wait)
{
	struct link link;
	char byte = 'q';
	char got = 0;

	open_engine(2);
	link_tcp(&link);
	ops->recv(engine, &link.end[0], &got, 1);
	ops->send(engine, &link.end[0], &byte, 1);
	expect_event(&link.end[0], IO_SEND, 0);
	ck_assert_int_eq(recv(link.end[1].fd, &got, 1, 0), 1);
	ck_assert_int_eq(got, 'q');
	ck_assert_int_eq(send(link.end[1].fd, "a", 1, 0), 1);
	expect_event(&link.end[0], IO_RECV, 1);
	ck_assert_int_eq(got, 'a');
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(events_beyond_the_room_stay_for_the_next_wait)
{
	enum { COUNT = 20 };
	struct link links[COUNT];
	char bytes[COUNT];
	bool seen[COUNT] = {false};

	open_engine(2 * COUNT);
	for (int i = 0; i < COUNT; i++) {
		link_unix(&links[i]);
		ck_assert_int_eq(send(links[i].end[0].fd, "x", 1, 0), 1);
		ops->recv(engine, &links[i].end[1], &bytes[i], 1);
	}
	for (int i = 0; i < COUNT; i++) {
		struct io_event event = next_event();
		struct link *link = (struct link *)(event.stream - 1);

		ck_assert(!seen[link - links]);
		seen[link - links] = true;
		ck_assert_int_eq(event.result, 1);
	}
	for (int i = 0; i < COUNT; i++)
		unlink_both(&links[i]);
	ops->close(engine);
}
END_TEST

/* Floods are streams that have data at every wait; there is room for fewer events than floods. */
START_TEST(endless_streams_do_not_starve_the_others)
{
	enum { FLOODS = 4, CALM = 4, FLOOD_BYTES = 20000 };
	static char flood[FLOOD_BYTES];
	struct link links[FLOODS + CALM];
	struct io_event events[2];
	char bytes[FLOODS + CALM];
	int waits = 0;

	open_engine(2 * (FLOODS + CALM));
	for (int i = 0; i < FLOODS + CALM; i++) {
		link_unix(&links[i]);
		if (i < FLOODS)
			ck_assert_int_eq(send(links[i].end[0].fd, flood, FLOOD_BYTES, 0),
					 FLOOD_BYTES);
		ops->recv(engine, &links[i].end[1], &bytes[i], 1);
	}
	for (int calm = 0; calm < CALM; waits++) {
		int count = ops->wait(engine, events, 2, 0);

		if (waits == 100)
			for (int i = FLOODS; i < FLOODS + CALM; i++)
				ck_assert_int_eq(send(links[i].end[0].fd, "x", 1, 0), 1);
		for (int i = 0; i < count; i++) {
			int index = (int)((struct link *)(events[i].stream - 1) - links);

			ck_assert_int_eq(events[i].result, 1);
			calm += index >= FLOODS;
			if (index < FLOODS)
				ops->recv(engine, events[i].stream, &bytes[index], 1);
		}
		ck_assert_int_lt(waits, 100 + 4 * (FLOODS + CALM));
	}
	/* Closed with receives pending: the streams and buffers are ours again. */
	ops->close(engine);
	for (int i = 0; i < FLOODS + CALM; i++) {
		close(links[i].end[0].fd);
		close(links[i].end[1].fd);
	}
}
END_TEST

START_TEST(a_send_and_a_receive_share_the_room_for_one_event)
{
	static char flood[20000];
	struct io_event event;
	struct link link;
	int counts[2] = {0, 0};
	char byte = 0;

	open_engine(2);
	link_unix(&link);
	ck_assert_int_eq(send(link.end[1].fd, flood, sizeof flood, 0), sizeof flood);
	for (int i = 0; i < 200; i++) {
		if (!(link.end[0].pending & 1 << IO_RECV))
			ops->recv(engine, &link.end[0], flood, 1);
		if (!(link.end[0].pending & 1 << IO_SEND))
			ops->send(engine, &link.end[0], &byte, 1);
		if (ops->wait(engine, &event, 1, 0) == 1)
			counts[event.kind == IO_SEND]++;
	}
	ck_assert_int_ge(counts[0], 50);
	ck_assert_int_ge(counts[1], 50);
	ops->close(engine);
	close(link.end[0].fd);
	close(link.end[1].fd);
}
END_TEST

static void *write_eventfd(void *fd)
{
	uint64_t one = 1;

	usleep(20000);
	ck_assert_int_eq(write(*(int *)fd, &one, sizeof one), sizeof one);
	return NULL;
}

START_TEST(a_watched_eventfd_wakes_from_another_thread)
{
	struct io_stream wake = {.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	struct io_event event;
	uint64_t value;
	pthread_t thread;

	open_engine(1);
	ck_assert_int_eq(ops->add(engine, &wake), 0);
	ops->watch(engine, &wake);
	expect_nothing();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, write_eventfd, &wake.fd), 0);
		ck_assert_int_eq(ops->wait(engine, &event, 1, -1), 1);
		ck_assert_ptr_eq(event.stream, &wake);
		ck_assert_int_eq(event.kind, IO_READABLE);
		ck_assert_int_eq(event.result, 0);
		pthread_join(thread, NULL);
		ck_assert_int_eq(read(wake.fd, &value, sizeof value), sizeof value);
		ops->watch(engine, &wake);
		expect_nothing();
	}
	ops->cancel(engine, &wake);
	expect_event(&wake, IO_READABLE, -ECANCELED);
	ops->remove(engine, &wake);
	close(wake.fd);
	ops->close(engine);
}
END_TEST

static bool polls_readable(int fd, int timeout_ms)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	return poll(&poller, 1, timeout_ms) == 1;
}

START_TEST(the_descriptor_polls_readable_when_a_completion_waits)
{
	struct link link;
	char byte;
	int fd;

	open_engine(2);
	link_tcp(&link);
	/* Started by a busy poll before the first call of fd, and after it. */
	ops->recv(engine, &link.end[1], &byte, 1);
	look_once();
	fd = ops->fd(engine);
	ck_assert_int_ge(fd, 0);
	for (int i = 0; i < 6; i++) {
		/* Each end by turns, the other one's bytes unasked for. */
		struct io_stream *end = &link.end[1 - i % 2];

		if (i > 0) {
			ops->recv(engine, end, &byte, 1);
			look_once();
		}
		ck_assert(!polls_readable(fd, 0));
		ck_assert_int_eq(send(link.end[i % 2].fd, "xy", 2, 0), 2);
		ck_assert(polls_readable(fd, 5000));
		expect_event(end, IO_RECV, 1);
		/* It may be readable once more for what was just taken, not after a look that finds
		 * nothing. */
		look_once();
		ck_assert(!polls_readable(fd, 0));
		ck_assert_int_eq(recv(end->fd, &byte, 1, 0), 1);
		ck_assert_int_eq(ops->fd(engine), fd);
	}
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

/* A completion that lies in the ring: before Linux 6.1 the kernel may put one there at any time. */
START_TEST(the_descriptor_polls_readable_for_what_completed_before_it_was_asked_for)
{
	struct link link;
	struct io_event event;
	char bytes[2];

	if (strcmp(engine_name, "io_uring"))
		return;
	open_engine(2);
	link_tcp(&link);
	for (int i = 0; i < 2; i++) {
		ops->recv(engine, &link.end[i], &bytes[i], 1);
		ck_assert_int_eq(send(link.end[i].fd, "x", 1, 0), 1);
	}
	/* Both complete at once, and one is taken. */
	ck_assert_int_eq(ops->wait(engine, &event, 1, HANG_TIMEOUT_NS), 1);
	ck_assert(polls_readable(ops->fd(engine), 5000));
	ck_assert_int_eq(ops->wait(engine, &event, 1, HANG_TIMEOUT_NS), 1);
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

static void *look_from_another_thread(void *unused)
{
	look_once();
	ck_assert_int_ge(ops->fd(engine), 0);
	return unused;
}

START_TEST(the_descriptor_goes_with_the_engine_to_another_thread)
{
	struct link link;
	pthread_t thread;
	char byte;

	open_engine(2);
	link_tcp(&link);
	ck_assert_int_eq(pthread_create(&thread, NULL, look_from_another_thread, NULL), 0);
	pthread_join(thread, NULL);
	ops->recv(engine, &link.end[1], &byte, 1);
	look_once();
	ck_assert_int_eq(send(link.end[0].fd, "x", 1, 0), 1);
	ck_assert(polls_readable(ops->fd(engine), 5000));
	expect_event(&link.end[1], IO_RECV, 1);
	unlink_both(&link);
	ops->close(engine);
}
END_TEST

START_TEST(closing_with_a_receive_pending_leaves_the_bytes_and_the_buffer)
{
	struct link link;
	char buffer[4];

	for (int i = 0; i < 100; i++) {
		strcpy(buffer, "...");
		open_engine(2);
		link_tcp(&link);
		ops->recv(engine, &link.end[1], buffer, sizeof buffer);
		expect_nothing();
		ops->close(engine);
		ck_assert_int_eq(send(link.end[0].fd, "abc", 4, 0), 4);
		ck_assert_str_eq(buffer, "...");
		ck_assert_int_eq(recv(link.end[1].fd, buffer, sizeof buffer, 0), 4);
		close(link.end[0].fd);
		close(link.end[1].fd);
	}
}
END_TEST

START_TEST(no_more_streams_than_agreed_are_taken)
{
	struct io_stream streams[3] = {{.fd = 0}, {.fd = 0}, {.fd = 0}};

	ck_assert_int_eq(io_engine_open(engine_name, 0, &engine), -EINVAL);
	ck_assert_int_eq(io_engine_open(engine_name, IO_STREAM_COUNT_MAX + 1, &engine), -EINVAL);
	open_engine(IO_STREAM_COUNT_MAX);
	ops->close(engine);
	ops->close(NULL);
	open_engine(2);
	ck_assert_int_eq(ops->add(engine, &streams[0]), 0);
	ck_assert_int_eq(ops->add(engine, &streams[1]), 0);
	ck_assert_int_eq(ops->add(engine, &streams[2]), -ENOSPC);
	ops->remove(engine, &streams[0]);
	ck_assert_int_eq(ops->add(engine, &streams[2]), 0);
	ops->close(engine);
}
END_TEST

void add_wait_tests(TCase *tests)
{
	tcase_add_test(tests, timeouts_are_kept);
	tcase_add_test(tests, a_send_with_a_receive_goes_first_and_starts_in_one_wait);
	tcase_add_test(tests, events_beyond_the_room_stay_for_the_next_wait);
	tcase_add_test(tests, endless_streams_do_not_starve_the_others);
	tcase_add_test(tests, a_send_and_a_receive_share_the_room_for_one_event);
	tcase_add_test(tests, a_watched_eventfd_wakes_from_another_thread);
	tcase_add_test(tests, the_descriptor_polls_readable_when_a_completion_waits);
	tcase_add_test(tests,
		       the_descriptor_polls_readable_for_what_completed_before_it_was_asked_for);
	tcase_add_test(tests, the_descriptor_goes_with_the_engine_to_another_thread);
	tcase_add_test(tests, closing_with_a_receive_pending_leaves_the_bytes_and_the_buffer);
	tcase_add_test(tests, no_more_streams_than_agreed_are_taken);
}
