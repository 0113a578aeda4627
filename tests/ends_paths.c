/* SPDX-License-Identifier: Apache-2.0 */
/* A session is whole or over: whichever of its paths breaks, and at whichever end that is seen
 * first. */
#include "tests/await.h"
#include "proto/control.h"
#include "tests/ends.h"
#include "tests/transports.h"
#include "tests/holds.h"
#include "tests/leap/hurry.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FD_COUNT 256

/* The sockets of a session: those that are there after it was opened and were not before. */
struct sockets {
	bool before[FD_COUNT];
	int control, data; /* the first and the last stream */
	int datagrams;
};

static int type_of(int fd)
{
	int type = -1;
	socklen_t bytes = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) ? -1 : type;
}

static void look_before(struct sockets *sockets)
{
	for (int fd = 0; fd < FD_COUNT; fd++)
		sockets->before[fd] = type_of(fd) >= 0;
}

static void look_after(struct sockets *sockets)
{
	sockets->control = sockets->data = sockets->datagrams = -1;
	for (int fd = 0; fd < FD_COUNT; fd++) {
		int type = sockets->before[fd] ? -1 : type_of(fd);

		if (type == SOCK_DGRAM)
			sockets->datagrams = fd;
		if (type != SOCK_STREAM)
			continue;
		sockets->data = fd;
		if (sockets->control < 0)
			sockets->control = fd;
	}
}

static void break_data_connection(const struct sockets *sockets)
{
	ck_assert_int_ne(sockets->data, sockets->control);
	ck_assert_int_eq(shutdown(sockets->data, SHUT_RDWR), 0);
}

/* Packets go nowhere from here on, and none come. */
static void break_queue_pair(const struct sockets *sockets)
{
	int pair[2];

	ck_assert_int_ge(sockets->datagrams, 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_ge(dup2(pair[0], sockets->datagrams), 0);
	close(pair[0]);
	close(pair[1]);
}

static void break_control_connection(const struct sockets *sockets)
{
	ck_assert_int_eq(shutdown(sockets->control, SHUT_RDWR), 0);
}

static const struct way {
	const char *transport, *io;
	void (*break_it)(const struct sockets *sockets);
	bool is_silent; /* from then on: it is given up by its timeout alone */
} ways[] = {
	{"tcp", "io_uring", break_data_connection, false},
	{"tcp", "poll", break_data_connection, false},
	{"roce", "auto", break_queue_pair, true},
	{"tcp", "auto", break_control_connection, false},
	{"roce", "auto", break_control_connection, false},
	{"shm", "auto", break_control_connection, false},
};
#define WAYS (sizeof ways / sizeof *ways)

static void setup(void)
{
	static const char *const arguments[] = {"--memory", "64MiB", "--ttl", "20m", NULL};

	ends_start(arguments);
}

static void open_over(const struct way *way, struct hand *hand, struct sockets *sockets)
{
	hand->timeout = ENDS_HANG_TIMEOUT;
	setenv("DSO_IO", way->io, 1);
	look_before(sockets);
	ck_assert_msg(open_hand(daemon_url(&storage, way->transport), way->transport, hand) == 0,
		      "%s", dso_error(NULL));
	look_after(sockets);
	unsetenv("DSO_IO");
}

static bool is_lost(int error)
{
	return error == -ENOTCONN || error == -ESHUTDOWN;
}

/* The session lives on in its process, and closes what it has open. Others get what it held all the
 * same. */
START_TEST(what_a_session_held_is_taken_back_whichever_path_breaks)
{
	const struct way *way = &ways[_i / KINDS];
	const struct kind *kind = &kinds[_i % KINDS];
	/* Nobody has noticed before the hold is given back, where that takes the data path
	 * alone. */
	bool maps = !strcmp(way->transport, "shm");
	bool may_give = way->break_it == break_control_connection;
	struct hand hand = {.me = 2}, other = {.me = 4};
	struct sockets sockets;
	int r;

	open_over(way, &hand, &sockets);
	ck_assert_int_eq(open_hand(daemon_url(&storage, "tcp"), "tcp", &other), 0);
	ck_assert_int_eq(kind->take(&hand, ENDS_HANG_TIMEOUT), 0);
	way->break_it(&sockets);
	if (way->is_silent)
		hurry_thread_begin();
	r = kind->give(&hand);
	hurry_thread_end();
	ck_assert_msg(is_lost(r) || r == -ECONNRESET || (may_give && r == 0), "%s over %s: %d, %s",
		      kind->name, way->transport, r, dso_error(hand.session));
	/* It may take a moment until a control connection is found broken. */
	AWAIT((r = dso_ping(hand.session, NULL)) != 0);
	ck_assert_msg(is_lost(r), "%d", r);
	dso_mutex_close(hand.mutex);
	dso_rwlock_close(hand.rwlock);
	dso_semaphore_close(hand.semaphore);
	dso_once_close(hand.once);
	if (maps)
		dso_close(hand.session);
	r = kind->take(&other, ENDS_HANG_TIMEOUT);
	ck_assert_msg(r == 0 || r == -EOWNERDEAD, "%s over %s: %d", kind->name, way->transport, r);
	if (!maps)
		dso_close(hand.session);
	ends_until_sessions(other.session, 1);
	dso_close(other.session);
}
END_TEST

static int option_of(int fd, int level, int option)
{
	int value = 0;
	socklen_t bytes = sizeof value;

	ck_assert_int_eq(getsockopt(fd, level, option, &value, &bytes), 0);
	return value;
}

/* Less than a minute goes by without a packet, at both ends. */
START_TEST(an_idle_data_connection_is_kept_alive)
{
	struct hand hand = {.me = 2};
	struct sockets sockets;

	open_over(&ways[0], &hand, &sockets);
	ck_assert_int_eq(option_of(sockets.data, SOL_SOCKET, SO_KEEPALIVE), 1);
	ck_assert_int_lt(option_of(sockets.data, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	dso_close(hand.session);
}
END_TEST

/* Nothing is under way on it. storaged sees its end, and says so. */
START_TEST(an_idle_session_is_told_that_its_data_connection_ended)
{
	const struct way *way = &ways[_i];
	struct hand hand = {.me = 2};
	struct sockets sockets;
	int r;

	open_over(way, &hand, &sockets);
	way->break_it(&sockets);
	AWAIT((r = dso_ping(hand.session, NULL)) != 0);
	ck_assert_int_eq(r, -ESHUTDOWN);
	ck_assert_msg(strstr(dso_error(hand.session), "data connection") != NULL, "%s",
		      dso_error(hand.session));
	ck_assert_int_eq(dso_mutex_lock(hand.mutex, DSO_NOWAIT, NULL), -ESHUTDOWN);
	dso_close(hand.session);
}
END_TEST

/* ---- figures ---- */

struct counted {
	struct dso_session *session;
	uint64_t operations;
};

static bool are_counted(void *context)
{
	const struct counted *counted = context;
	struct dso_server_stat stat;

	ck_assert_int_eq(dso_server_stat(counted->session, &stat), 0);
	ck_assert_uint_le(stat.operations, counted->operations);
	return stat.operations == counted->operations;
}

START_TEST(every_operation_over_tcp_is_counted_once)
{
	struct counted counted = {.session = ends_open("tcp", 0), .operations = 1000};
	struct dso_counter *counter;

	ck_assert_int_eq(dso_counter_open(counted.session, "c", NULL, &counter), 0);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(dso_counter_add(counter, 1, NULL), 0);
	ends_until(are_counted, &counted, "operations are counted");
	dso_close(counted.session);
}
END_TEST

/* ---- goodbye ---- */

static uint64_t lost_count(struct dso_session *observer)
{
	struct dso_server_stat stat;

	ck_assert_int_eq(dso_server_stat(observer, &stat), 0);
	return stat.sessions_lost;
}

/* More than any buffer on the way has room for. */
#define HANDLES 6000

START_TEST(a_session_may_close_thousands_of_handles_in_a_loop)
{
	static struct dso_counter *handles[HANDLES];
	struct dso_session *session = ends_open(transports[_i], 0);

	for (int i = 0; i < HANDLES; i++)
		ck_assert_int_eq(dso_counter_open(session, "c", NULL, &handles[i]), 0);
	for (int i = 0; i < HANDLES; i++)
		dso_counter_close(handles[i]);
	ck_assert_int_eq(dso_ping(session, NULL), 0);
	dso_close(session);
}
END_TEST

START_TEST(a_tidy_close_is_a_tidy_end_however_much_is_under_way)
{
	static struct dso_counter *handles[HANDLES];
	struct dso_session *observer = ends_open("tcp", 0);
	struct dso_session *session = ends_open(transports[_i], 0);

	for (int i = 0; i < HANDLES; i++)
		ck_assert_int_eq(dso_counter_open(session, "c", NULL, &handles[i]), 0);
	for (int i = 0; i < HANDLES; i++)
		dso_counter_close(handles[i]);
	dso_close(session);
	ends_until_sessions(observer, 1);
	ck_assert_uint_eq(lost_count(observer), 0);
	dso_close(observer);
}
END_TEST

static int raw_session(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct {
		struct control_header header;
		struct control_hello hello;
	} request = {
		.header = control_header_of(CONTROL_HELLO, 0, 1, sizeof request.hello),
		.hello = {.version_min = le16_of(CONTROL_VERSION),
			  .version_max = le16_of(CONTROL_VERSION),
			  .name_space = "default"},
	};
	struct {
		struct control_header header;
		struct control_welcome welcome;
	} reply;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(request.hello.magic, CONTROL_MAGIC, sizeof request.hello.magic);
	strcpy(address.sun_path, storage.unix_url + strlen("dso+unix://"));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq((int)write(fd, &request, sizeof request), (int)sizeof request);
	ck_assert_int_eq((int)recv(fd, &reply, sizeof reply, MSG_WAITALL), (int)sizeof reply);
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
	return fd;
}

/* storaged finds nobody to answer to before it has read the goodbye. */
START_TEST(storaged_reads_to_the_end_behind_a_send_that_failed)
{
	struct dso_session *observer = ends_open("tcp", 0);
	const struct control_header ping = control_header_of(CONTROL_PING, 0, 1, 0);
	const struct control_header goodbye = control_header_of(CONTROL_GOODBYE, 0, 1, 0);
	int fd = raw_session();

	for (int i = 0; i < 500; i++)
		ck_assert_int_eq((int)write(fd, &ping, sizeof ping), (int)sizeof ping);
	ck_assert_int_eq((int)write(fd, &goodbye, sizeof goodbye), (int)sizeof goodbye);
	close(fd);
	ends_until_sessions(observer, 1);
	ck_assert_uint_eq(lost_count(observer), 0);
	dso_close(observer);
}
END_TEST

Suite *ends_paths_suite(void)
{
	Suite *suite = suite_create("paths");
	TCase *tests = tcase_create("paths");

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, setup, ends_stop);
	tcase_add_loop_test(tests, what_a_session_held_is_taken_back_whichever_path_breaks, 0,
			    WAYS * KINDS);
	tcase_add_loop_test(tests, an_idle_session_is_told_that_its_data_connection_ended, 0, 2);
	tcase_add_test(tests, an_idle_data_connection_is_kept_alive);
	tcase_add_test(tests, every_operation_over_tcp_is_counted_once);
	tcase_add_loop_test(tests, a_session_may_close_thousands_of_handles_in_a_loop, 0,
			    transport_count);
	tcase_add_loop_test(tests, a_tidy_close_is_a_tidy_end_however_much_is_under_way, 0,
			    transport_count);
	tcase_add_test(tests, storaged_reads_to_the_end_behind_a_send_that_failed);
	suite_add_tcase(suite, tests);
	return suite;
}
