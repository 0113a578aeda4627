/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>

/* Open the barrier, or with -n create it. Any status but STATUS_DONE was explained on stderr. */
static enum exit_status open_barrier(struct dsoctl *ctl, struct dso_barrier **ret_barrier)
{
	bool given = ctl->options & OPTION_COUNT;
	struct dso_barrier_params params = {.parties = given ? (uint32_t)ctl->count : 0,
					    .ephemeral = ctl->ephemeral};
	int r = given ? 0 : dso_object_stat(ctl->session, ctl->operands[0], NULL);

	if (r == -ENOENT)
		return fail_missing(ctl, "barrier", "dsoctl barrier wait NAME -n PARTIES");
	if (r == 0)
		r = dso_barrier_open(ctl->session, ctl->operands[0], &params, ret_barrier);
	return r ? fail(ctl, r) : STATUS_DONE;
}

enum exit_status run_barrier_wait(struct dsoctl *ctl)
{
	struct dso_barrier *barrier;
	int last = 0;
	enum exit_status status;
	int r;

	if (ctl->options & OPTION_COUNT && ctl->count > DSO_BARRIER_PARTIES_MAX)
		return wrong_usage(ctl, "-n is 1 to %d parties", DSO_BARRIER_PARTIES_MAX);
	status = open_barrier(ctl, &barrier);
	if (status)
		return status;
	r = dso_barrier_wait(barrier, time_left(ctl), &last);
	if (r)
		return fail_wait(ctl, r);
	if (ctl->json)
		return print_json(
			json_pack("{s:o, s:b}", "name", json_text(ctl->operands[0]), "last", last));
	if (last)
		puts("last");
	return STATUS_DONE;
}

enum exit_status run_barrier_reset(struct dsoctl *ctl)
{
	struct dso_barrier *barrier;
	enum exit_status status = open_barrier(ctl, &barrier);
	int r = status ? 0 : dso_barrier_reset(barrier);

	if (status)
		return status;
	return r ? fail(ctl, r)
		 : print_done(ctl, json_pack("{s:o}", "name", json_text(ctl->operands[0])));
}

enum exit_status run_barrier_stat(struct dsoctl *ctl)
{
	struct dso_barrier *barrier;
	uint32_t parties, waiting;
	json_t *object;
	int broken, r;
	enum exit_status status = open_barrier(ctl, &barrier);

	if (status)
		return status;
	r = dso_barrier_stat(barrier, &parties, &waiting, &broken);
	if (r)
		return fail(ctl, r);
	object = json_pack("{s:o, s:I, s:I, s:b}", "name", json_text(ctl->operands[0]), "parties",
			   (json_int_t)parties, "waiting", (json_int_t)waiting, "broken", broken);
	return ctl->json ? print_json(object) : print_members(object);
}
