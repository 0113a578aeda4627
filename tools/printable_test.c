/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/printable.h"
#include "tests/runner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text, *json, *terminal;
} cases[] = {
	{"", "", ""},
	{"hits", "hits", "hits"},
	{"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
	 "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
	{"a\\b", "a\\x5cb", "a\\x5cb"},
	{"\\xff", "\\x5cxff", "\\x5cxff"},
	{"\xff", "\\xff", "\\xff"},
	{"\x1b[31m", "\x1b[31m", "\\x1b[31m"},
	{"a\nb\x7f", "a\nb\\x7f", "a\\x0ab\\x7f"},
	{"\xc2\x9b", "\xc2\x9b", "\\xc2\\x9b"},              /* CSI, in UTF-8 */
	{"\x9b", "\\x9b", "\\x9b"},                          /* CSI, in Latin-1 */
	{"\xe2\x80\xae", "\xe2\x80\xae", "\\xe2\\x80\\xae"}, /* right to left from here on */
	{"\xc2\xad", "\xc2\xad", "\\xc2\\xad"},              /* a hyphen that is not shown */
	{"\xe2\x80\x8b", "\xe2\x80\x8b", "\\xe2\\x80\\x8b"}, /* a space of no width */
	{"\xe1\x85\x9f", "\xe1\x85\x9f", "\\xe1\\x85\\x9f"}, /* a letter of no width */
	{"\xef\xb8\x8f", "\xef\xb8\x8f",
	 "\\xef\\xb8\\x8f"}, /* the last variation selector but 240 */
	{"\xef\xbb\xbf", "\xef\xbb\xbf", "\\xef\\xbb\\xbf"},              /* the byte order mark */
	{"\xf3\xa0\x80\x81", "\xf3\xa0\x80\x81", "\\xf3\\xa0\\x80\\x81"}, /* a tag */
	{"\xc2\xae \xe2\x80\x90 \xef\xb8\x90", "\xc2\xae \xe2\x80\x90 \xef\xb8\x90",
	 "\xc2\xae \xe2\x80\x90 \xef\xb8\x90"},   /* right behind some that are not shown */
	{"\xc0\x9b", "\\xc0\\x9b", "\\xc0\\x9b"}, /* longer than it need be */
	{"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80"}, /* half of a UTF-16 pair */
	{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond the last */
	{"\xe2\x82", "\\xe2\\x82", "\\xe2\\x82"},                             /* cut */
};

#define CASES (sizeof cases / sizeof *cases)

static void expect(const char *text, enum printable_for whom, const char *expected)
{
	char to[PRINTABLE_BYTES_MAX(64)], *printed = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&printed, &bytes);

	ck_assert_str_eq(printable_write(text, whom, to), expected);
	printable_print(stream, text, whom);
	fclose(stream);
	ck_assert_str_eq(printed, expected);
	free(printed);
}

START_TEST(what_may_not_stand_is_escaped)
{
	expect(cases[_i].text, PRINTABLE_JSON, cases[_i].json);
	expect(cases[_i].text, PRINTABLE_TERMINAL, cases[_i].terminal);
	/* In two steps as in one. */
	expect(cases[_i].json, PRINTABLE_JSON_ON_TERMINAL, cases[_i].terminal);
}
END_TEST

START_TEST(no_byte_looks_like_the_text_of_its_escape)
{
	for (unsigned byte = 1; byte < 256; byte++) {
		char text[2] = {(char)byte, 0}, escaped[8], one[64], other[64];

		for (int whom = PRINTABLE_JSON; whom <= PRINTABLE_TERMINAL; whom++) {
			printable_write(text, whom, one);
			snprintf(escaped, sizeof escaped, "\\x%02x", byte);
			ck_assert_str_ne(printable_write(escaped, whom, other), one);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("printable");
	TCase *tests = tcase_create("text of others");

	tcase_add_loop_test(tests, what_may_not_stand_is_escaped, 0, CASES);
	tcase_add_test(tests, no_byte_looks_like_the_text_of_its_escape);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
