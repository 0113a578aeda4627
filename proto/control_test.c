/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/control.h"
#include "proto/layout.h"
#include "tests/runner.h"

#include <check.h>
#include <stdlib.h>

/* A message as it lies in a buffer of exactly its size, so that a sanitizer sees a byte too far. */
static enum wire_status check_of(const struct control_header *header, const void *body,
				 size_t body_bytes)
{
	void *copy = malloc(body_bytes ? body_bytes : 1);
	enum wire_status status;

	memcpy(copy, body, body_bytes);
	status = control_check(header, copy);
	free(copy);
	return status;
}

static enum wire_status check_body(unsigned type, const void *body, size_t body_bytes)
{
	bool is_notice = type >= CONTROL_DELETED;
	struct control_header header =
		control_header_of((uint16_t)type, 0, is_notice ? 0 : 1, (uint32_t)body_bytes);

	return check_of(&header, body, body_bytes);
}

static enum wire_status check_length(unsigned type, size_t body_bytes)
{
	bool is_notice = type >= CONTROL_DELETED;
	struct control_header header =
		control_header_of((uint16_t)type, 0, is_notice ? 0 : 1, (uint32_t)body_bytes);

	return control_check(&header, NULL);
}

static struct control_hello hello(void)
{
	struct control_hello message = {
		.version_min = le16_of(1),
		.version_max = le16_of(CONTROL_VERSION),
		.features_offered = le64_of(UINT64_MAX), /* nobody's bits are refused here */
		.name_space = "default",
	};

	memcpy(message.magic, CONTROL_MAGIC, sizeof message.magic);
	return message;
}

struct named {
	size_t bytes;
	uint8_t body[sizeof(struct control_open) + CONTROL_NAME_BYTES_MAX + 1];
};

static struct named open_of(uint8_t flags, const void *name, uint8_t name_bytes)
{
	struct control_open message = {
		.type = le16_of(OBJECT_COUNTER), .flags = flags, .name_bytes = name_bytes};
	struct named named = {.bytes = sizeof message + name_bytes};

	memcpy(named.body, &message, sizeof message);
	memcpy(named.body + sizeof message, name, name_bytes);
	return named;
}

static struct named name_of(const void *name, uint8_t name_bytes)
{
	struct control_name message = {.name_bytes = name_bytes};
	struct named named = {.bytes = sizeof message + name_bytes};

	memcpy(named.body, &message, sizeof message);
	memcpy(named.body + sizeof message, name, name_bytes);
	return named;
}

START_TEST(lengths_other_than_the_messages_own_are_malformed)
{
	static const struct {
		unsigned type;
		size_t min, max;
	} lengths[] = {
		{CONTROL_HELLO, 96, 96},      {CONTROL_ATTACH, 32, 32},
		{CONTROL_GOODBYE, 0, 0},      {CONTROL_PING, 0, 0},
		{CONTROL_OPEN, 40, 295},      {CONTROL_CLOSE, 8, 8},
		{CONTROL_DELETE, 8, 263},     {CONTROL_LIST, 8, 8},
		{CONTROL_STAT, 8, 263},       {CONTROL_SERVER_STAT, 0, 0},
		{CONTROL_QUEUE_PAIR, 48, 48}, {CONTROL_FIGURES, 0, 0},
		{CONTROL_HELD, 8, 8},         {CONTROL_DELETED, 8, 8},
		{CONTROL_FENCED, 0, 4080},
	};

	for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		for (size_t bytes = 0; bytes <= CONTROL_BODY_BYTES_MAX + 1; bytes++)
			ck_assert_msg(check_length(lengths[i].type, bytes) ==
					      (bytes >= lengths[i].min && bytes <= lengths[i].max
						       ? WIRE_OK
						       : WIRE_MALFORMED),
				      "%s of %zu bytes", control_type_name(lengths[i].type), bytes);
	ck_assert_int_eq(check_length(CONTROL_FENCED, UINT32_MAX), WIRE_MALFORMED);
}
END_TEST

START_TEST(unknown_types_are_malformed_and_called_unknown)
{
	static const unsigned unknown[] = {0, 22, 63, 66, 4711, 65535};

	for (unsigned i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
		ck_assert_int_eq(check_length(unknown[i], 0), WIRE_MALFORMED);
		ck_assert_int_eq(check_length(unknown[i], 8), WIRE_MALFORMED);
		ck_assert_str_eq(control_type_name(unknown[i]), "unknown");
	}
	ck_assert_str_eq(control_type_name(UINT32_MAX), "unknown");
	ck_assert_str_eq(control_type_name(CONTROL_SERVER_STAT), "SERVER_STAT");
}
END_TEST

START_TEST(a_header_with_a_status_or_reserved_bits_is_malformed)
{
	struct control_header header = control_header_of(CONTROL_PING, 0, 1, 0);

	ck_assert_int_eq(control_check(&header, NULL), WIRE_OK);
	header.reserved = le32_of(1);
	ck_assert_int_eq(control_check(&header, NULL), WIRE_MALFORMED);
	header = control_header_of(CONTROL_PING, WIRE_STALE, 1, 0);
	ck_assert_int_eq(control_check(&header, NULL), WIRE_MALFORMED);
}
END_TEST

START_TEST(requests_have_a_number_and_notices_none)
{
	struct control_header request = control_header_of(CONTROL_PING, 0, 0, 0);
	struct control_header notice = control_header_of(CONTROL_FENCED, 0, 1, 0);

	ck_assert_int_eq(control_check(&request, NULL), WIRE_MALFORMED);
	ck_assert_int_eq(control_check(&notice, NULL), WIRE_MALFORMED);
}
END_TEST

START_TEST(hello_passes_with_whatever_versions_and_features_it_offers)
{
	struct control_hello message = hello();

	ck_assert_int_eq(check_body(CONTROL_HELLO, &message, sizeof message), WIRE_OK);
	message.version_min = le16_of(700);
	message.version_max = le16_of(UINT16_MAX);
	message.linger_ms = le32_of(UINT32_MAX);
	message.features_required = le64_of(UINT64_MAX);
	ck_assert_int_eq(check_body(CONTROL_HELLO, &message, sizeof message), WIRE_OK);
}
END_TEST

START_TEST(hello_without_the_magic_or_with_a_range_upside_down_is_malformed)
{
	struct control_hello message = hello();

	message.magic[7] = '\r';
	ck_assert_int_eq(check_body(CONTROL_HELLO, &message, sizeof message), WIRE_MALFORMED);
	message = hello();
	message.version_min = le16_of(CONTROL_VERSION + 1);
	ck_assert_int_eq(check_body(CONTROL_HELLO, &message, sizeof message), WIRE_MALFORMED);
}
END_TEST

START_TEST(hellos_namespace_is_terminated_and_zero_filled)
{
	struct control_hello message = hello();

	memset(message.name_space, 'n', sizeof message.name_space);
	ck_assert_int_eq(check_body(CONTROL_HELLO, &message, sizeof message), WIRE_MALFORMED);
	message.name_space[CONTROL_NAMESPACE_BYTES_MAX] = '\0';
	ck_assert_int_eq(check_body(CONTROL_HELLO, &message, sizeof message), WIRE_OK);
	message = hello();
	message.name_space[CONTROL_NAMESPACE_BYTES_MAX] = 'x';
	ck_assert_int_eq(check_body(CONTROL_HELLO, &message, sizeof message), WIRE_MALFORMED);
	message = hello();
	message.name_space[8] = 'x';
	ck_assert_int_eq(check_body(CONTROL_HELLO, &message, sizeof message), WIRE_MALFORMED);
}
END_TEST

/* It is a notice: nobody answers. */
START_TEST(use_names_one_transport)
{
	struct control_header header =
		control_header_of(CONTROL_USE, 0, 0, sizeof(struct control_use));
	struct control_use message = {.transport = CONTROL_ROCE};

	ck_assert_int_eq(control_check(&header, &message), WIRE_OK);
	message.transport = 0;
	ck_assert_int_eq(control_check(&header, &message), WIRE_MALFORMED);
	message.transport = CONTROL_TCP | CONTROL_ROCE;
	ck_assert_int_eq(control_check(&header, &message), WIRE_MALFORMED);
	message = (struct control_use){.transport = CONTROL_TCP, .reserved[6] = 1};
	ck_assert_int_eq(control_check(&header, &message), WIRE_MALFORMED);
	header.request = le32_of(1);
	ck_assert_int_eq(control_check(&header, NULL), WIRE_MALFORMED);
}
END_TEST

START_TEST(attach_asks_for_one_transport)
{
	struct control_attach message = {.transport = CONTROL_TCP};

	ck_assert_int_eq(check_body(CONTROL_ATTACH, &message, sizeof message), WIRE_OK);
	message.transport = 128; /* one that a later version has: answered, not dropped */
	ck_assert_int_eq(check_body(CONTROL_ATTACH, &message, sizeof message), WIRE_OK);
	message.transport = 0;
	ck_assert_int_eq(check_body(CONTROL_ATTACH, &message, sizeof message), WIRE_MALFORMED);
	message.transport = CONTROL_TCP | CONTROL_SHM;
	ck_assert_int_eq(check_body(CONTROL_ATTACH, &message, sizeof message), WIRE_MALFORMED);
	message.transport = CONTROL_SHM;
	message.reserved[6] = 1;
	ck_assert_int_eq(check_body(CONTROL_ATTACH, &message, sizeof message), WIRE_MALFORMED);
}
END_TEST

START_TEST(names_of_1_to_255_bytes_pass_and_may_hold_anything_but_zero)
{
	uint8_t name[CONTROL_NAME_BYTES_MAX];

	for (unsigned i = 0; i < sizeof name; i++)
		name[i] = (uint8_t)(i + 1);
	for (unsigned bytes = 1; bytes <= sizeof name; bytes++) {
		struct named open = open_of(CONTROL_OPEN_CREATE, name, (uint8_t)bytes);
		struct named stat = name_of(name, (uint8_t)bytes);

		ck_assert_int_eq(check_body(CONTROL_OPEN, open.body, open.bytes), WIRE_OK);
		ck_assert_int_eq(check_body(CONTROL_STAT, stat.body, stat.bytes), WIRE_OK);
		ck_assert_int_eq(check_body(CONTROL_DELETE, stat.body, stat.bytes), WIRE_OK);
	}
}
END_TEST

START_TEST(an_empty_name_and_one_with_a_zero_byte_are_refused_as_names)
{
	struct named open = open_of(0, "", 0), stat = name_of("", 0);
	struct named open_zero = open_of(0, "a\0b", 3), stat_zero = name_of("ab", 3);

	ck_assert_int_eq(check_body(CONTROL_OPEN, open.body, open.bytes), WIRE_NAME);
	ck_assert_int_eq(check_body(CONTROL_STAT, stat.body, stat.bytes), WIRE_NAME);
	ck_assert_int_eq(check_body(CONTROL_OPEN, open_zero.body, open_zero.bytes), WIRE_NAME);
	ck_assert_int_eq(check_body(CONTROL_DELETE, stat_zero.body, stat_zero.bytes), WIRE_NAME);
}
END_TEST

START_TEST(a_name_that_does_not_fill_the_body_exactly_is_malformed)
{
	struct named open = open_of(0, "counter", 7), stat = name_of("counter", 7);

	ck_assert_int_eq(check_body(CONTROL_OPEN, open.body, open.bytes - 1), WIRE_MALFORMED);
	ck_assert_int_eq(check_body(CONTROL_OPEN, open.body, open.bytes + 1), WIRE_MALFORMED);
	ck_assert_int_eq(check_body(CONTROL_STAT, stat.body, stat.bytes - 1), WIRE_MALFORMED);
	ck_assert_int_eq(check_body(CONTROL_STAT, stat.body, stat.bytes + 1), WIRE_MALFORMED);
}
END_TEST

START_TEST(reserved_bits_in_a_body_are_malformed)
{
	struct named open = open_of(8, "counter", 7), stat = name_of("counter", 7);
	struct control_close close_message = {.reserved = le32_of(1)};
	struct named prefix = name_of("counter", 7);
	struct control_list list = {.reserved = le32_of(1)};
	struct control_wait wait = {.until = CONTROL_WAIT_NEWER + 1};

	ck_assert_int_eq(check_body(CONTROL_OPEN, open.body, open.bytes), WIRE_MALFORMED);
	open = open_of(0, "counter", 7);
	open.body[offsetof(struct control_open, reserved)] = 1;
	ck_assert_int_eq(check_body(CONTROL_OPEN, open.body, open.bytes), WIRE_MALFORMED);
	stat.body[offsetof(struct control_name, reserved) + 6] = 1;
	ck_assert_int_eq(check_body(CONTROL_STAT, stat.body, stat.bytes), WIRE_MALFORMED);
	/* The two begin with other fields, of the same length together. */
	memset(prefix.body, 0, sizeof(struct control_delete_prefix));
	prefix.body[offsetof(struct control_delete_prefix, name_bytes)] = 7;
	ck_assert_int_eq(check_body(CONTROL_DELETE_PREFIX, prefix.body, prefix.bytes), WIRE_OK);
	ck_assert_int_eq(check_body(CONTROL_DELETE_PREFIX, prefix.body, prefix.bytes - 1),
			 WIRE_MALFORMED);
	prefix.body[offsetof(struct control_delete_prefix, reserved) + 2] = 1;
	ck_assert_int_eq(check_body(CONTROL_DELETE_PREFIX, prefix.body, prefix.bytes),
			 WIRE_MALFORMED);
	ck_assert_int_eq(check_body(CONTROL_CLOSE, &close_message, 8), WIRE_MALFORMED);
	ck_assert_int_eq(check_body(CONTROL_DELETED, &close_message, 8), WIRE_MALFORMED);
	ck_assert_int_eq(check_body(CONTROL_LIST, &list, 8), WIRE_MALFORMED);
	ck_assert_int_eq(check_body(CONTROL_WAIT, &wait, sizeof wait), WIRE_MALFORMED);
	close_message.reserved = le32_of(0);
	list.reserved = le32_of(0);
	wait.until = CONTROL_WAIT_GIVEN_BACK;
	ck_assert_int_eq(check_body(CONTROL_CLOSE, &close_message, 8), WIRE_OK);
	ck_assert_int_eq(check_body(CONTROL_DELETED, &close_message, 8), WIRE_OK);
	ck_assert_int_eq(check_body(CONTROL_LIST, &list, 8), WIRE_OK);
	ck_assert_int_eq(check_body(CONTROL_WAIT, &wait, sizeof wait), WIRE_OK);
	wait.expected = le64_of(1);
	ck_assert_int_eq(check_body(CONTROL_WAIT, &wait, sizeof wait), WIRE_MALFORMED);
	wait.until = CONTROL_WAIT_TAKEN;
	ck_assert_int_eq(check_body(CONTROL_WAIT, &wait, sizeof wait), WIRE_OK);
	wait.until = CONTROL_WAIT_CHANGED;
	ck_assert_int_eq(check_body(CONTROL_WAIT, &wait, sizeof wait), WIRE_OK);
}
END_TEST

static enum wire_status check_wait(enum control_wait_until until, uint16_t share, uint64_t leave)
{
	struct control_wait wait = {
		.until = (uint8_t)until,
		.share = le16_of(share),
		.expected = le64_of(1),
		.leave = le64_of(leave),
	};

	return check_body(CONTROL_WAIT, &wait, sizeof wait);
}

START_TEST(a_wait_for_a_sum_has_words_and_a_wait_for_a_version_has_none)
{
	for (unsigned i = CONTROL_WAIT_SUM_LEAST; i <= CONTROL_WAIT_SUM_OTHER; i++) {
		ck_assert_int_eq(check_wait(i, 0, 0), WIRE_MALFORMED);
		ck_assert_int_eq(check_wait(i, 1, 0), WIRE_OK);
		ck_assert_int_eq(check_wait(i, COUNTER_STRIPES_MAX, 0), WIRE_OK);
		ck_assert_int_eq(check_wait(i, COUNTER_STRIPES_MAX + 1, 0), WIRE_MALFORMED);
		ck_assert_int_eq(check_wait(i, 1, 1), WIRE_MALFORMED);
	}
	ck_assert_int_eq(check_wait(CONTROL_WAIT_NEWER, 0, 0), WIRE_OK);
	ck_assert_int_eq(check_wait(CONTROL_WAIT_NEWER, 1, 0), WIRE_MALFORMED);
	ck_assert_int_eq(check_wait(CONTROL_WAIT_NEWER, 0, 1), WIRE_MALFORMED);
	ck_assert_int_eq(check_wait(CONTROL_WAIT_CHANGED, UINT16_MAX, 1), WIRE_OK);
	ck_assert_int_eq(check_wait(CONTROL_WAIT_TAKEN, 1, 0), WIRE_MALFORMED);
}
END_TEST

START_TEST(random_bytes_never_read_beyond_the_body)
{
	const char *given = getenv("DSO_TEST_SEED");
	uint8_t body[CONTROL_BODY_BYTES_MAX];

	srandom(given ? (unsigned)strtoul(given, NULL, 0) : 1);
	for (unsigned step = 0; step < 20000; step++) {
		size_t bytes = (size_t)random() % (step % 2 ? 300 : sizeof body);

		for (size_t i = 0; i < bytes; i++)
			body[i] = (uint8_t)(random() % 4 ? 0 : random());
		(void)check_body((unsigned)random() % 70, body, bytes);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tests = tcase_create("control");

	tcase_add_test(tests, lengths_other_than_the_messages_own_are_malformed);
	tcase_add_test(tests, unknown_types_are_malformed_and_called_unknown);
	tcase_add_test(tests, a_header_with_a_status_or_reserved_bits_is_malformed);
	tcase_add_test(tests, requests_have_a_number_and_notices_none);
	tcase_add_test(tests, hello_passes_with_whatever_versions_and_features_it_offers);
	tcase_add_test(tests, hello_without_the_magic_or_with_a_range_upside_down_is_malformed);
	tcase_add_test(tests, hellos_namespace_is_terminated_and_zero_filled);
	tcase_add_test(tests, use_names_one_transport);
	tcase_add_test(tests, attach_asks_for_one_transport);
	tcase_add_test(tests, names_of_1_to_255_bytes_pass_and_may_hold_anything_but_zero);
	tcase_add_test(tests, an_empty_name_and_one_with_a_zero_byte_are_refused_as_names);
	tcase_add_test(tests, a_name_that_does_not_fill_the_body_exactly_is_malformed);
	tcase_add_test(tests, reserved_bits_in_a_body_are_malformed);
	tcase_add_test(tests, a_wait_for_a_sum_has_words_and_a_wait_for_a_version_has_none);
	tcase_add_test(tests, random_bytes_never_read_beyond_the_body);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
