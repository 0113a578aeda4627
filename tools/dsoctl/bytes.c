/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are bytes: from stdin, to stdout, in JSON. */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_BYTES_MIN 65536

static char *base64(const uint8_t *bytes, size_t count)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc((count + 2) / 3 * 4 + 1), *to = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < count; i += 3) {
		size_t left = count - i;
		uint32_t group = (uint32_t)bytes[i] << 16 |
				 (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
				 (left > 2 ? bytes[i + 2] : 0);

		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[group & 63] : '=';
	}
	*to = 0;
	return text;
}

void json_set_text(json_t *object, const char *member, const uint8_t *bytes, size_t count)
{
	json_t *text = json_stringn((const char *)bytes, count);
	char coded_member[32], *coded;

	if (text) {
		json_object_set_new(object, member, text);
		return;
	}
	snprintf(coded_member, sizeof coded_member, "%s_base64", member);
	coded = base64(bytes, count);
	if (coded)
		json_object_set_new(object, coded_member, json_string(coded));
	free(coded);
}

void json_set_bytes(json_t *object, const uint8_t *bytes, size_t count)
{
	json_object_set_new(object, "length_bytes", json_integer((json_int_t)count));
	json_set_text(object, "value", bytes, count);
}

enum exit_status write_bytes(const uint8_t *bytes, size_t count)
{
	if (fwrite(bytes, 1, count, stdout) != count)
		return fail_because("cannot write to stdout: %s", strerror(errno));
	return STATUS_DONE;
}

enum exit_status write_end(const struct dsoctl *ctl)
{
	return write_bytes((const uint8_t *)(ctl->options & OPTION_NULL ? "" : "\n"), 1);
}

uint8_t *read_input(size_t bytes_max, size_t *ret_length)
{
	size_t room = 0, length = 0;
	uint8_t *bytes = NULL;

	while (length == room && room <= bytes_max) {
		uint8_t *grown;

		room = room == 0 ? ROOM_BYTES_MIN : 2 * room;
		if (room > bytes_max)
			room = bytes_max + 1;
		grown = realloc(bytes, room);
		if (!grown) {
			fail_because("out of memory for %zu bytes of stdin", room);
			free(bytes);
			return NULL;
		}
		bytes = grown;
		length += fread(bytes + length, 1, room - length, stdin);
	}
	if (ferror(stdin)) {
		fail_because("cannot read stdin: %s", strerror(errno));
		free(bytes);
		return NULL;
	}
	*ret_length = length;
	return bytes;
}
