/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/printable.h"

#include <stdint.h>
#include <string.h>

struct range {
	uint32_t first, last;
};

/* Controls, line ends, and what hides text or changes the order in which it is shown: the
 * properties Bidi_Control and Default_Ignorable_Code_Point of Unicode (PropList.txt,
 * DerivedCoreProperties.txt of 16.0). */
static const struct range commands[] = {
	{0, 0x1f},          {0x7f, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},
	{0x61c, 0x61c},     {0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
	{0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164},
	{0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfff8},
	{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

/* The bytes of the UTF-8 character at @at, and the character; 0: there is none. */
static size_t take_character(const unsigned char *at, uint32_t *ret_character)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t first; /* that takes as many bytes */
	} forms[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	size_t form = 0;
	uint32_t character;

	while (form < 4 && (at[0] & forms[form].mask) != forms[form].lead)
		form++;
	if (form == 4)
		return 0;
	character = at[0] & (unsigned char)~forms[form].mask;
	for (size_t i = 1; i <= form; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (at[i] & 0x3f);
	}
	if (character < forms[form].first || character > 0x10ffff ||
	    (character >= 0xd800 && character <= 0xdfff))
		return 0;
	*ret_character = character;
	return form + 1;
}

/* How many bytes at @at may be written as they are; 0: the first one has to be escaped. */
static size_t plain_bytes(const unsigned char *at, enum printable_for whom)
{
	uint32_t character;
	size_t bytes = take_character(at, &character);

	if (bytes == 0 || (character == '\\' && whom != PRINTABLE_JSON_ON_TERMINAL))
		return 0;
	if (character == 0x7f)
		return 0;
	for (size_t i = 0; whom != PRINTABLE_JSON && i < sizeof commands / sizeof *commands; i++)
		if (character >= commands[i].first && character <= commands[i].last)
			return 0;
	return bytes;
}

/* Write the character at *@from to @to, escaped if need be, and move *@from behind it. Returns the
 * bytes written. */
static size_t step(const unsigned char **from, enum printable_for whom, char to[static 5])
{
	size_t bytes = plain_bytes(*from, whom);

	if (bytes)
		memcpy(to, *from, bytes);
	*from += bytes ? bytes : 1;
	return bytes ? bytes : (size_t)sprintf(to, "\\x%02x", (*from)[-1]);
}

char *printable_write(const char *text, enum printable_for whom, char *to)
{
	const unsigned char *from = (const unsigned char *)text;
	char character[5], *end = to;

	while (*from) {
		size_t bytes = step(&from, whom, character);

		memcpy(end, character, bytes);
		end += bytes;
	}
	*end = 0;
	return to;
}

void printable_print(FILE *stream, const char *text, enum printable_for whom)
{
	const unsigned char *from = (const unsigned char *)text;
	char character[5];

	while (*from)
		fwrite(character, 1, step(&from, whom, character), stream);
}
