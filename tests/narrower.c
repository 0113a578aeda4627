/* SPDX-License-Identifier: Apache-2.0 */
/* A link that becomes narrower under an open session, in a network namespace of this test's own. */
#include "tests/bytes.h"
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
static const char *const tested[] = {"tcp", "roce"};

static void start(void)
{
	static const char *const arguments[] = {"--memory", "8MiB", "--domain", "cpu", NULL};

	ck_assert_int_eq(system("ip link set lo mtu 9000"), 0);
	daemon_start(&storaged, arguments);
}

static struct dso_register *open_register(const char *transport, struct dso_session **ret_session)
{
	struct dso_options options = {.transport = transport, .timeout = DSO_SECOND};
	struct dso_register_params params = {.capacity_bytes = BYTES};
	struct dso_register *reg;

	ck_assert_msg(dso_open(storaged.tcp_url, &options, ret_session) == 0, "%s",
		      dso_error(NULL));
	ck_assert_int_eq(dso_register_open(*ret_session, "big", &params, &reg), 0);
	return reg;
}

/* Long packets both ways: @value everywhere. */
static void set_and_get(struct dso_session *session, struct dso_register *reg, char value)
{
	size_t length;

	memset(bytes, value, BYTES);
	ck_assert_msg(dso_register_set(reg, bytes, BYTES, NULL) == 0, "%s", dso_error(session));
	memset(bytes, 0, BYTES);
	ck_assert_msg(dso_register_get(reg, bytes, BYTES, &length, NULL) == 0, "%s",
		      dso_error(session));
	ck_assert_uint_eq(length, BYTES);
	ck_assert(bytes_are(bytes, BYTES, value));
}

static uint64_t figure_of(struct dso_session *session, const char *name)
{
	struct dso_figure figures[DSO_FIGURES_MAX];
	size_t count;

	ck_assert_int_eq(dso_transport_stat(session, figures, DSO_FIGURES_MAX, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (!figures[i].at_storaged && !strcmp(figures[i].name, name))
			return figures[i].value;
	ck_abort_msg("no figure %s", name);
}

START_TEST(a_session_goes_on_and_the_next_one_has_shorter_packets)
{
	struct dso_session *session, *next;
	struct dso_register *reg, *again;

	start();
	reg = open_register(tested[_i], &session);
	set_and_get(session, reg, 1);
	ck_assert_int_eq(system("ip link set lo mtu 1500"), 0);
	set_and_get(session, reg, 2);
	again = open_register(tested[_i], &next);
	set_and_get(next, again, 3);
	if (!strcmp(tested[_i], "roce")) {
		ck_assert_uint_eq(figure_of(session, "mtu_bytes"), 4096);
		ck_assert_uint_eq(figure_of(next, "mtu_bytes"), 1024);
	}
	ck_assert_int_eq(system("ip link set lo mtu 9000"), 0);
	set_and_get(session, reg, 4);
	dso_close(next);
	dso_close(session);
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}
END_TEST

START_TEST(where_fragments_are_swallowed_the_session_says_why_it_ends)
{
	struct dso_session *session;
	struct dso_register *reg;
	size_t length;

	start();
	reg = open_register("roce", &session);
	set_and_get(session, reg, 1);
	ck_assert_int_eq(system("nft 'table ip t { chain c { type filter hook prerouting priority "
				"-500; ip frag-off & 0x3fff != 0 drop; }; }'"),
			 0);
	ck_assert_int_eq(system("ip link set lo mtu 1500"), 0);
	ck_assert_int_ne(dso_register_get(reg, bytes, BYTES, &length, NULL), 0);
	ck_assert_msg(strstr(dso_error(session), "has become narrower"), "%s", dso_error(session));
	ck_assert_int_eq(system("nft flush ruleset"), 0);
	dso_close(session);
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
	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, a_session_goes_on_and_the_next_one_has_shorter_packets, 0,
			    sizeof tested / sizeof *tested);
	if (system("nft list ruleset > /dev/null 2>&1") == 0)
		tcase_add_test(tests, where_fragments_are_swallowed_the_session_says_why_it_ends);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
