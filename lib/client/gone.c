/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/gone.h"
#include "lib/client/handles.h"

#include <errno.h>

static int refuse_submit(struct transport *transport, struct op *op)
{
	return -ENOTCONN;
}

static int refuse_flush(struct transport *transport)
{
	return -ENOTCONN;
}

static int refuse_progress(struct transport *transport, int64_t wait_ns)
{
	return -ENOTCONN;
}

static void do_nothing(struct transport *transport)
{
}

static int refuse_wait(struct dso_session *session, struct object *object, const struct park *park,
		       int64_t deadline_ns, uint64_t *ret_taken, char *reason, size_t reason_bytes)
{
	return -ENOTCONN;
}

static int refuse_wake(struct dso_session *session, struct object *object, uint64_t offset,
		       uint32_t count, uint32_t *ret_count, char *reason, size_t reason_bytes)
{
	return -ENOTCONN;
}

static int refuse_reduce(struct dso_session *session, struct object *object, uint64_t round,
			 uint64_t *ret_word, char *reason, size_t reason_bytes)
{
	return -ENOTCONN;
}

static void unlink_object(struct dso_session *session, struct object *object)
{
	object_unlink(object);
}

static void leave_alone(struct dso_session *session)
{
}

/* All other functions look at session->health before they ask the directory. */
const struct directory_ops gone_directory = {
	.close = unlink_object,
	.wait = refuse_wait,
	.wake = refuse_wake,
	.reduce = refuse_reduce,
	.interrupt = leave_alone,
	.leave = leave_alone,
	.forget = leave_alone,
};

const struct directory_ops *gone_take_directory(struct dso_session *session)
{
	const struct directory_ops *before;

	pthread_mutex_lock(&session->interrupt_lock);
	before = session->directory;
	session->directory = &gone_directory;
	pthread_mutex_unlock(&session->interrupt_lock);
	return before;
}

void gone_transport(struct dso_session *session, const char *name)
{
	session->gone_ops = (struct transport_ops){
		.name = name,
		.submit = refuse_submit,
		.flush = refuse_flush,
		.progress = refuse_progress,
		.close = do_nothing,
	};
	session->gone.ops = &session->gone_ops;
	session->transport = (struct transport *)&session->gone;
}
