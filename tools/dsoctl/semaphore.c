/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/child.h"

#include <errno.h>

/* Open the semaphore, or with --permits create it. Any status but STATUS_DONE was explained on
 * stderr. */
static enum exit_status open_semaphore(struct dsoctl *ctl, struct dso_semaphore **ret_semaphore)
{
	struct dso_semaphore_params params = {.permits = (uint32_t)ctl->permits,
					      .ephemeral = ctl->ephemeral};
	bool given = ctl->options & OPTION_PERMITS;
	int r = given ? 0 : dso_object_stat(ctl->session, ctl->operands[0], NULL);

	if (r == -ENOENT)
		return fail_missing(ctl, "semaphore", "dsoctl semaphore run NAME --permits N");
	if (r == 0)
		r = dso_semaphore_open(ctl->session, ctl->operands[0], &params, ret_semaphore);
	return r ? fail(ctl, r) : STATUS_DONE;
}

/* Whether it has as many permits as are wanted: otherwise the wait would be in vain. */
static enum exit_status check_count(struct dsoctl *ctl, uint32_t count)
{
	struct dso_stat stat;
	int r = dso_object_stat(ctl->session, ctl->operands[0], &stat);

	if (r)
		return fail(ctl, r);
	if (count > stat.parameters[0])
		return fail_because(
			"semaphore %s has %ju permits: --count %u is more than all of them",
			ctl->operands[0], (uintmax_t)stat.parameters[0], count);
	return STATUS_DONE;
}

enum exit_status run_semaphore_run(struct dsoctl *ctl)
{
	uint32_t count = ctl->options & OPTION_COUNT ? (uint32_t)ctl->count : 1;
	struct dso_semaphore *semaphore;
	enum exit_status status;
	struct wait wait;
	int r;

	if (ctl->options & OPTION_PERMITS && count > ctl->permits)
		return wrong_usage(ctl, "--count %u is more than --permits", count);
	status = open_semaphore(ctl, &semaphore);
	if (status == STATUS_DONE)
		status = check_count(ctl, count);
	if (status)
		return status;
	r = wait_begin(&wait, ctl);
	if (r)
		return fail_because("out of threads");
	r = dso_semaphore_acquire(semaphore, count, time_left(ctl));
	if (wait_end(&wait, ctl)) {
		if (r == 0)
			dso_semaphore_release(semaphore, count);
		return STATUS_FAILED;
	}
	if (r)
		return fail_wait(ctl, r);
	if (command_run(ctl, ctl->operands + 1, &status))
		return STATUS_FAILED;
	r = dso_semaphore_release(semaphore, count);
	if (r)
		return fail(ctl, r);
	return print_run(ctl, status, true,
			 json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]), "count",
				   (json_int_t)count));
}

enum exit_status run_semaphore_available(struct dsoctl *ctl)
{
	struct dso_semaphore *semaphore;
	uint32_t available;
	int r;
	enum exit_status status = open_semaphore(ctl, &semaphore);

	if (status)
		return status;
	r = dso_semaphore_available(semaphore, &available);
	if (r)
		return fail(ctl, r);
	if (ctl->json)
		return print_json(json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]),
					    "available", (json_int_t)available));
	printf("%u\n", available);
	return STATUS_DONE;
}
