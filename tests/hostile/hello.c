/* SPDX-License-Identifier: Apache-2.0 */
/* How a session begins. */
#include "tests/hostile/hostile.h"

#include <fcntl.h>
#include <string.h>

START_TEST(a_hello_is_welcomed_over_tcp_and_over_the_unix_socket)
{
	struct client client;
	const struct control_welcome *welcome = &client.welcome;
	static const uint8_t nobody[CONTROL_COOKIE_BYTES];

	START("--ttl", "7s");
	client = client_on(_i ? dial_unix() : dial_tcp());
	ck_assert_uint_eq(le16_get(welcome->version), CONTROL_VERSION);
	ck_assert_uint_eq(welcome->domain, CONTROL_DOMAIN_CPU);
	ck_assert_uint_eq(welcome->transports, CONTROL_SHM | CONTROL_TCP | CONTROL_ROCE);
	ck_assert_uint_eq(le32_get(welcome->ttl_ms), 7000);
	ck_assert_uint_ne(le64_get(welcome->session) & 0xffff, 0);
	ck_assert_uint_eq(le64_get(welcome->region_bytes), 64 * MIB);
	ck_assert_int_ne(memcmp(welcome->cookie, nobody, sizeof nobody), 0);
	ck_assert_str_eq((const char *)welcome->unix_path,
			 storaged.unix_url + strlen("dso+unix://"));
	finish();
}
END_TEST

START_TEST(a_client_from_the_future_is_met_politely)
{
	struct control_hello hello = hello_of(1, 9);
	struct message reply;
	int fd;

	START();
	ck_assert_uint_eq(try_hello(dial_tcp(), &hello, &reply), WIRE_OK);
	hello = hello_of(CONTROL_VERSION + 1, CONTROL_VERSION + 9);
	fd = dial_tcp();
	ck_assert_uint_eq(try_hello(fd, &hello, &reply), WIRE_VERSION);
	ck_assert_ptr_nonnull(strstr((char *)reply.body, "speaks version 2"));
	ck_assert(is_closed(fd));
	hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	hello.features_offered = le64_of(UINT64_MAX);
	ck_assert_uint_eq(try_hello(dial_tcp(), &hello, &reply), WIRE_OK);
	hello.features_required = le64_of(UINT64_C(1) << 40);
	ck_assert_uint_eq(try_hello(dial_tcp(), &hello, &reply), WIRE_FEATURE);
	finish();
}
END_TEST

START_TEST(namespaces_are_apart_and_an_unknown_one_is_refused)
{
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct message reply;
	int fd = -1;

	START("--namespace", "default,other");
	strcpy((char *)hello.name_space, "nobody's");
	ck_assert_uint_eq(try_hello(dial_tcp(), &hello, &reply), WIRE_NO_NAMESPACE);
	open_object(client_new().fd, OBJECT_COUNTER, "only here", 0);
	memset(hello.name_space, 0, sizeof hello.name_space);
	strcpy((char *)hello.name_space, "other");
	fd = dial_tcp();
	ck_assert_uint_eq(try_hello(fd, &hello, &reply), WIRE_OK);
	ck_assert_uint_eq(call_name(fd, CONTROL_STAT, "only here", &reply), WIRE_NOT_FOUND);
	finish();
}
END_TEST

TCase *hello_tests(void)
{
	TCase *tests = tcase_create("hello");

	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, a_hello_is_welcomed_over_tcp_and_over_the_unix_socket, 0, 2);
	tcase_add_test(tests, a_client_from_the_future_is_met_politely);
	tcase_add_test(tests, namespaces_are_apart_and_an_unknown_one_is_refused);
	return tests;
}
