/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <stdlib.h>

/* The setter decides how long the value may be. */
static int open_it(struct dsoctl *ctl, struct dso_future **ret_future)
{
	return dso_future_open(ctl->session, ctl->operands[0], NULL, ret_future);
}

static enum exit_status set(struct dsoctl *ctl, const uint8_t *bytes, size_t length)
{
	struct dso_future *future;
	int r = open_it(ctl, &future);

	if (r == 0)
		r = dso_future_set(future, bytes, length);
	if (r == -EMSGSIZE)
		return fail_because(
			"future %s was opened with a capacity of less than the %zu bytes of "
			"stdin: nothing was set",
			ctl->operands[0], length);
	return r ? fail(ctl, r)
		 : print_done(ctl, json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]),
					     "length_bytes", (json_int_t)length));
}

enum exit_status run_future_set(struct dsoctl *ctl)
{
	enum exit_status status;
	size_t length;
	uint8_t *bytes = read_input(DSO_FUTURE_BYTES_MAX, &length);

	if (!bytes)
		return STATUS_FAILED;
	if (length > DSO_FUTURE_BYTES_MAX)
		status = fail_because("stdin has more than the %llu MiB that a future holds: "
				      "nothing was set",
				      DSO_FUTURE_BYTES_MAX >> 20);
	else
		status = set(ctl, bytes, length);
	free(bytes);
	return status;
}

enum exit_status run_future_error(struct dsoctl *ctl)
{
	struct dso_future *future;
	int r = open_it(ctl, &future);

	if (r == 0)
		r = dso_future_set_error(future, ctl->operands[1]);
	return r ? fail(ctl, r)
		 : print_done(ctl, json_pack("{s:o, s:o}", "name", json_text(ctl->operands[0]),
					     "error", json_text(ctl->operands[1])));
}

/* Wait for the value, then read all of it: it does not change any more. To be freed. */
static int get(struct dsoctl *ctl, uint8_t **ret_bytes, size_t *ret_length)
{
	struct dso_future *future;
	size_t length = 0;
	int r = open_it(ctl, &future);

	if (r == 0)
		r = dso_future_get(future, NULL, 0, time_left(ctl), &length);
	if (r && r != -EMSGSIZE)
		return r;
	*ret_bytes = malloc(length + 1);
	if (!*ret_bytes)
		return -ENOMEM;
	return dso_future_get(future, *ret_bytes, length + 1, DSO_NOWAIT, ret_length);
}

enum exit_status run_future_get(struct dsoctl *ctl)
{
	enum exit_status status;
	uint8_t *bytes = NULL;
	size_t length;
	int r = get(ctl, &bytes, &length);

	if (r == -ENOMEM) {
		status = fail_because("out of memory for the value");
	} else if (r) {
		status = fail_wait(ctl, r);
	} else if (ctl->json) {
		json_t *object = json_pack("{s:o}", "name", json_text(ctl->operands[0]));

		json_set_bytes(object, bytes, length);
		status = print_json(object);
	} else {
		status = write_bytes(bytes, length);
	}
	free(bytes);
	return status;
}
