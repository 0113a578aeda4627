/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <errno.h>
#include <stdio.h>

static enum exit_status print_count(const struct dsoctl *ctl, int64_t count)
{
	if (ctl->json)
		return print_json(
			json_with_text(json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]),
						 "count", (json_int_t)count),
				       "count"));
	printf("%jd\n", (intmax_t)count);
	return STATUS_DONE;
}

/* Open an existing latch: only latch open knows the count of a new one. */
static enum exit_status open_latch(struct dsoctl *ctl, struct dso_latch **ret_latch)
{
	int r = dso_object_stat(ctl->session, ctl->operands[0], NULL);

	if (r == -ENOENT)
		return fail_missing(ctl, "latch", "dsoctl latch open NAME COUNT");
	if (r == 0)
		r = dso_latch_open(ctl->session, ctl->operands[0], NULL, ret_latch);
	return r ? fail(ctl, r) : STATUS_DONE;
}

/* Parse the second operand as a number above 0. Returns false after saying that it is none. */
static bool positive(const struct dsoctl *ctl, int64_t *ret_value)
{
	uint64_t value;

	if (parse_number(ctl->operands[1], 1, INT64_MAX, &value)) {
		wrong_usage(ctl, "%s is no number above 0", ctl->operands[1]);
		return false;
	}
	*ret_value = (int64_t)value;
	return true;
}

enum exit_status run_latch_open(struct dsoctl *ctl)
{
	struct dso_latch_params params = {0};
	struct dso_latch *latch;
	int64_t count;
	int r;

	if (!positive(ctl, &params.count))
		return STATUS_USAGE;
	r = dso_latch_open(ctl->session, ctl->operands[0], &params, &latch);
	if (r == 0)
		r = dso_latch_count(latch, &count);
	return r ? fail(ctl, r) : print_count(ctl, count);
}

enum exit_status run_latch_count_down(struct dsoctl *ctl)
{
	struct dso_latch *latch;
	enum exit_status status;
	int64_t n = 1, count;
	int r;

	if (ctl->operand_count > 1 && !positive(ctl, &n))
		return STATUS_USAGE;
	status = open_latch(ctl, &latch);
	if (status)
		return status;
	r = dso_latch_count_down(latch, n, &count);
	return r ? fail(ctl, r) : print_count(ctl, count);
}

enum exit_status run_latch_wait(struct dsoctl *ctl)
{
	struct dso_latch *latch;
	enum exit_status status = open_latch(ctl, &latch);
	int r = status ? 0 : dso_latch_wait(latch, time_left(ctl));

	if (status)
		return status;
	return r ? fail_wait(ctl, r)
		 : print_done(ctl, json_pack("{s:o, s:i}", "name", json_text(ctl->operands[0]),
					     "count", 0));
}

enum exit_status run_latch_get(struct dsoctl *ctl)
{
	struct dso_latch *latch;
	int64_t count;
	enum exit_status status = open_latch(ctl, &latch);
	int r = status ? 0 : dso_latch_count(latch, &count);

	if (status)
		return status;
	return r ? fail(ctl, r) : print_count(ctl, count);
}
