/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/child.h"

/* Without --permits it is one that is there: opening another name would say nothing of what is missing. */
static int open_semaphore(struct dsoctl *ctl, struct dso_semaphore **ret_semaphore)
{
	struct dso_semaphore_params params = {.permits = (uint32_t)ctl->permits};
	bool given = ctl->options & OPTION_PERMITS;
	struct dso_stat stat;
	int r = given ? 0 : dso_object_stat(ctl->session, ctl->operands[0], &stat);

	return r ? r
		 : dso_semaphore_open(ctl->session, ctl->operands[0], given ? &params : NULL,
				      ret_semaphore);
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
	r = open_semaphore(ctl, &semaphore);
	if (r)
		return fail(ctl, r);
	r = wait_begin(&wait, ctl);
	if (r)
		return fail_because("out of threads");
	r = dso_semaphore_acquire(semaphore, count, ctl->wait_ns);
	if (wait_end(&wait, ctl)) {
		if (r == 0)
			dso_semaphore_release(semaphore, count);
		return STATUS_FAILED;
	}
	if (r)
		return fail(ctl, r);
	if (command_run(ctl, ctl->operands + 1, &status))
		return STATUS_FAILED;
	r = dso_semaphore_release(semaphore, count);
	return r ? fail(ctl, r) : status;
}

enum exit_status run_semaphore_available(struct dsoctl *ctl)
{
	struct dso_semaphore *semaphore;
	uint32_t available;
	int r = open_semaphore(ctl, &semaphore);

	if (r == 0)
		r = dso_semaphore_available(semaphore, &available);
	if (r)
		return fail(ctl, r);
	if (ctl->json)
		return print_json(json_pack("{s:o, s:I}", "name", json_name(ctl->operands[0]),
					    "available", (json_int_t)available));
	printf("%u\n", available);
	return STATUS_DONE;
}
