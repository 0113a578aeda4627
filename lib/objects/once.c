/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/check.h"
#include "lib/objects/object.h"
#include "lib/objects/owned.h"
#include "lib/objects/word.h"

#include <errno.h>

struct dso_once {
	struct object object;
	uint64_t word; /* as it was last seen */
	bool mine;
};

static bool lose(struct object *object, struct dso_loss *loss)
{
	struct dso_once *once = (struct dso_once *)object;
	bool held = once->mine;

	if (!loss)
		return held;
	loss->role = DSO_HOLDER;
	loss->count = held;
	once->mine = false;
	once->word = 0;
	return held;
}

int dso_once_open(struct dso_session *session, const char *name,
		  const struct dso_once_params *params, struct dso_once **ret_once)
{
	INSIDE(session);
	struct open_request request = {.type = OBJECT_ONCE,
				       .lose = lose,
				       .unwanted = !ret_once,
				       .ephemeral = params ? params->ephemeral : 0};

	return object_open(session, name, &request, sizeof(struct dso_once), ret_once);
}

/* Give the once back: done where @flags say so, otherwise for the next session to do. All waiters
 * are woken: one of them may find it done by a session that saw no waiters. */
static int give(struct dso_once *once, uint64_t flags)
{
	int r;

	if (!once->mine)
		return -EPERM;
	r = owned_give(&once->object, ONCE_WORD_OFFSET, &once->word, 0, flags, OWNED_WAKE_ALL,
		       NULL);
	once->mine = owned_is_kept(r, once->word);
	return r;
}

void dso_once_close(struct dso_once *once)
{
	INSIDE(check_session(once));

	if (once)
		give(once, 0);
	object_close((struct object *)once);
}

int dso_once_begin(struct dso_once *once, int64_t timeout, int *ret_mine)
{
	INSIDE_OF(once);
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0)
		r = owned_take(&once->object, ONCE_WORD_OFFSET, &once->word, OWNED_DONE, NULL,
			       deadline_ns);
	if (r && r != -EALREADY)
		return object_fail_wait(&once->object, "begin", timeout, r);
	once->mine = r == 0;
	if (ret_mine)
		*ret_mine = once->mine;
	return 0;
}

int dso_once_done(struct dso_once *once)
{
	INSIDE_OF(once);
	int r = give(once, OWNED_DONE);

	return r ? object_fail(&once->object, "done", r) : 0;
}

int dso_once_abandon(struct dso_once *once)
{
	INSIDE_OF(once);
	int r = give(once, 0);

	return r ? object_fail(&once->object, "abandon", r) : 0;
}
