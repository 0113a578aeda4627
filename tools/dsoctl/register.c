/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_BYTES_MIN 65536

static enum exit_status print_value(const struct dsoctl *ctl, const uint8_t *bytes, size_t count,
				    uint64_t version)
{
	json_t *object = json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]), "version",
				   (json_int_t)version);

	json_set_bytes(object, bytes, count);
	return print_json(object);
}

static enum exit_status print_bytes(const struct dsoctl *ctl, const uint8_t *bytes, size_t count,
				    uint64_t version)
{
	return ctl->json ? print_value(ctl, bytes, count, version) : write_bytes(bytes, count);
}

enum exit_status run_register_get(struct dsoctl *ctl)
{
	struct dso_register *reg;
	struct dso_stat stat;
	enum exit_status status;
	uint64_t version;
	uint8_t *buffer;
	size_t room, length;
	/* Check first that it exists: opening would create a register with a misspelt name. */
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
	status = r ? fail(ctl, r) : print_bytes(ctl, buffer, length, version);
	free(buffer);
	return status;
}

enum exit_status run_register_wait(struct dsoctl *ctl)
{
	struct dso_register *reg;
	enum exit_status status;
	uint64_t newer_than, version;
	uint8_t *buffer;
	size_t room, length;
	int r;

	if (parse_number(ctl->operands[1], 0, DSO_REGISTER_VERSION_MAX - 1, &newer_than))
		return wrong_usage(ctl, "%s is no version that a newer one can follow",
				   ctl->operands[1]);
	r = dso_register_open(ctl->session, ctl->operands[0], NULL, &reg);
	if (r)
		return fail(ctl, r);
	room = dso_register_capacity(reg);
	buffer = malloc(room);
	if (!buffer)
		return fail_because("out of memory for a register of %zu bytes", room);
	r = dso_register_wait(reg, newer_than, buffer, room, time_left(ctl), &length, &version);
	status = r ? fail_wait(ctl, r) : print_bytes(ctl, buffer, length, version);
	free(buffer);
	return status;
}

/* Open the register, or create it with more room than @length needs. */
static int open_for(struct dsoctl *ctl, size_t length, struct dso_register **ret_reg)
{
	struct dso_register_params params = {.capacity_bytes = CAPACITY_BYTES_MIN};
	struct dso_stat stat;
	int r = dso_object_stat(ctl->session, ctl->operands[0], &stat);

	while (params.capacity_bytes < length)
		params.capacity_bytes *= 2;
	if (r == -ENOENT) {
		r = dso_register_open(ctl->session, ctl->operands[0], &params, ret_reg);
		/* Another session has created it meanwhile, with another capacity: -EINVAL. */
		if (r != -EINVAL)
			return r;
		r = 0;
	}
	return r ? r : dso_register_open(ctl->session, ctl->operands[0], NULL, ret_reg);
}

static enum exit_status set(struct dsoctl *ctl, const uint8_t *bytes, size_t length)
{
	struct dso_register *reg;
	uint64_t version;
	int r = open_for(ctl, length, &reg);

	if (r)
		return fail(ctl, r);
	if (dso_register_capacity(reg) < length)
		return fail_because(
			"register %s has room for %ju bytes, stdin has %zu: nothing was "
			"changed; to make a larger one, dsoctl rm %s and set it again",
			ctl->operands[0], (uintmax_t)dso_register_capacity(reg), length,
			ctl->operands[0]);
	r = dso_register_set(reg, bytes, length, &version);
	if (r)
		return fail(ctl, r);
	if (!ctl->json)
		return STATUS_DONE;
	return print_json(json_pack("{s:o, s:I, s:I}", "name", json_text(ctl->operands[0]),
				    "version", (json_int_t)version, "length_bytes",
				    (json_int_t)length));
}

enum exit_status run_register_set(struct dsoctl *ctl)
{
	enum exit_status status;
	size_t length;
	uint8_t *bytes = read_input(DSO_REGISTER_BYTES_MAX, &length);

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
