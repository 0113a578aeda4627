/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces through the library: every length that a name may have, over every way to storaged. */
#include "tests/daemon.h"
#include "tests/runner.h"

#include <check.h>
#include <dso/dso.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES_MAX 63
#define AT_A_TIME      16 /* namespaces of one storaged */

static struct daemon_process storaged;

/* A name of @bytes bytes. */
static const char *name_of(unsigned bytes)
{
	static char name[NAME_BYTES_MAX + 1];

	snprintf(name, sizeof name, "%.*s", (int)bytes,
		 "blue-namespaces-have-names-of-one-to-sixty-three-bytes-each-of-them");
	return name;
}

/* The namespaces from @first on, as --namespace takes them. */
static const char *list_of(unsigned first)
{
	static char list[AT_A_TIME * (NAME_BYTES_MAX + 2)];

	list[0] = 0;
	for (unsigned i = first; i < first + AT_A_TIME && i <= NAME_BYTES_MAX; i++) {
		strcat(list, i > first ? "," : "");
		strcat(list, name_of(i));
	}
	return list;
}

/* Add to the one counter of the namespace at @url. Returns its value before. */
static int64_t add(const char *url, const char *transport)
{
	struct dso_options options = {.transport = transport};
	struct dso_session *session;
	struct dso_counter *counter;
	int64_t before = -1;
	int r = dso_open(url, &options, &session);

	ck_assert_msg(r == 0, "%s over %s: %s", url, transport, dso_error(NULL));
	ck_assert_int_eq(dso_counter_open(session, "visits", NULL, &counter), 0);
	ck_assert_int_eq(dso_counter_add(counter, 1, &before), 0);
	dso_close(session);
	return before;
}

START_TEST(a_namespace_of_every_length_is_opened_and_is_one_of_its_own)
{
	const char *const arguments[] = {"--memory", "1MiB",        "--domain",
					 "cpu",      "--namespace", list_of(_i * AT_A_TIME + 1),
					 NULL};
	char tcp[256], unix_path[320];

	daemon_start(&storaged, arguments);
	*strrchr(storaged.tcp_url, '/') = 0;
	for (int i = _i * AT_A_TIME + 1; i <= (_i + 1) * AT_A_TIME && i <= NAME_BYTES_MAX; i++) {
		snprintf(tcp, sizeof tcp, "%s/%s", storaged.tcp_url, name_of((unsigned)i));
		snprintf(unix_path, sizeof unix_path, "%s?namespace=%s", storaged.unix_url,
			 name_of((unsigned)i));
		ck_assert_int_eq(add(tcp, "tcp"), 0);
		ck_assert_int_eq(add(tcp, "roce"), 1);
		ck_assert_int_eq(add(unix_path, "shm"), 2);
		ck_assert_int_eq(add(unix_path, "tcp"), 3);
	}
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("namespaces");
	TCase *tests = tcase_create("namespaces");

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, a_namespace_of_every_length_is_opened_and_is_one_of_its_own, 0,
			    (NAME_BYTES_MAX + AT_A_TIME - 1) / AT_A_TIME);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
