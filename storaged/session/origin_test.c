/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/origin.h"
#include "tests/runner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static struct origin_counts counts;

static struct origin from(const char *text)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct origin origin = {0};

	if (strchr(text, ':')) {
		ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
		origin_from((struct sockaddr *)&v6, &origin);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET, text, &v4.sin_addr), 1);
		origin_from((struct sockaddr *)&v4, &origin);
	}
	return origin;
}

static struct origin user(uid_t uid, pid_t pid)
{
	return (struct origin){.is_unix = true, .uid = uid, .pid = pid};
}

/* Whether what comes from @other counts as what comes from @one. */
static bool is_one(struct origin one, struct origin other)
{
	struct origin_count *count_of_one = origin_counts_join(&counts, &one);
	uint32_t count = origin_counts_get(&counts, &other);

	ck_assert_uint_eq(origin_counts_get(&counts, &one), 1);
	origin_count_leave(count_of_one);
	ck_assert_uint_eq(origin_counts_get(&counts, &one), 0);
	return count == 1;
}

static void setup(void)
{
	origin_counts_init(&counts);
}

START_TEST(an_address_and_an_ipv6_network_are_one_each)
{
	ck_assert(is_one(from("10.0.0.1"), from("10.0.0.1")));
	ck_assert(!is_one(from("10.0.0.1"), from("10.0.0.2")));
	ck_assert(is_one(from("10.0.0.1"), from("::ffff:10.0.0.1")));
	ck_assert(!is_one(from("::ffff:10.0.0.1"), from("::ffff:10.0.0.2")));
	ck_assert(is_one(from("2001:db8:1:2::1"), from("2001:db8:1:2:ffff:ffff:ffff:ffff")));
	ck_assert(!is_one(from("2001:db8:1:2::1"), from("2001:db8:1:3::1")));
	ck_assert(!is_one(from("::1"), from("::ffff:10.0.0.1")));
}
END_TEST

START_TEST(all_of_loopback_is_one)
{
	ck_assert(is_one(from("127.0.0.1"), from("127.200.3.4")));
	ck_assert(is_one(from("127.0.0.1"), from("::ffff:127.9.9.9")));
	ck_assert(is_one(from("::1"), from("::1")));
	ck_assert(!is_one(from("127.0.0.1"), from("126.0.0.1")));
}
END_TEST

START_TEST(all_processes_of_a_user_are_one)
{
	ck_assert(is_one(user(1000, 1), user(1000, 2)));
	ck_assert(!is_one(user(1000, 1), user(1001, 1)));
	ck_assert(!is_one(user(0, 1), from("0.0.0.0")));
}
END_TEST

START_TEST(many_are_counted_apart)
{
	struct origin_count *joined[2000];
	struct origin origin;

	for (uid_t i = 0; i < 2000; i++) {
		origin = user(i / 2, 1);
		joined[i] = origin_counts_join(&counts, &origin);
		ck_assert_uint_eq(origin_counts_get(&counts, &origin), i % 2 + 1);
	}
	for (uid_t i = 0; i < 2000; i++) {
		origin = user(i / 2, 1);
		origin_count_leave(joined[i]);
		ck_assert_uint_eq(origin_counts_get(&counts, &origin), 1 - i % 2);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("origin");
	TCase *tests = tcase_create("origin");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, an_address_and_an_ipv6_network_are_one_each);
	tcase_add_test(tests, all_of_loopback_is_one);
	tcase_add_test(tests, all_processes_of_a_user_are_one);
	tcase_add_test(tests, many_are_counted_apart);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
