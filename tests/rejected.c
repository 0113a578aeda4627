/* SPDX-License-Identifier: Apache-2.0 */
/* A client that broke the protocol, has been told so, and keeps its connection all the same. */
#include "tests/leap/leap.h"
#include "tests/raw_client.h"
#include "tests/runner.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static bool can_send(int fd)
{
	return send(fd, "", 1, MSG_NOSIGNAL) == 1;
}

/* For how long what it sends is thrown away (storaged/control/control.h). */
#define CLOSING_NS INT64_C(1000000000)

/* Before and after HELLO, which have limits of their own. */
START_TEST(a_rejected_connection_is_closed_though_the_client_keeps_it_and_goes_on_sending)
{
	static const char garbage[512] = "this is no message";
	int fd = _i & 1 ? dial_unix() : dial_tcp();
	struct message reply;
	unsigned leaps = 0;

	if (_i & 2)
		greet(fd);
	send_all(fd, garbage, sizeof garbage);
	ck_assert(receive_message(fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_MALFORMED);
	ck_assert(is_closed(fd));
	for (; can_send(fd); leaps++)
		leap(storaged.pid, CLOSING_NS / 10);
	ck_assert_uint_ge(leaps, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rejected");
	TCase *tests = tcase_create("rejected");

	leap_prepare();
	daemon_start(&storaged, (const char *const[]){"--ttl", "60m", NULL});
	leap_stand(storaged.pid);
	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(
		tests,
		a_rejected_connection_is_closed_though_the_client_keeps_it_and_goes_on_sending, 0,
		4);
	suite_add_tcase(suite, tests);
	return run_suite(suite) | daemon_stop(&storaged);
}
