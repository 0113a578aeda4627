/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dso_open against a storaged that a thread plays: how the transports share the time that there is,
 * what is said while one of them is silent, and what is left to read when none works.
 */
#include "proto/control.h"
#include "proto/data.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENT (60 * DSO_SECOND)

/* What the player of storaged does in this test. */
static struct {
	uint8_t transports;     /* that it offers */
	unsigned pings_first;   /* QUEUE_PAIR is answered when so many heartbeats came behind it */
	bool refuses;           /* ATTACH */
	const char *device;     /* the address of its RDMA device, or NULL */
	_Atomic unsigned pings; /* that came behind QUEUE_PAIR and before its answer */
	_Atomic unsigned goodbyes;
} play;

static int listener;
static char url[64];

static bool take(int fd, void *bytes, size_t count)
{
	return recv(fd, bytes, count, MSG_WAITALL) == (ssize_t)count;
}

static void answer(int fd, const struct control_header *request, uint16_t status, const void *body,
		   uint32_t bytes)
{
	uint8_t message[sizeof(struct control_header) + CONTROL_BODY_BYTES_MAX];
	struct control_header header = control_header_of(le16_get(request->type), status,
							 le32_get(request->request), bytes);

	memcpy(message, &header, sizeof header);
	if (bytes)
		memcpy(message + sizeof header, body, bytes);
	if (send(fd, message, sizeof header + bytes, MSG_NOSIGNAL) < 0)
		return; /* the library has hung up */
}

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
	answer(fd, request, WIRE_OK, &welcome, sizeof welcome);
}

/* Say nothing to QUEUE_PAIR before enough heartbeats have come: then refuse it. */
static void queue_pair(int fd, const struct control_header *request)
{
	struct control_header ping;

	while (play.pings < play.pings_first && take(fd, &ping, sizeof ping))
		if (le16_get(ping.type) == CONTROL_PING)
			play.pings++;
	answer(fd, request, WIRE_DEVICE, NULL, 0);
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

		if (type == CONTROL_HELLO)
			welcome(fd, &request);
		else if (type == CONTROL_QUEUE_PAIR)
			queue_pair(fd, &request);
		else
			answer(fd, &request,
			       type == CONTROL_ATTACH && play.refuses ? WIRE_ACCESS : WIRE_OK, NULL,
			       0);
		play.goodbyes += type == CONTROL_GOODBYE;
	}
	close(fd);
	return NULL;
}

static void *accept_all(void *unused)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
	return unused;
}

static void setup(void)
{
	play.transports = CONTROL_ROCE | CONTROL_TCP;
	play.pings_first = 0;
	play.refuses = false;
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
	struct dso_options options = {.timeout = DSO_SECOND / 5, .open_timeout = PATIENT};
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
	struct dso_options options = {.open_timeout = 6 * DSO_SECOND};
	struct dso_session *session;

	play.pings_first = 1000000;
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
	struct dso_options options = {.open_timeout = PATIENT};
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
	struct dso_options options = {.timeout = PATIENT, .open_timeout = DSO_SECOND / 5};
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

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof address;
	Suite *suite = suite_create("opening");
	TCase *tests = tcase_create("opening");
	pthread_t thread;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&address, &address_bytes) ||
	    pthread_create(&thread, NULL, accept_all, NULL))
		return 1;
	snprintf(url, sizeof url, "dso://127.0.0.1:%u", ntohs(address.sin_port));
	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, heartbeats_go_on_while_a_transport_is_tried);
	tcase_add_test(tests, a_silent_transport_leaves_the_next_one_its_turn);
	tcase_add_test(tests, verbs_whose_packets_vanish_leaves_tcp_its_turn);
	tcase_add_test(tests, every_reason_is_told_when_nothing_works);
	tcase_add_test(tests,
		       a_storaged_that_says_nothing_at_all_costs_the_time_to_open_and_no_more);
	tcase_add_test(tests, times_that_make_no_sense_are_refused_and_those_beyond_all_are_taken);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
