/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <errno.h>
#include <stdio.h>

static enum exit_status print_value(const struct dsoctl *ctl, int64_t value)
{
	if (ctl->json)
		return print_json(
			json_with_text(json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]),
						 "value", (json_int_t)value),
				       "value"));
	printf("%jd\n", (intmax_t)value);
	return STATUS_DONE;
}

/* Parse the operand at @index as a number. Returns false after saying that it is none. */
static bool number(const struct dsoctl *ctl, unsigned index, int64_t *ret_value,
		   enum exit_status *ret_status)
{
	if (parse_int64(ctl->operands[index], ret_value) == 0)
		return true;
	*ret_status = wrong_usage(ctl, "%s is no 64-bit number", ctl->operands[index]);
	return false;
}

enum exit_status run_counter_open(struct dsoctl *ctl)
{
	struct dso_counter_params params = {.initial = ctl->initial,
					    .stripes = (uint32_t)ctl->stripes};
	struct dso_counter *counter;
	int64_t value;
	int r = dso_counter_open(ctl->session, ctl->operands[0], &params, &counter);

	if (r == 0)
		r = dso_counter_get(counter, &value);
	return r ? fail(ctl, r) : print_value(ctl, value);
}

enum exit_status run_counter_get(struct dsoctl *ctl)
{
	struct dso_counter *counter;
	struct dso_stat stat;
	int64_t value;
	/* Check first that it exists: opening would create a counter with a misspelt name. */
	int r = dso_object_stat(ctl->session, ctl->operands[0], &stat);

	if (r == -ENOENT)
		return fail_missing(ctl, "counter", "dsoctl counter add NAME");
	if (r == 0)
		r = dso_counter_open(ctl->session, ctl->operands[0], NULL, &counter);
	if (r == 0)
		r = dso_counter_get(counter, &value);
	return r ? fail(ctl, r) : print_value(ctl, value);
}

enum exit_status run_counter_wait(struct dsoctl *ctl)
{
	int (*wait)(struct dso_counter * counter, int64_t value, int64_t timeout,
		    int64_t * ret_value) =
		ctl->options & OPTION_OTHER ? dso_counter_wait_change : dso_counter_wait;
	struct dso_counter *counter;
	enum exit_status status;
	int64_t expected, value;
	int r;

	if (!number(ctl, 1, &expected, &status))
		return status;
	r = dso_counter_open(ctl->session, ctl->operands[0], NULL, &counter);
	if (r)
		return fail(ctl, r);
	r = wait(counter, expected, time_left(ctl), &value);
	return r ? fail_wait(ctl, r) : print_value(ctl, value);
}

enum exit_status run_counter_set(struct dsoctl *ctl)
{
	struct dso_counter *counter;
	enum exit_status status;
	int64_t value;
	int r;

	if (!number(ctl, 1, &value, &status))
		return status;
	r = dso_counter_open(ctl->session, ctl->operands[0], NULL, &counter);
	if (r == 0)
		r = dso_counter_set(counter, value);
	if (r)
		return fail(ctl, r);
	return ctl->json ? print_value(ctl, value) : STATUS_DONE;
}

enum exit_status run_counter_add(struct dsoctl *ctl)
{
	struct dso_counter *counter;
	enum exit_status status;
	struct dso_stat stat;
	int64_t delta = 1, value = 0;
	int r;

	if (ctl->operand_count > 1 && !number(ctl, 1, &delta, &status))
		return status;
	r = dso_counter_open(ctl->session, ctl->operands[0], NULL, &counter);
	if (r == 0)
		r = dso_object_stat(ctl->session, ctl->operands[0], &stat);
	if (r == 0)
		r = dso_counter_add(counter, delta, &value);
	if (r)
		return fail(ctl, r);
	value = (int64_t)((uint64_t)value + (uint64_t)delta);
	/* The value before an addition to a stripe says nothing about the sum. */
	if (stat.parameters[1] > 1)
		r = dso_counter_get(counter, &value);
	return r ? fail(ctl, r) : print_value(ctl, value);
}

enum exit_status run_counter_cas(struct dsoctl *ctl)
{
	struct dso_counter *counter;
	enum exit_status status;
	int64_t expected, value, before;
	bool swapped;
	int r;

	if (!number(ctl, 1, &expected, &status) || !number(ctl, 2, &value, &status))
		return status;
	r = dso_counter_open(ctl->session, ctl->operands[0], NULL, &counter);
	if (r == 0)
		r = dso_counter_cas(counter, expected, value, &before);
	if (r)
		return fail(ctl, r);
	swapped = before == expected;
	if (ctl->json)
		status = print_json(json_with_text(json_pack("{s:o, s:b, s:I}", "name",
							     json_text(ctl->operands[0]), "swapped",
							     swapped, "before", (json_int_t)before),
						   "before"));
	else
		status = printf("%jd\n", (intmax_t)before) < 0 ? STATUS_FAILED : STATUS_DONE;
	/* For `if dsoctl counter cas ...`: what the counter held is on stdout in either case. */
	return swapped ? status : STATUS_FAILED;
}
