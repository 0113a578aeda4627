/* SPDX-License-Identifier: Apache-2.0 */
/* A link that becomes narrower under an open session, in a network namespace of this test's own. */
#include "tests/daemon.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES (256 << 10)

static struct daemon_process storaged;
static char bytes[BYTES];

static struct dso_register *open_register(const char *transport, struct dso_session **ret_session)
{
	struct dso_options options = {.transport = transport, .timeout = DSO_SECOND};
	struct dso_register_params params = {.capacity_bytes = BYTES};
	struct dso_register *reg;

	ck_assert_msg(dso_open(storaged.tcp_url, &options, ret_session) == 0, "%s",
		      dso_error(NULL));
	ck_assert_int_eq(dso_register_open(*ret_session, "big", &params, &reg), 0);
	ck_assert_int_eq(dso_register_set(reg, bytes, BYTES, NULL), 0);
	return reg;
}

START_TEST(tcp_goes_on_and_roce_says_why_it_does_not)
{
	static const char *const arguments[] = {"--memory", "8MiB", "--domain", "cpu", NULL};
	struct dso_session *over_tcp, *over_roce;
	struct dso_register *tcp, *roce;
	size_t length;

	daemon_start(&storaged, arguments);
	tcp = open_register("tcp", &over_tcp);
	roce = open_register("roce", &over_roce);
	ck_assert_int_eq(system("ip link set lo mtu 1500"), 0);
	ck_assert_int_eq(dso_register_get(tcp, bytes, BYTES, &length, NULL), 0);
	ck_assert_int_ne(dso_register_get(roce, bytes, BYTES, &length, NULL), 0);
	ck_assert_msg(strstr(dso_error(over_roce), "has become narrower"), "%s",
		      dso_error(over_roce));
	dso_close(over_roce);
	dso_close(over_tcp);
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("narrower");
	TCase *tests = tcase_create("narrower");

	if (unshare(CLONE_NEWNET) || system("ip link set lo up mtu 9000 2> /dev/null")) {
		printf("1..0 # SKIP no network namespace of one's own here\n");
		return 0;
	}
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, tcp_goes_on_and_roce_says_why_it_does_not);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
