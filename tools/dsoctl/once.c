/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/child.h"

static enum exit_status print_once(const struct dsoctl *ctl, enum exit_status status, bool ran)
{
	return print_run(ctl, status, ran,
			 json_pack("{s:o, s:b, s:b}", "name", json_text(ctl->operands[0]), "ran",
				   ran, "done", status == STATUS_DONE));
}

enum exit_status run_once(struct dsoctl *ctl)
{
	struct dso_once *once;
	enum exit_status status;
	struct wait wait;
	int mine = 0;
	int r = dso_once_open(ctl->session, ctl->operands[0], NULL, &once);

	if (r)
		return fail(ctl, r);
	r = wait_begin(&wait, ctl);
	if (r)
		return fail_because("out of threads");
	r = dso_once_begin(once, time_left(ctl), &mine);
	if (wait_end(&wait, ctl)) {
		if (mine)
			dso_once_abandon(once);
		return STATUS_FAILED;
	}
	if (r)
		return fail_wait(ctl, r);
	if (!mine)
		return print_once(ctl, STATUS_DONE, false);
	if (command_run(ctl, ctl->operands + 1, &status))
		return STATUS_FAILED;
	r = status == STATUS_DONE ? dso_once_done(once) : dso_once_abandon(once);
	return r ? fail(ctl, r) : print_once(ctl, status, true);
}
