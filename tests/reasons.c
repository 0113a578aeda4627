/* SPDX-License-Identifier: Apache-2.0 */
/* Why a session ended: storaged counts each end for one reason, and logs it once. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/leap/leap.h"
#include "tests/raw_client.h"
#include "tests/runner.h"

struct client {
	int fd;
	struct control_welcome welcome;
};

#define TTL_NS INT64_C(3600000000000)

static struct client client, observer;

static struct client client_new(int (*dial)(void))
{
	struct client new = {.fd = dial ? dial() : dial_unix()};

	new.welcome = greet(new.fd);
	return new;
}

/* ---- the ends ---- */

static void say_goodbye(void)
{
	struct message reply;

	ck_assert_uint_eq(call(client.fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
}

static void close_control(void)
{
	close(client.fd);
	client.fd = -1;
}

/* As a firewall does, or a client that has not read all. */
static void reset(int fd)
{
	struct linger none = {.l_onoff = 1};

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
	close(fd);
}

static void reset_control(void)
{
	reset(client.fd);
	client.fd = -1;
}

static void break_the_protocol(void)
{
	send_all(client.fd, "this is no message of this protocol", 35);
}

/* A data connection that storaged knows to be the session's path. */
static int data_in_use(void)
{
	int fd = attach_tcp(&client.welcome);
	struct message reply;

	use(client.fd, CONTROL_TCP);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	return fd;
}

static void close_data(void)
{
	close(data_in_use());
}

static void reset_data(void)
{
	reset(data_in_use());
}

static void break_the_protocol_of_data(void)
{
	static const char garbage[64] = "this is no request";

	send_all(data_in_use(), garbage, sizeof garbage);
}

static void choose_a_path_that_is_not_there(void)
{
	use(client.fd, CONTROL_TCP);
}

/* Of three messages of the observer. */
static void be_silent(void)
{
	for (int i = 0; i < 4; i++) {
		server_stat(observer.fd);
		leap(storaged.pid, TTL_NS / 3);
	}
}

static const struct {
	const char *name, *sentence;
	void (*end)(void);
	int (*dial)(void); /* NULL: over the unix socket */
} ends[] = {
	{"goodbye", "its client said goodbye", say_goodbye},
	{"control_closed", "its control connection ended", close_control},
	{"control_broke", "its control connection broke (Connection reset by peer)", reset_control,
	 dial_tcp},
	{"data_broke", "its data connection broke (Connection reset by peer)", reset_data},
	{"protocol", "its client broke the protocol", break_the_protocol},
	{"data_closed", "its data connection was closed", close_data},
	{"data_protocol", "it broke the protocol of the data path", break_the_protocol_of_data},
	{"path_gone", "the path that its client chose had ended", choose_a_path_that_is_not_there},
	{"silent", "the session was silent for longer than the TTL", be_silent},
};

/* ---- what storaged says of them ---- */

static FILE *log_file;

/* storaged's standard error is this process's. */
static void begin(int (*dial)(void))
{
	const char *const arguments[] = {"--memory", "1MiB", "--domain", "cpu",
					 "--ttl",    "60m",  NULL};
	int before = dup(2), log = memfd_create("log", MFD_CLOEXEC);

	ck_assert_int_ge(dup2(log, 2), 0);
	daemon_start(&storaged, arguments);
	dup2(before, 2);
	close(before);
	log_file = fdopen(log, "r");
	observer = client_new(NULL);
	client = client_new(dial);
}

/* Returns how many lines of the log say that a session is over, and counts those that say
 * @sentence. */
static unsigned logged(const char *sentence, unsigned *ret_count)
{
	unsigned count = 0;
	char line[512];

	*ret_count = 0;
	rewind(log_file);
	while (fgets(line, sizeof line, log_file)) {
		const char *over = strstr(line, ") is over: ");

		count += over != NULL;
		*ret_count += over && strstr(line, "session ") &&
			      !strncmp(over + 11, sentence, strlen(sentence)) &&
			      !strncmp(over + 11 + strlen(sentence), "; holds taken back: 0\n", 23);
	}
	return count;
}

/* Only the session of @name has ended. */
static void expect_counted(const char *name)
{
	static const char prefix[] = "sessions_ended_";
	struct control_figure entry;
	struct message reply;
	bool found = false;
	size_t bytes;

	ck_assert_uint_eq(call(observer.fd, CONTROL_FIGURES, NULL, 0, &reply), WIRE_OK);
	bytes = le32_get(reply.header.length_bytes);
	for (size_t at = sizeof(struct control_figures); at < bytes; at += sizeof entry) {
		const char *reason = (const char *)entry.name + strlen(prefix);
		bool is_it;

		memcpy(&entry, reply.body + at, sizeof entry);
		if (strncmp((const char *)entry.name, prefix, strlen(prefix)))
			continue;
		is_it = !strcmp(reason, name);
		ck_assert_msg(le64_get(entry.value) == is_it, "%s: %llu ended for %s", name,
			      (unsigned long long)le64_get(entry.value), reason);
		found |= is_it;
	}
	ck_assert_msg(found, "%s is not counted", name);
}

START_TEST(each_end_is_counted_for_its_reason_and_logged_once)
{
	unsigned count;

	begin(ends[_i].dial);
	ends[_i].end();
	AWAIT(le64_get(server_stat(observer.fd).sessions) == 1);
	expect_counted(ends[_i].name);
	ck_assert_uint_eq(logged(ends[_i].sentence, &count), 1);
	ck_assert_msg(count == 1, "%s is not logged", ends[_i].name);
	/* The observer is told that storaged shuts down. */
	ck_assert_int_eq(daemon_stop(&storaged), 0);
	ck_assert_uint_eq(logged("storaged is shutting down", &count), 2);
	ck_assert_uint_eq(count, 1);
	fclose(log_file);
	close(observer.fd);
	close(client.fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reasons");
	TCase *tests = tcase_create("reasons");

	leap_prepare();
	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, each_end_is_counted_for_its_reason_and_logged_once, 0,
			    sizeof ends / sizeof *ends);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
