/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dso_open against a storaged that a thread plays: how the transports share the time that there is,
 * what is said while one of them is silent, and what is left to read when none works.
 */
#include "proto/control.h"
#include "proto/data.h"
#include "tests/leap/hurry.h"
#include "tests/play.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_TIMEOUT (60 * DSO_SECOND)
/* A timeout that passes when the test says so (tests/leap/hurry.h), and between two heartbeats. */
#define LONG      (300 * DSO_SECOND)
#define HEARTBEAT (LONG / 5)

/* What the player of storaged does in this test. */
static struct {
	uint8_t transports;     /* that it offers */
	unsigned pings_first;   /* QUEUE_PAIR is answered when so many heartbeats came behind it */
	bool refuses;           /* ATTACH */
	uint16_t hello, open;   /* what they are refused with, or 0 */
	bool hangs_up;          /* at HELLO */
	bool drops;             /* whoever asks for something */
	bool is_silent;         /* but for HELLO, ATTACH and OPEN */
	unsigned pings_before;  /* DELETE is answered when so many heartbeats were */
	const char *device;     /* the address of its RDMA device, or NULL */
	_Atomic unsigned pings; /* that came behind QUEUE_PAIR and before its answer */
	_Atomic unsigned goodbyes;
} play;

static const char *url;

static void welcome(int fd, const struct control_header *request)
{
	struct control_welcome welcome = {.version = le16_of(CONTROL_VERSION),
					  .domain = CONTROL_DOMAIN_CPU,
					  .transports = play.transports,
					  .ttl_ms = le32_of(10000),
					  .session = le64_of(65536 + 7),
					  .region_bytes = le64_of(65536)};

	if (play.device) {
		welcome.domain = CONTROL_DOMAIN_DEVICE;
		welcome.verbs_port = le16_of(7471);
		snprintf((char *)welcome.verbs_address, sizeof welcome.verbs_address, "%s",
			 play.device);
	}
	reply(fd, request, WIRE_OK, &welcome, sizeof welcome);
}

/* Say nothing to QUEUE_PAIR before enough heartbeats have come: then refuse it. Time hurries in the
 * library meanwhile. */
static void queue_pair(int fd, const struct control_header *request)
{
	struct control_header ping;

	if (play.pings_first < UINT_MAX)
		hurry_process_begin();
	while (play.pings < play.pings_first && take(fd, &ping, sizeof ping))
		if (le16_get(ping.type) == CONTROL_PING)
			play.pings++;
	hurry_process_end();
	reply(fd, request, WIRE_DEVICE, NULL, 0);
}

static void opened(int fd, const struct control_header *request)
{
	struct control_opened counter = {.offset = le64_of(4096),
					 .length_bytes = le64_of(128),
					 .generation = le32_of(1),
					 .handle = le32_of(1)};

	counter.parameters.parameter[1] = le64_of(1); /* one stripe */
	reply(fd, request, play.open, &counter, play.open ? 0 : sizeof counter);
}

/* Answer that many heartbeats before anything else: the next one is due behind each. */
static void answer_heartbeats(int fd, unsigned count)
{
	struct control_header ping;

	while (count && take(fd, &ping, sizeof ping)) {
		reply(fd, &ping, WIRE_OK, NULL, 0);
		hurry_process_leap(HEARTBEAT);
		count--;
	}
}

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	struct control_header request;
	uint8_t body[CONTROL_BODY_BYTES_MAX];

	while (take(fd, &request, sizeof request) &&
	       le32_get(request.length_bytes) <= sizeof body &&
	       (le32_get(request.length_bytes) == 0 ||
		take(fd, body, le32_get(request.length_bytes)))) {
		unsigned type = le16_get(request.type);

		if (type == CONTROL_HELLO && play.hangs_up)
			break;
		if (type == CONTROL_HELLO && play.hello)
			reply(fd, &request, play.hello, NULL, 0);
		else if (type == CONTROL_HELLO)
			welcome(fd, &request);
		else if (type == CONTROL_QUEUE_PAIR)
			queue_pair(fd, &request);
		else if (type == CONTROL_OPEN)
			opened(fd, &request);
		else if (type != CONTROL_ATTACH && play.drops)
			break;
		else if (type != CONTROL_ATTACH && play.is_silent)
			continue;
		else if (type == CONTROL_DELETE)
			answer_heartbeats(fd, play.pings_before);
		if (type != CONTROL_HELLO && type != CONTROL_QUEUE_PAIR && type != CONTROL_OPEN)
			reply(fd, &request,
			      type == CONTROL_ATTACH && play.refuses ? WIRE_ACCESS : WIRE_OK, NULL,
			      0);
		play.goodbyes += type == CONTROL_GOODBYE;
	}
	close(fd);
	return NULL;
}

static void setup(void)
{
	play.transports = CONTROL_ROCE | CONTROL_TCP;
	play.pings_first = 0;
	play.refuses = play.hangs_up = play.drops = play.is_silent = false;
	play.hello = play.open = 0;
	play.pings_before = 0;
	play.device = NULL;
	play.pings = play.goodbyes = 0;
}

static const char *reason_of(const struct dso_session *session, const char *transport)
{
	static struct dso_transport_report reports[8];
	size_t count = dso_transports(session, reports, 8);

	for (size_t i = 0; i < count && i < 8; i++)
		if (!strcmp(reports[i].name, transport))
			return reports[i].reason;
	return "";
}

START_TEST(heartbeats_go_on_while_a_transport_is_tried)
{
	struct dso_options options = {.timeout = LONG, .open_timeout = 3600 * DSO_SECOND};
	struct dso_session *session;

	play.pings_first = 3;
	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_uint_eq(play.pings, play.pings_first);
	ck_assert_str_eq(dso_transport(session), "tcp");
	dso_close(session);
}
END_TEST

START_TEST(a_silent_transport_leaves_the_next_one_its_turn)
{
	struct dso_options options = {.open_timeout = 20 * DSO_SECOND};
	struct dso_session *session;

	play.pings_first = UINT_MAX;
	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_str_eq(dso_transport(session), "tcp");
	ck_assert_ptr_nonnull(strstr(reason_of(session, "roce"), "did not answer in time"));
	dso_close(session);
}
END_TEST

/* Where there is an RDMA device (tests/rdma/guest), OPENING_SILENT_DEVICE is an address beyond
 * it that swallows packets. */
START_TEST(verbs_whose_packets_vanish_leaves_tcp_its_turn)
{
	struct dso_options options = {.open_timeout = 20 * DSO_SECOND};
	struct dso_session *session;

	play.device = getenv("OPENING_SILENT_DEVICE");
	if (!play.device)
		return;
	play.transports = CONTROL_VERBS | CONTROL_TCP;
	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_str_eq(dso_transport(session), "tcp");
	ck_assert_ptr_nonnull(strstr(reason_of(session, "verbs"), "did not answer over RDMA"));
	dso_close(session);
}
END_TEST

START_TEST(every_reason_is_told_when_nothing_works)
{
	struct dso_options options = {.open_timeout = LONG_TIMEOUT};
	struct dso_session *session = NULL;

	play.refuses = true;
	ck_assert_int_eq(dso_open(url, &options, &session), -EACCES);
	ck_assert_ptr_null(session);
	ck_assert_ptr_nonnull(strstr(dso_error(NULL), "shm: "));
	ck_assert_ptr_nonnull(strstr(dso_error(NULL), "roce: "));
	ck_assert_ptr_nonnull(strstr(dso_error(NULL), "tcp: storaged says: "));
	ck_assert_str_ne(reason_of(NULL, "shm"), "");
	ck_assert_str_ne(reason_of(NULL, "verbs"), "");
	ck_assert_str_ne(reason_of(NULL, "roce"), "");
	ck_assert_ptr_nonnull(strstr(reason_of(NULL, "tcp"), "storaged says: "));
	/* The last one's, not those of the one before. */
	ck_assert_int_eq(dso_open("dso:", &options, &session), -EINVAL);
	ck_assert_uint_eq(dso_transports(NULL, NULL, 0), 0);
}
END_TEST

START_TEST(a_storaged_that_says_nothing_at_all_costs_the_time_to_open_and_no_more)
{
	struct dso_options options = {.timeout = LONG_TIMEOUT, .open_timeout = DSO_SECOND / 5};
	struct dso_session *session = NULL;
	int silent = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	char at[64];

	ck_assert(bind(silent, (struct sockaddr *)&address, sizeof address) == 0 &&
		  listen(silent, 1) == 0 &&
		  getsockname(silent, (struct sockaddr *)&address, &bytes) == 0);
	snprintf(at, sizeof at, "dso://127.0.0.1:%u", ntohs(address.sin_port));
	ck_assert_int_eq(dso_open(at, &options, &session), -ETIMEDOUT);
	ck_assert_ptr_null(session);
	close(silent);
}
END_TEST

START_TEST(times_that_make_no_sense_are_refused_and_those_beyond_all_are_taken)
{
	struct dso_options negative = {.open_timeout = -1},
			   endless = {.timeout = INT64_MAX, .open_timeout = INT64_MAX};
	struct dso_session *session = NULL;

	ck_assert_int_eq(dso_open(url, &negative, &session), -EINVAL);
	ck_assert_int_eq(setenv("DSO_OPEN_TIMEOUT_MS", "soon", 1), 0);
	ck_assert_int_eq(dso_open(url, NULL, &session), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(NULL), "DSO_OPEN_TIMEOUT_MS"));
	unsetenv("DSO_OPEN_TIMEOUT_MS");
	ck_assert_msg(dso_open(url, &endless, &session) == 0, "%s", dso_error(NULL));
	dso_close(session);
}
END_TEST

/* ---- what dso_open() is told ---- */

static const struct {
	const char *what; /* is said of it */
	struct dso_options options;
} senseless[] = {
	{"the transport \"ipx\" is not one of auto, shm, verbs, roce, tcp", {.transport = "ipx"}},
	{"the I/O engine \"aio\" is not one of auto, io_uring, poll", {.io = "aio"}},
	{"the poll policy \"often\" is not one of adaptive, busy, block", {.poll = "often"}},
	{"the timeout is negative", {.timeout = -1}},
	{"the time to open is negative", {.open_timeout = -1}},
	{"the linger is negative", {.linger = -1}},
	{"longer than an hour", {.linger = 3600 * DSO_SECOND + 1}},
	{"the option renew is 0 or 1", {.renew = 2}},
	{"a reserved option is not zero", {.reserved = {0, 0, 0, 0, 1}}},
};

START_TEST(options_that_make_no_sense_are_refused)
{
	struct dso_session *session;

	ck_assert_int_eq(dso_open(url, &senseless[_i].options, &session), -EINVAL);
	ck_assert_msg(strstr(dso_error(NULL), senseless[_i].what), "%s", dso_error(NULL));
}
END_TEST

static const struct {
	const char *name, *senseless, *sensible;
} variables[] = {
	{"DSO_TRANSPORT", "ipx", "tcp"},  {"DSO_IO", "aio", "poll"},
	{"DSO_POLL", "often", "block"},   {"DSO_TIMEOUT_MS", "0", "60000"},
	{"DSO_TIMEOUT_MS", "1s", "1000"}, {"DSO_OPEN_TIMEOUT_MS", "3600001", "3600000"},
};

/* They stand for the options that are not given. */
START_TEST(variables_of_the_environment_are_looked_at)
{
	struct dso_options given = {.transport = "tcp",
				    .io = "poll",
				    .poll = "busy",
				    .timeout = LONG_TIMEOUT,
				    .open_timeout = LONG_TIMEOUT};
	struct dso_session *session;

	setenv(variables[_i].name, variables[_i].senseless, 1);
	ck_assert_int_eq(dso_open(url, NULL, &session), -EINVAL);
	ck_assert_msg(strstr(dso_error(NULL), variables[_i].senseless), "%s", dso_error(NULL));
	ck_assert_int_eq(dso_open(url, &given, &session), 0);
	dso_close(session);
	setenv(variables[_i].name, variables[_i].sensible, 1);
	ck_assert_msg(dso_open(url, NULL, &session) == 0, "%s", dso_error(NULL));
	if (!strcmp(variables[_i].name, "DSO_TRANSPORT"))
		ck_assert_str_eq(reason_of(session, "roce"), "tcp was asked for");
	dso_close(session);
	/* Empty is as good as not set. */
	setenv(variables[_i].name, "", 1);
	ck_assert_msg(dso_open(url, NULL, &session) == 0, "%s", dso_error(NULL));
	dso_close(session);
	unsetenv(variables[_i].name);
}
END_TEST

START_TEST(no_url_is_the_one_of_the_environment)
{
	struct dso_session *session;

	setenv("DSO_URL", url, 1);
	ck_assert_msg(dso_open(NULL, NULL, &session) == 0, "%s", dso_error(NULL));
	ck_assert_str_eq(dso_url(session), url);
	dso_close(session);
	ck_assert_int_eq(dso_open("dso:", NULL, &session), -EINVAL);
	unsetenv("DSO_URL");
}
END_TEST

START_TEST(a_long_url_is_told_whole)
{
	struct dso_session *session;
	char text[512];

	/* An address in octal, with as many zeros as there is room for, and the longest
	 * namespace. */
	snprintf(text, sizeof text, "dso://%0240d177.0.0.1:%s/%063d", 0, strrchr(url, ':') + 1, 7);
	ck_assert_msg(dso_open(text, NULL, &session) == 0, "%s", dso_error(NULL));
	ck_assert_str_eq(dso_url(session), text);
	dso_close(session);
}
END_TEST

/* ---- why there is no session ---- */

static const struct {
	uint16_t status;
	int error;
} refusals[] = {{WIRE_VERSION, -EPROTONOSUPPORT},
		{WIRE_FEATURE, -EPROTONOSUPPORT},
		{WIRE_NO_NAMESPACE, -ENOENT},
		{WIRE_SESSIONS_MAX, -EUSERS},
		{WIRE_PARAMETERS, -EINVAL},
		{WIRE_DRAINING, -ECONNREFUSED},
		{60000, -EPROTO}};

START_TEST(what_storaged_refuses_a_session_for_is_told)
{
	struct dso_session *session;

	play.hello = refusals[_i].status;
	ck_assert_int_eq(dso_open(url, NULL, &session), refusals[_i].error);
	ck_assert_msg(strstr(dso_error(NULL), "storaged says: "), "%s", dso_error(NULL));
	ck_assert_uint_eq(dso_transports(NULL, NULL, 0), 0);
}
END_TEST

START_TEST(a_peer_that_hangs_up_or_does_not_listen_is_told_of)
{
	int deaf = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	struct dso_session *session;
	char at[64];

	ck_assert_int_eq(dso_open("dso+unix:///dev/null/socket", NULL, &session), -ECONNREFUSED);
	play.hangs_up = true;
	ck_assert_int_eq(dso_open(url, NULL, &session), -ECONNRESET);
	ck_assert(bind(deaf, (struct sockaddr *)&address, sizeof address) == 0 &&
		  getsockname(deaf, (struct sockaddr *)&address, &bytes) == 0);
	snprintf(at, sizeof at, "dso://127.0.0.1:%u", ntohs(address.sin_port));
	ck_assert_int_eq(dso_open(at, NULL, &session), -ECONNREFUSED);
	ck_assert_int_eq(dso_open("dso+unix:///nowhere/to/be/found", NULL, &session),
			 -ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(dso_error(NULL), "No such file"));
	/* No name server is asked for that. */
	ck_assert_int_eq(dso_open("dso://two..dots", NULL, &session), -EHOSTUNREACH);
	close(deaf);
}
END_TEST

static const char *const lost[] = {"dso://192.0.2.1", "dso://[2001:db8::1]"};

/* In a network that has nothing in it. */
static int open_nowhere(void)
{
	struct dso_session *session;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 0; /* not here */
	for (unsigned i = 0; i < sizeof lost / sizeof *lost; i++) {
		int r = dso_open(lost[i], NULL, &session);

		if (r != -EHOSTUNREACH) {
			printf("# %s: %d, %s\n", lost[i], r, dso_error(NULL));
			fflush(stdout);
			return 1;
		}
	}
	return 0;
}

START_TEST(an_address_without_a_route_is_told_of)
{
	pid_t pid;

	fflush(stdout);
	pid = child_fork();
	if (pid == 0)
		_exit(open_nowhere());
	ck_assert_int_eq(child_status(pid), 0);
}
END_TEST

START_TEST(a_process_without_descriptors_is_told)
{
	struct rlimit before, none;
	struct dso_session *session;
	int r;

	/* Those that it has stay, and those of the player may be closed at any moment. */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = STDERR_FILENO + 1, .rlim_max = before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = dso_open(url, NULL, &session);
	setrlimit(RLIMIT_NOFILE, &before);
	ck_assert_int_eq(r, -EMFILE);
}
END_TEST

static void *fail_to_open(void *unused)
{
	struct dso_session *session;

	ck_assert_int_eq(dso_open("dso:", NULL, &session), -EINVAL);
	ck_assert_str_ne(dso_error(NULL), "");
	return unused;
}

START_TEST(the_failures_of_another_thread_are_its_own)
{
	struct dso_session *session;
	char before[1024];
	pthread_t thread;

	play.refuses = true;
	ck_assert_int_eq(dso_open(url, NULL, &session), -EACCES);
	snprintf(before, sizeof before, "%s", dso_error(NULL));
	ck_assert_int_eq(pthread_create(&thread, NULL, fail_to_open, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_str_eq(dso_error(NULL), before);
	ck_assert_uint_eq(dso_transports(NULL, NULL, 0), 4);
	/* One that succeeded has left none. */
	play.refuses = false;
	ck_assert_int_eq(dso_open(url, NULL, &session), 0);
	ck_assert_uint_eq(dso_transports(NULL, NULL, 0), 0);
	dso_close(session);
}
END_TEST

/* ---- what a session asks for ---- */

static struct dso_session *session_with_long_timeout(void)
{
	struct dso_options options = {.transport = "tcp", .timeout = LONG_TIMEOUT};
	struct dso_session *session;

	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	return session;
}

static const struct {
	uint16_t status;
	int error;
} closed[] = {{WIRE_NO_MEMORY, -ENOSPC}, {WIRE_OBJECTS_MAX, -ENFILE}, {WIRE_OPENS_MAX, -EMFILE},
	      {WIRE_INTERNAL, -EIO},     {WIRE_TYPE, -EEXIST},        {WIRE_PARAMETERS, -EINVAL}};

START_TEST(why_an_object_is_not_opened_is_told_and_the_session_goes_on)
{
	struct dso_session *session = session_with_long_timeout();
	struct dso_counter *counter;

	play.open = closed[_i].status;
	ck_assert_int_eq(dso_counter_open(session, "c", NULL, &counter), closed[_i].error);
	ck_assert_int_eq(dso_ping(session, NULL), 0);
	dso_close(session);
}
END_TEST

START_TEST(what_the_connection_was_lost_over_may_have_been_done_if_it_does_anything)
{
	struct dso_session *session = session_with_long_timeout();
	struct dso_stat stat;

	play.drops = true;
	ck_assert_int_eq(_i ? dso_object_delete(session, "c")
			    : dso_object_stat(session, "c", &stat),
			 _i ? -ECONNRESET : -ENOTCONN);
	ck_assert_int_eq(dso_object_delete(session, "c"), -ENOTCONN);
	dso_close(session);
}
END_TEST

/* It has much to do. */
START_TEST(an_answer_is_waited_for_while_heartbeats_are_answered)
{
	struct dso_options options = {.transport = "tcp", .timeout = LONG};
	struct dso_session *session;

	/* Longer than the timeout. */
	play.pings_before = 8;
	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_msg(dso_object_delete(session, "c") == 0, "%s", dso_error(session));
	dso_close(session);
}
END_TEST

START_TEST(a_storaged_that_answers_nothing_any_more_is_given_up)
{
	struct dso_options options = {.transport = "tcp", .timeout = DSO_SECOND / 5};
	struct dso_session *session;
	int r;

	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	play.is_silent = true;
	r = dso_ping(session, NULL);
	ck_assert_msg(r == -ETIMEDOUT || r == -ENOTCONN, "%d: %s", r, dso_error(session));
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

/* A handle that was not would reach what lies at its old place. */
START_TEST(where_a_handle_cannot_be_opened_again_there_is_no_new_session)
{
	struct dso_session *session = session_with_long_timeout();
	struct dso_counter *counter;

	ck_assert_int_eq(dso_counter_open(session, "c", NULL, &counter), 0);
	play.drops = true;
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	play.drops = false;
	play.open = WIRE_INTERNAL;
	ck_assert_int_eq(dso_renew(session, NULL, NULL), -EIO);
	ck_assert_int_eq(dso_counter_add(counter, 1, NULL), -ENOTCONN);
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	play.open = 0;
	ck_assert_msg(dso_renew(session, NULL, NULL) == 0, "%s", dso_error(session));
	ck_assert_int_eq(dso_ping(session, NULL), 0);
	dso_close(session);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void)
{
	Suite *suite = suite_create("opening");
	TCase *tests = tcase_create("opening"), *silent = tcase_create("silent device");

	url = play_over_tcp(serve);
	if (!url)
		return 1;
	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, heartbeats_go_on_while_a_transport_is_tried);
	tcase_add_test(tests, a_silent_transport_leaves_the_next_one_its_turn);
	tcase_add_test(tests, every_reason_is_told_when_nothing_works);
	tcase_add_test(tests,
		       a_storaged_that_says_nothing_at_all_costs_the_time_to_open_and_no_more);
	tcase_add_test(tests, times_that_make_no_sense_are_refused_and_those_beyond_all_are_taken);
	tcase_add_loop_test(tests, options_that_make_no_sense_are_refused, 0, COUNT(senseless));
	tcase_add_loop_test(tests, variables_of_the_environment_are_looked_at, 0, COUNT(variables));
	tcase_add_test(tests, no_url_is_the_one_of_the_environment);
	tcase_add_test(tests, a_long_url_is_told_whole);
	tcase_add_loop_test(tests, what_storaged_refuses_a_session_for_is_told, 0, COUNT(refusals));
	tcase_add_test(tests, a_peer_that_hangs_up_or_does_not_listen_is_told_of);
	tcase_add_test(tests, an_address_without_a_route_is_told_of);
	tcase_add_test(tests, a_process_without_descriptors_is_told);
	tcase_add_test(tests, the_failures_of_another_thread_are_its_own);
	tcase_add_loop_test(tests, why_an_object_is_not_opened_is_told_and_the_session_goes_on, 0,
			    COUNT(closed));
	tcase_add_loop_test(
		tests, what_the_connection_was_lost_over_may_have_been_done_if_it_does_anything, 0,
		2);
	tcase_add_test(tests, an_answer_is_waited_for_while_heartbeats_are_answered);
	tcase_add_test(tests, a_storaged_that_answers_nothing_any_more_is_given_up);
	tcase_add_test(tests, where_a_handle_cannot_be_opened_again_there_is_no_new_session);
	suite_add_tcase(suite, tests);
	/* Of tests/rdma/guest. */
	tcase_set_timeout(silent, 600);
	tcase_add_checked_fixture(silent, setup, NULL);
	tcase_add_test(silent, verbs_whose_packets_vanish_leaves_tcp_its_turn);
	suite_add_tcase(suite, silent);
	return run_suite(suite);
}
