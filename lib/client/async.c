/* SPDX-License-Identifier: Apache-2.0 */
/* The asynchronous form: a ring of submitted operations that complete in order. */
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/client/fork.h"
#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/client/sentences.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAIT_NS DSO_SECOND

static struct submitted *at(struct dso_session *session, uint64_t count)
{
	return &session->submitted[count % DSO_OUTSTANDING_MAX];
}

/*
 * The descriptor of dso_fd() is an epoll set of two: the transport's descriptor, where it has one,
 * and an eventfd that is readable while the oldest operation has completed and is not reaped. The
 * eventfd is needed because calls that reap nothing also take completions from the transport.
 */
static void signal_ready(struct dso_session *session)
{
	uint64_t one = 1;
	bool ready;

	if (session->poll_fd < 0)
		return;
	ready = session->reap_count < session->submit_count &&
		at(session, session->reap_count)->op.status != -EINPROGRESS;
	if (ready == session->ready_signalled)
		return;
	if ((ready ? write(session->ready_fd, &one, sizeof one)
		   : read(session->ready_fd, &one, sizeof one)) == sizeof one)
		session->ready_signalled = ready;
}

static int start(struct dso_session *session, struct submitted *entry)
{
	const struct transport_ops *transport = transport_ops(session->transport);
	int r;

	if (transport->execute) {
		entry->op.status = transport->execute(session->transport, &entry->op);
		session_left(session, entry->serial);
		return 0;
	}
	r = transport->submit(session->transport, &entry->op);
	if (r != -EAGAIN)
		return r;
	/* The transport's buffers are full: send them, and take what has been answered
	 * meanwhile. */
	r = transport->flush(session->transport);
	if (r == 0)
		transport->progress(session->transport, 0);
	return r ? r : transport->submit(session->transport, &entry->op);
}

/* An operation that entered and did not start leaves together with the youngest one that may still
 * be under way. */
static void abandon(struct dso_session *session)
{
	if (session->submit_count == session->reap_count)
		session_leave(session);
	else
		at(session, session->submit_count - 1)->serial =
			atomic_load_explicit(&session->entered, memory_order_relaxed);
}

int session_submit(struct object *object, const struct op *op, uint64_t tag, const char *verb)
{
	struct dso_session *session = object->session;
	struct submitted *entry = at(session, session->submit_count);
	int r = session->submit_count - session->reap_count < DSO_OUTSTANDING_MAX ? 0 : -EAGAIN;

	if (r == 0)
		r = session_enter(object);
	if (r == 0) {
		entry->op = *op;
		entry->tag = tag;
		entry->serial = atomic_load_explicit(&session->entered, memory_order_relaxed);
		r = start(session, entry);
	}
	if (__builtin_expect(r != 0, 0)) {
		abandon(session);
		return object_fail(object, verb, r);
	}
	session->submit_count++;
	signal_ready(session);
	return 0;
}

int session_execute(struct object *object, struct op *ops, unsigned count)
{
	struct dso_session *session = object->session;
	int r = session_enter(object);

	if (r) {
		abandon(session);
		return r;
	}
	r = transport_execute(session->transport, ops, count);
	session_leave(session);
	signal_ready(session);
	return r;
}

int session_execute_slowly(struct object *object, struct op *op, const char *function)
{
	struct dso_session *session = check_enter(object->session, function);
	int r = session_execute(object, op, 1);

	check_leave(&session);
	return r;
}

void session_drain(struct dso_session *session)
{
	const struct transport_ops *transport = transport_ops(session->transport);

	if (session->submit_count == session->reap_count || transport->execute)
		return;
	transport->flush(session->transport);
	while (at(session, session->submit_count - 1)->op.status == -EINPROGRESS)
		transport->progress(session->transport, WAIT_NS);
}

int dso_flush(struct dso_session *session)
{
	INSIDE(session);
	const struct transport_ops *transport = transport_ops(session->transport);
	int r = transport->flush ? transport->flush(session->transport) : 0;

	signal_ready(session);
	return r ? session_fail(session, r, "flush at %s: %s", session->url, error_sentence(r)) : 0;
}

static size_t take(struct dso_session *session, struct dso_completion *completions,
		   size_t count_max)
{
	size_t count = 0;
	uint64_t serial = 0;

	for (; count < count_max && session->reap_count < session->submit_count; count++) {
		struct submitted *entry = at(session, session->reap_count);

		if (entry->op.status == -EINPROGRESS)
			break;
		completions[count] = (struct dso_completion){
			.tag = entry->tag, .status = entry->op.status, .value = entry->op.value};
		serial = entry->serial;
		session->reap_count++;
	}
	if (serial > atomic_load_explicit(&session->left, memory_order_relaxed))
		session_left(session, serial);
	return count;
}

static int inherited_fail(struct dso_session *session, const char *verb)
{
	return session_fail(session, -ENOTCONN, "%s at %s: %s", verb, session->url,
			    session->lost_reason);
}

/* Wait until there is a completion to take. Returns their number; 0 at @deadline_ns. */
static size_t await(struct dso_session *session, struct dso_completion *completions,
		    size_t count_max, int64_t deadline_ns)
{
	const struct transport_ops *transport = transport_ops(session->transport);
	int64_t left_ns;
	size_t count;

	transport->flush(session->transport);
	do {
		left_ns = deadline_ns - clock_now_ns();
		left_ns = left_ns < 0 ? 0 : left_ns;
		transport->progress(session->transport, left_ns < WAIT_NS ? left_ns : WAIT_NS);
		count = take(session, completions, count_max);
	} while (count == 0 && left_ns > 0);
	return count;
}

int dso_reap(struct dso_session *session, struct dso_completion *completions, size_t count_max,
	     int64_t timeout, size_t *ret_count)
{
	INSIDE(session);
	int64_t deadline_ns = 0;
	size_t count;

	if (timeout < DSO_FOREVER)
		return session_fail(session, -EINVAL, "reap at %s: the timeout is negative",
				    session->url);
	if (fork_is_inherited(session))
		return inherited_fail(session, "reap");
	count = take(session, completions, count_max);
	if (count == 0 && count_max && session->submit_count > session->reap_count) {
		if (timeout != DSO_NOWAIT)
			futex_deadline(timeout, &deadline_ns);
		count = await(session, completions, count_max, deadline_ns);
		if (count == 0) {
			signal_ready(session);
			return session_fail(session, -ETIMEDOUT,
					    "reap at %s: nothing has completed in time",
					    session->url);
		}
	}
	signal_ready(session);
	if (ret_count)
		*ret_count = count;
	return 0;
}

static int add_to_poll(struct dso_session *session, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return fd < 0 ? fd : epoll_ctl(session->poll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_poll(struct dso_session *session)
{
	session->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (session->poll_fd < 0)
		return -errno;
	session->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return session->ready_fd < 0 ? -errno : add_to_poll(session, session->ready_fd);
}

void session_close_poll(struct dso_session *session)
{
	if (session->ready_fd >= 0)
		close(session->ready_fd);
	if (session->poll_fd >= 0)
		close(session->poll_fd);
	session->ready_fd = session->poll_fd = -1;
	session->ready_signalled = false;
}

int session_join_poll(struct dso_session *session)
{
	const struct transport_ops *transport = transport_ops(session->transport);
	int r = 0;

	if (session->poll_fd >= 0 && transport->fd)
		r = add_to_poll(session, transport->fd(session->transport));
	signal_ready(session);
	return r;
}

int dso_fd(struct dso_session *session)
{
	INSIDE(session);
	const struct transport_ops *transport = transport_ops(session->transport);
	bool fresh = session->poll_fd < 0;
	int r;

	if (fork_is_inherited(session))
		return inherited_fail(session, "make a descriptor to poll");
	r = fresh ? open_poll(session) : 0;
	/* Each call arms the transport's descriptor anew. */
	if (r == 0 && transport->fd) {
		int fd = transport->fd(session->transport);

		r = fd < 0 || fresh ? add_to_poll(session, fd) : 0;
	}
	if (r && fresh)
		session_close_poll(session);
	signal_ready(session);
	return r ? session_fail(session, r, "cannot make a descriptor to poll at %s: %s",
				session->url, strerror(-r))
		 : session->poll_fd;
}
