/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/remote/url.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct url url;
static char reason[200];

static int parse(const char *text)
{
	reason[0] = 0;
	return url_parse(text, &url, reason, sizeof reason);
}

START_TEST(a_host_alone_has_the_default_port_and_namespace)
{
	ck_assert_int_eq(parse("dso://storage.example"), 0);
	ck_assert_int_eq(url.kind, URL_TCP);
	ck_assert_str_eq(url.host, "storage.example");
	ck_assert_str_eq(url.port, "7471");
	ck_assert_str_eq(url.name_space, "default");
	ck_assert_int_eq(parse("dso://10.0.0.1/"), 0);
	ck_assert_str_eq(url.name_space, "default");
}
END_TEST

START_TEST(host_port_and_namespace_are_taken_apart)
{
	ck_assert_int_eq(parse("dso://[fe80::1]:99/team-a"), 0);
	ck_assert_str_eq(url.host, "fe80::1");
	ck_assert_str_eq(url.port, "99");
	ck_assert_str_eq(url.name_space, "team-a");
	ck_assert_int_eq(parse("dso://[::1]"), 0);
	ck_assert_str_eq(url.port, "7471");
	ck_assert_int_eq(parse("dso+unix:///run/dso/storaged.sock"), 0);
	ck_assert_int_eq(url.kind, URL_UNIX);
	ck_assert_str_eq(url.path, "/run/dso/storaged.sock");
	ck_assert_int_eq(parse("dso+unix:///s?namespace=b"), 0);
	ck_assert_str_eq(url.path, "/s");
	ck_assert_str_eq(url.name_space, "b");
	ck_assert_int_eq(parse("embedded:"), 0);
	ck_assert_int_eq(url.kind, URL_EMBEDDED);
	ck_assert_int_eq(parse("embedded:x"), 0);
	ck_assert_str_eq(url.path, "x");
}
END_TEST

static bool is_zero_behind(const char *text, size_t field_bytes)
{
	for (size_t i = strlen(text); i < field_bytes; i++)
		if (text[i])
			return false;
	return true;
}

START_TEST(every_length_of_a_namespace_leaves_zeros_behind_it)
{
	char name[CONTROL_NAMESPACE_BYTES_MAX + 1] = "", text[256];

	for (size_t bytes = 1; bytes <= CONTROL_NAMESPACE_BYTES_MAX; bytes++) {
		name[bytes - 1] = 'n';
		snprintf(text, sizeof text, "dso://h/%s", name);
		ck_assert_int_eq(parse(text), 0);
		ck_assert_str_eq(url.name_space, name);
		ck_assert(is_zero_behind(url.name_space, sizeof url.name_space));
		snprintf(text, sizeof text, "dso+unix:///s?namespace=%s", name);
		ck_assert_int_eq(parse(text), 0);
		ck_assert_str_eq(url.name_space, name);
		ck_assert(is_zero_behind(url.name_space, sizeof url.name_space));
	}
}
END_TEST

START_TEST(malformed_urls_are_refused_with_a_reason)
{
	static const char *const malformed[] = {
		"",
		"http://x",
		"dso:/x",
		"dso://",
		"dso://:7471",
		"dso://h:",
		"dso://h:0",
		"dso://h:65536",
		"dso://h:7471x",
		"dso://h:99999999",
		"dso://[::1",
		"dso://[::1]x",
		"dso://[]",
		"dso://h/a/b",
		"dso+unix://relative",
		"dso+unix://",
		"dso+unix:///s?other=1",
		"dso://h/0123456789012345678901234567890123456789012345678901234567890123",
		"dso+unix:///"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
		"234"
		"5678901234567890123456789"};

	for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
		ck_assert_msg(parse(malformed[i]) == -EINVAL, "%s was taken", malformed[i]);
		ck_assert_uint_gt(strlen(reason), 10);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("url");
	TCase *tcase = tcase_create("url");

	tcase_add_test(tcase, a_host_alone_has_the_default_port_and_namespace);
	tcase_add_test(tcase, host_port_and_namespace_are_taken_apart);
	tcase_add_test(tcase, every_length_of_a_namespace_leaves_zeros_behind_it);
	tcase_add_test(tcase, malformed_urls_are_refused_with_a_reason);
	suite_add_tcase(suite, tcase);
	return run_suite_forked(suite);
}
