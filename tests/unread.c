/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that do not read what storaged answers, and are gone all at once: storaged hears of each,
 * and of those beside them. */
#include <check.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/await.h"
#include "tests/raw_client.h"
#include "tests/runner.h"

#define REQUESTS_MAX 1000000 /* far more than fit into a connection */
#define CLIENTS      60
#define LISTINGS     12 /* of a client: more than a turn of storaged has room for, of all of them */
#define TURNS        3

static void set_up(void)
{
	static const char *const arguments[] = {"--memory", "64MiB",       "--domain",
						"cpu",      "--log-level", "error",
						"--ttl",    "60m",         NULL};

	daemon_start(&storaged, arguments);
}

static void tear_down(void)
{
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}

static int begin_session(void)
{
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct message reply;
	int fd = dial_unix();

	hello.features_offered = le64_of(CONTROL_FEATURES);
	ck_assert_uint_eq(call(fd, CONTROL_HELLO, &hello, sizeof hello, &reply), WIRE_OK);
	return fd;
}

/* Bytes that storaged has not read, when it has had its turns to. */
static int unread(int fd, int other)
{
	struct message reply;
	int bytes;

	for (unsigned i = 0; i < TURNS; i++)
		ck_assert_uint_eq(call(other, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	ck_assert_int_eq(ioctl(fd, SIOCOUTQ, &bytes), 0);
	return bytes;
}

/* Ask for what has long answers until storaged does not read on, and say goodbye behind that. */
static void ask_without_reading(int fd, int other)
{
	unsigned count = 0;

	do {
		ck_assert_uint_lt(count++, REQUESTS_MAX);
		send_request(fd, CONTROL_SERVER_STAT, NULL, 0);
	} while (unread(fd, other) == 0);
	send_request(fd, CONTROL_GOODBYE, NULL, 0);
}

static uint64_t session_count(int fd)
{
	return le64_get(server_stat(fd).sessions);
}

START_TEST(clients_that_have_not_read_and_are_gone_at_once_are_all_heard_of)
{
	int other = begin_session(), busy[CLIENTS], gone[CLIENTS];
	struct control_list list = {0};
	struct message reply;

	for (unsigned i = 0; i < CLIENTS; i++) {
		busy[i] = begin_session();
		gone[i] = begin_session();
		ask_without_reading(gone[i], other);
	}
	process_freeze(storaged.pid);
	for (unsigned i = 0; i < CLIENTS * LISTINGS; i++)
		send_request(busy[i % CLIENTS], CONTROL_LIST, &list, sizeof list);
	for (unsigned i = 0; i < CLIENTS; i++)
		close(gone[i]);
	kill(storaged.pid, SIGCONT);
	AWAIT(session_count(other) <= 1 + CLIENTS);
	/* Each of these has its turn behind others. */
	for (unsigned i = 0; i < CLIENTS * LISTINGS; i++)
		ck_assert(receive_message(busy[i % CLIENTS], &reply));
	ck_assert_uint_eq(call(other, CONTROL_LIST, &list, sizeof list, &reply), WIRE_OK);
	for (unsigned i = 0; i < CLIENTS; i++)
		close(busy[i]);
	close(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unread");
	TCase *tcase = tcase_create("unread");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, clients_that_have_not_read_and_are_gone_at_once_are_all_heard_of);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
