/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/fork.h"
#include "lib/client/check.h"
#include "lib/client/embedded.h"
#include "lib/client/gone.h"
#include "lib/client/handles.h"
#include "lib/remote/heartbeat.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	pthread_mutex_t lock;
	struct dso_session *first;
} sessions = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- a session in the child ---- */

static void replace_transport(struct dso_session *session)
{
	const struct transport_ops *before = transport_ops(session->transport);

	if (before->forget)
		before->forget(session->transport);
	gone_transport(session, before->name);
}

static void inherit(struct dso_session *session)
{
	if (fork_is_inherited(session))
		return;
	if (atomic_load(&session->health) == 0)
		snprintf(session->lost_reason, sizeof session->lost_reason,
			 "the session belongs to the process that forked");
	atomic_store(&session->health, -ENOTCONN);
	replace_transport(session);
	session->directory->forget(session);
	session->directory = &gone_directory;
	session->is_inherited = true;
	session->directory_data = NULL;
	session->reap_count = session->submit_count;
	check_forget(session);
	session_close_poll(session);
}

bool fork_is_inherited(const struct dso_session *session)
{
	return session->is_inherited;
}

/* ---- fork() ---- */

/* Take all locks of the library, in their order, so that the child finds everything whole. */
static void before_fork(void)
{
	pthread_mutex_lock(&sessions.lock);
	heartbeat_before_fork();
	embedded_before_fork();
	for (struct dso_session *session = sessions.first; session; session = session->next)
		pthread_mutex_lock(&session->interrupt_lock);
	for (struct dso_session *session = sessions.first; session; session = session->next)
		pthread_mutex_lock(&session->lock);
}

static void unlock_sessions(void)
{
	for (struct dso_session *session = sessions.first; session; session = session->next)
		pthread_mutex_unlock(&session->lock);
	for (struct dso_session *session = sessions.first; session; session = session->next)
		pthread_mutex_unlock(&session->interrupt_lock);
}

static void after_fork_in_parent(void)
{
	unlock_sessions();
	embedded_after_fork();
	heartbeat_after_fork_in_parent();
	pthread_mutex_unlock(&sessions.lock);
}

static void after_fork_in_child(void)
{
	unlock_sessions();
	heartbeat_after_fork_in_child();
	embedded_detach();
	for (struct dso_session *session = sessions.first; session; session = session->next)
		inherit(session);
	embedded_forget_all();
	embedded_after_fork();
	pthread_mutex_unlock(&sessions.lock);
}

static void prepare(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void fork_hold_up(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, prepare);
	pthread_mutex_lock(&sessions.lock);
}

void fork_allow(void)
{
	pthread_mutex_unlock(&sessions.lock);
}

void fork_remember(struct dso_session *session)
{
	fork_hold_up();
	session->next = sessions.first;
	if (session->next)
		session->next->previous = session;
	sessions.first = session;
	fork_allow();
}

void fork_forget(struct dso_session *session)
{
	fork_hold_up();
	if (session->previous)
		session->previous->next = session->next;
	else if (sessions.first == session)
		sessions.first = session->next;
	if (session->next)
		session->next->previous = session->previous;
	session->next = session->previous = NULL;
	fork_allow();
}
