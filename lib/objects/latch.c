/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/check.h"
#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/objects/word.h"

#include <errno.h>

struct dso_latch {
	struct object object;
	uint64_t count; /* as it was last seen */
};

int dso_latch_open(struct dso_session *session, const char *name,
		   const struct dso_latch_params *params, struct dso_latch **ret_latch)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_LATCH,
		.unwanted = !ret_latch,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_latch *latch;
	int r;

	if (params) {
		if (params->count < 0)
			return session_fail(
				session, -EINVAL,
				"cannot open latch %s: count: %lld asked, 1 is the least",
				name ? name : "", (long long)params->count);
		request.parameters[LATCH_PARAMETER_COUNT] = (uint64_t)params->count;
	}
	r = object_open(session, name, &request, sizeof *latch, &latch);
	if (r)
		return r;
	latch->count = latch->object.parameters[LATCH_PARAMETER_COUNT];
	*ret_latch = latch;
	return 0;
}

void dso_latch_close(struct dso_latch *latch)
{
	INSIDE(check_session(latch));

	object_close((struct object *)latch);
}

static int count_down(struct dso_latch *latch, uint64_t n)
{
	for (;;) {
		uint64_t left = latch->count > n ? latch->count - n : 0, before;
		int r = word_cas(&latch->object, LATCH_WORD_OFFSET, latch->count, left, &before);

		if (r)
			return r;
		if (before != latch->count) {
			latch->count = before;
			continue;
		}
		latch->count = left;
		return left == 0 && before > 0 ? futex_wake_all(&latch->object, LATCH_WORD_OFFSET)
					       : 0;
	}
}

int dso_latch_count_down(struct dso_latch *latch, int64_t n, int64_t *ret_count)
{
	INSIDE_OF(latch);
	int r;

	if (n < 1)
		return object_refuse(&latch->object, "count_down", -EINVAL,
				     "n: %lld asked, 1 is the least", (long long)n);
	r = count_down(latch, (uint64_t)n);
	if (r)
		return object_fail(&latch->object, "count_down", r);
	if (ret_count)
		*ret_count = (int64_t)latch->count;
	return 0;
}

static int wait_for_zero(struct dso_latch *latch, int64_t deadline_ns)
{
	struct spin spin = spin_begin(latch->object.session, deadline_ns);

	for (;;) {
		int r = word_load(&latch->object, LATCH_WORD_OFFSET, &latch->count);

		if (r || latch->count == 0)
			return r;
		if (spin_on(&spin, &latch->object, LATCH_WORD_OFFSET, latch->count))
			continue;
		r = futex_wait(&latch->object, LATCH_WORD_OFFSET, latch->count, deadline_ns);
		if (r)
			return r;
	}
}

int dso_latch_wait(struct dso_latch *latch, int64_t timeout)
{
	INSIDE_OF(latch);
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0)
		r = wait_for_zero(latch, deadline_ns);
	return r ? object_fail_wait(&latch->object, "wait", timeout, r) : 0;
}

int dso_latch_count(struct dso_latch *latch, int64_t *ret_count)
{
	INSIDE_OF(latch);
	int r = word_load(&latch->object, LATCH_WORD_OFFSET, &latch->count);

	if (r)
		return object_fail(&latch->object, "count", r);
	if (ret_count)
		*ret_count = (int64_t)latch->count;
	return 0;
}
