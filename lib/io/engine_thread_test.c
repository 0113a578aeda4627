/* SPDX-License-Identifier: Apache-2.0 */
/* Engines that go from thread to thread. */
#include "lib/io/engine_test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct handover {
	struct link link;
	char buffer[4];
};

static void *receive_one(void *context)
{
	struct handover *handover = context;

	ops->recv(engine, &handover->link.end[1], handover->buffer, sizeof handover->buffer);
	ck_assert_int_eq(send(handover->link.end[0].fd, "one", 4, 0), 4);
	expect_event(&handover->link.end[1], IO_RECV, 4);
	return NULL;
}

START_TEST(an_engine_with_nothing_pending_goes_from_thread_to_thread)
{
	struct handover handover;
	pthread_t thread;

	open_engine(2);
	link_tcp(&handover.link);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, receive_one, &handover), 0);
		pthread_join(thread, NULL);
		receive_one(&handover);
	}
	unlink_both(&handover.link);
	ops->close(engine);
}
END_TEST

static void *look_for_one(void *context)
{
	struct handover *handover = context;

	ops->recv(engine, &handover->link.end[1], handover->buffer, sizeof handover->buffer);
	look_once();
	return NULL;
}

START_TEST(busy_polling_goes_on_in_another_thread)
{
	struct handover handover;
	pthread_t thread;

	open_engine(2);
	link_tcp(&handover.link);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, look_for_one, &handover), 0);
		pthread_join(thread, NULL);
		ops->send(engine, &handover.link.end[0], "one", 4);
		settle((struct io_stream *[]){&handover.link.end[0], &handover.link.end[1]}, 2);
		ck_assert_str_eq(handover.buffer, "one");
	}
	/* And nothing is received that was not asked for. */
	ck_assert_int_eq(send(handover.link.end[0].fd, "two", 4, 0), 4);
	look_once();
	ck_assert_int_eq(recv(handover.link.end[1].fd, handover.buffer, 4, MSG_DONTWAIT), 4);
	unlink_both(&handover.link);
	ops->close(engine);
}
END_TEST

static void *wait_elsewhere(void *context)
{
	struct handover *handover = context;
	bool may_refuse = strcmp(engine_name, "io_uring") == 0;
	struct io_event event;
	int count;

	count = ops->wait(engine, &event, 1, MILLISECOND_NS);
	ck_assert(count == 0 || (may_refuse && count == -EEXIST));
	ops->send(engine, &handover->link.end[0], "one", 4);
	count = ops->wait(engine, &event, 1, 0);
	ck_assert(count == 1 || (may_refuse && count == -EEXIST));
	return NULL;
}

START_TEST(what_is_pending_survives_a_wait_in_another_thread)
{
	struct handover handover;
	pthread_t thread;

	open_engine(2);
	link_tcp(&handover.link);
	ops->recv(engine, &handover.link.end[1], handover.buffer, sizeof handover.buffer);
	expect_nothing();
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_elsewhere, &handover), 0);
	pthread_join(thread, NULL);
	while (handover.link.end[0].pending || handover.link.end[1].pending)
		ck_assert_int_ge(next_event().result, 0);
	ck_assert_str_eq(handover.buffer, "one");
	unlink_both(&handover.link);
	ops->close(engine);
}
END_TEST

void add_thread_tests(TCase *tests)
{
	tcase_add_test(tests, an_engine_with_nothing_pending_goes_from_thread_to_thread);
	tcase_add_test(tests, busy_polling_goes_on_in_another_thread);
	tcase_add_test(tests, what_is_pending_survives_a_wait_in_another_thread);
}
