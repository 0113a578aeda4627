/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/check.h"
#include "lib/objects/event.h"
#include "lib/objects/mutex.h"

#include <errno.h>

struct dso_condition {
	struct object object;
};

static struct event event_of(struct dso_condition *condition)
{
	return (struct event){&condition->object, CONDITION_EVENT_OFFSET};
}

int dso_condition_open(struct dso_session *session, const char *name,
		       const struct dso_condition_params *params,
		       struct dso_condition **ret_condition)
{
	INSIDE(session);
	struct open_request request = {.type = OBJECT_CONDITION,
				       .unwanted = !ret_condition,
				       .ephemeral = params ? params->ephemeral : 0};

	return object_open(session, name, &request, sizeof(struct dso_condition), ret_condition);
}

void dso_condition_close(struct dso_condition *condition)
{
	INSIDE(check_session(condition));

	object_close((struct object *)condition);
}

/* Let the mutex go, wait for a signal that is sent from here on, and take the mutex again. */
static int wait_without(struct dso_condition *condition, struct dso_mutex *mutex,
			int64_t deadline_ns)
{
	struct event event = event_of(condition);
	struct spin spin = spin_begin(condition->object.session, deadline_ns);
	uint64_t count;
	int r = event_enlist(&event, 1, &count), relocked;

	if (r)
		return r;
	r = mutex_unlock(mutex);
	/* -EOPNOTSUPP: it was unlocked, and is to be locked again. */
	if (r && r != -EOPNOTSUPP)
		return event_leave(&event, 1, r);
	if (r == 0)
		r = event_wait(&event, 1, count, 1, &spin, deadline_ns);
	event_leave(&event, 1, r);
	/* An interrupt ends the wait for the signal, and not this one. */
	while ((relocked = mutex_lock(mutex, DSO_FOREVER)) == -ECANCELED)
		r = r ? r : -ECANCELED;
	/* What became of the mutex is more to know than that it was not in time. It was
	 * unlocked. */
	return object_half_done(relocked ? relocked : r);
}

int dso_condition_wait(struct dso_condition *condition, struct dso_mutex *mutex, int64_t timeout)
{
	INSIDE_OF(condition);
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0 && mutex_session(mutex) != condition->object.session)
		return object_refuse(&condition->object, "wait", -EINVAL,
				     "its mutex was opened in another session");
	if (r == 0 && !mutex_is_held(mutex))
		r = -EPERM;
	if (r == 0)
		r = wait_without(condition, mutex, deadline_ns);
	return r ? object_fail_wait(&condition->object, "wait", timeout, r) : 0;
}

static int notify(struct dso_condition *condition, bool all)
{
	struct event event = event_of(condition);
	uint64_t waiters;
	int r = event_raise(&event, &waiters);

	if (r || waiters == 0)
		return r;
	return all ? futex_wake_all(&condition->object, CONDITION_EVENT_OFFSET)
		   : futex_wake(&condition->object, CONDITION_EVENT_OFFSET, 1);
}

int dso_condition_signal(struct dso_condition *condition)
{
	INSIDE_OF(condition);
	int r = notify(condition, false);

	return r ? object_fail(&condition->object, "signal", r) : 0;
}

int dso_condition_broadcast(struct dso_condition *condition)
{
	INSIDE_OF(condition);
	int r = notify(condition, true);

	return r ? object_fail(&condition->object, "broadcast", r) : 0;
}
