/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_BYTES_MIN 65536

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

/* Text as a string, other bytes in base64. */
static enum exit_status print_value(const struct dsoctl *ctl, const uint8_t *bytes, size_t count,
				    uint64_t version)
{
	json_t *object =
		json_pack("{s:o, s:I, s:I}", "name", json_name(ctl->operands[0]), "version",
			  (json_int_t)version, "length_bytes", (json_int_t)count);
	json_t *text = json_stringn((const char *)bytes, count);

	if (text) {
		json_object_set_new(object, "value", text);
	} else {
		char *coded = base64(bytes, count);

		if (coded)
			json_object_set_new(object, "value_base64", json_string(coded));
		free(coded);
	}
	return print_json(object);
}

static enum exit_status write_value(const uint8_t *bytes, size_t count)
{
	if (fwrite(bytes, 1, count, stdout) != count)
		return fail_because("cannot write to stdout: %s", strerror(errno));
	return STATUS_DONE;
}

enum exit_status run_register_get(struct dsoctl *ctl)
{
	struct dso_register *reg;
	struct dso_stat stat;
	enum exit_status status;
	uint64_t version;
	uint8_t *buffer;
	size_t room, length;
	/* Opening would make one of a misspelt name. */
	int r = dso_object_stat(ctl->session, ctl->operands[0], &stat);

	if (r == 0)
		r = dso_register_open(ctl->session, ctl->operands[0], NULL, &reg);
	if (r)
		return fail(ctl, r);
	room = dso_register_capacity(reg);
	buffer = malloc(room);
	if (!buffer)
		return fail_because("out of memory for a register of %zu bytes", room);
	r = dso_register_get(reg, buffer, room, &length, &version);
	if (r)
		status = fail(ctl, r);
	else if (ctl->json)
		status = print_value(ctl, buffer, length, version);
	else
		status = write_value(buffer, length);
	free(buffer);
	return status;
}

/*
 * Read stdin to its end, or to a byte more than a register may hold: that shows that there is too much.
 * To be freed; NULL after saying why not.
 */
static uint8_t *read_input(size_t *ret_length)
{
	size_t room = 0, length = 0;
	uint8_t *bytes = NULL;

	while (length == room && room <= DSO_REGISTER_BYTES_MAX) {
		uint8_t *grown;

		room = room == 0 ? CAPACITY_BYTES_MIN : 2 * room;
		if (room > DSO_REGISTER_BYTES_MAX)
			room = DSO_REGISTER_BYTES_MAX + 1;
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

/* Open the register, or make it with room to spare for @length. */
static int open_for(struct dsoctl *ctl, size_t length, struct dso_register **ret_reg)
{
	struct dso_register_params params = {.capacity_bytes = CAPACITY_BYTES_MIN};
	struct dso_stat stat;
	int r = dso_object_stat(ctl->session, ctl->operands[0], &stat);

	while (params.capacity_bytes < length)
		params.capacity_bytes *= 2;
	if (r == -ENOENT) {
		r = dso_register_open(ctl->session, ctl->operands[0], &params, ret_reg);
		/* Somebody else made it meanwhile, with another capacity: -EINVAL. */
		if (r != -EINVAL)
			return r;
		r = 0;
	}
	return r ? r : dso_register_open(ctl->session, ctl->operands[0], NULL, ret_reg);
}

static enum exit_status set(struct dsoctl *ctl, const uint8_t *bytes, size_t length)
{
	char text[PRINTABLE_BYTES];
	struct dso_register *reg;
	uint64_t version;
	int r = open_for(ctl, length, &reg);

	if (r)
		return fail(ctl, r);
	if (dso_register_capacity(reg) < length) {
		const char *name = printable(ctl->operands[0], text);

		return fail_because(
			"register %s has room for %ju bytes, stdin has %zu: nothing was "
			"changed; to make a larger one, dsoctl rm %s and set it again",
			name, (uintmax_t)dso_register_capacity(reg), length, name);
	}
	r = dso_register_set(reg, bytes, length, &version);
	if (r)
		return fail(ctl, r);
	if (!ctl->json)
		return STATUS_DONE;
	return print_json(json_pack("{s:o, s:I, s:I}", "name", json_name(ctl->operands[0]),
				    "version", (json_int_t)version, "length_bytes",
				    (json_int_t)length));
}

enum exit_status run_register_set(struct dsoctl *ctl)
{
	enum exit_status status;
	size_t length;
	uint8_t *bytes = read_input(&length);

	if (!bytes)
		return STATUS_FAILED;
	if (length > DSO_REGISTER_BYTES_MAX)
		status = fail_because(
			"stdin has more than the %llu MiB that a register holds: nothing "
			"was changed",
			DSO_REGISTER_BYTES_MAX >> 20);
	else
		status = set(ctl, bytes, length);
	free(bytes);
	return status;
}
