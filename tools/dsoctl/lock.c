/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/child.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* What the command learns of the lock, by its environment. */
static int tell(uint64_t token, bool owner_died)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%" PRIu64, token);
	if (setenv("DSO_LOCK_TOKEN", digits, 1) ||
	    (owner_died ? setenv("DSO_LOCK_OWNER_DIED", "1", 1) : unsetenv("DSO_LOCK_OWNER_DIED")))
		return -errno;
	return 0;
}

/* The holder before ended while it had the lock: say so, and go on. */
static int take_over(const struct dsoctl *ctl, struct dso_mutex *mutex)
{
	fail_because("who held mutex %s before ended without unlocking it: what it guards may be "
		     "half done",
		     ctl->operands[0]);
	return dso_mutex_consistent(mutex);
}

enum exit_status run_lock(struct dsoctl *ctl)
{
	struct dso_mutex_params params = {.ephemeral = ctl->ephemeral};
	struct dso_mutex *mutex;
	enum exit_status status;
	bool owner_died;
	struct wait wait;
	uint64_t token;
	int r = dso_mutex_open(ctl->session, ctl->operands[0], &params, &mutex);

	if (r)
		return fail(ctl, r);
	r = wait_begin(&wait, ctl);
	if (r)
		return fail_because("out of threads");
	r = dso_mutex_lock(mutex, time_left(ctl), &token);
	if (wait_end(&wait, ctl)) {
		/* After -EOWNERDEAD the mutex is not made consistent, so that the next holder
		 * learns of it too. */
		if (r == 0)
			dso_mutex_unlock(mutex);
		return STATUS_FAILED;
	}
	owner_died = r == -EOWNERDEAD;
	if (owner_died)
		r = take_over(ctl, mutex);
	if (r)
		return fail_wait(ctl, r);
	if (tell(token, owner_died))
		return fail_because("out of memory");
	if (command_run(ctl, ctl->operands + 1, &status))
		return STATUS_FAILED;
	r = dso_mutex_unlock(mutex);
	if (r)
		return fail(ctl, r);
	return print_run(
		ctl, status, true,
		json_with_text(json_pack("{s:o, s:I, s:b}", "name", json_text(ctl->operands[0]),
					 "token", (json_int_t)token, "owner_died", owner_died),
			       "token"));
}

enum exit_status run_unlock(struct dsoctl *ctl)
{
	struct dso_mutex *mutex;
	uint32_t holder;
	uint64_t token;
	int r;

	if (!(ctl->options & OPTION_FORCE))
		return wrong_usage(ctl, "who has locked a mutex unlocks it; others need --force");
	/* Opening it would make one. */
	r = dso_object_stat(ctl->session, ctl->operands[0], NULL);
	if (r == 0)
		r = dso_mutex_open(ctl->session, ctl->operands[0], NULL, &mutex);
	if (r == 0)
		r = dso_mutex_holder(mutex, &holder, &token);
	if (r == 0 && holder == 0)
		return fail_because("nobody has mutex %s", ctl->operands[0]);
	if (r == 0)
		r = dso_mutex_force_unlock(mutex, token);
	if (r)
		return fail(ctl, r);
	return print_done(
		ctl, json_with_text(json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]),
					      "token", (json_int_t)token),
				    "token"));
}
