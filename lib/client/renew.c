/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewing a session that is over. Operations under way get their outcome, the old session is given
 * back, a new one is begun under the same handles, and each handle is opened again. An object is
 * the same if it has the same origin of tokens: generations begin anew with a storaged, origins do
 * not.
 */
#include "lib/client/renew.h"
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/client/fork.h"
#include "lib/client/gone.h"
#include "lib/client/handles.h"
#include "lib/client/sentences.h"

#include <stdio.h>
#include <string.h>

typedef int report(const struct dso_loss *loss, void *context);

static bool lose(struct object *object, struct dso_loss *loss)
{
	return object->lose && object->lose(object, loss);
}

/* ---- the old session ---- */

/* From here on its user's thread, and dso_interrupt() of any thread, find nothing behind the
 * session. */
static void give_back(struct dso_session *session)
{
	const struct transport_ops *transport = transport_ops(session->transport);
	const struct directory_ops *directory = gone_take_directory(session);

	if (transport->detach)
		transport->detach(session->transport);
	directory->leave(session);
	session->directory_data = NULL;
	transport->close(session->transport);
	gone_transport(session, transport->name);
}

/* ---- the new one ---- */

static int begin(struct dso_session *session, char *reason, size_t reason_bytes)
{
	int before = atomic_load(&session->health), r;
	struct session_settings settings = session->settings;
	struct url url;

	r = url_parse(settings.url, &url, reason, reason_bytes);
	if (r)
		return r;
	settings.deadline_ns = clock_now_ns() + settings.open_ns;
	session->report_count = 0;
	session->transport = NULL;
	atomic_store(&session->health, 0);
	atomic_store(&session->round_trip_ns, 0);
	r = remote_open(session, &url, &settings, reason, reason_bytes);
	if (r == 0)
		return 0;
	/* The session is over for the reason before: the new one never was. */
	atomic_store(&session->health, before);
	gone_transport(session, session->gone_ops.name);
	return r;
}

/* ---- the handles ---- */

/* No list of the old directory has the handle any more. */
static void forget_links(struct object *object)
{
	object->previous = object->next = NULL;
	object->bucket_next = object->leaving_previous = object->leaving_next = NULL;
	object->waits_to_leave = false;
}

static void adopt(struct object *object)
{
	forget_links(object);
	object->session->directory->adopt(object->session, object);
}

/* The object was deleted, or another one has its name. */
static void make_stale(struct object *object)
{
	object->acknowledged = true;
	object_mark_deleted(object);
	adopt(object);
}

/* Open the object again, if it is still the same one. The handle is linked in any case. Returns 0,
 * -ESTALE, or why that is unknown. */
static int reopen(struct object *object)
{
	struct dso_session *session = object->session;
	struct open_request request = {.type = object->type, .is_there = true};
	uint64_t origin = object->token_origin;
	char reason[256];
	int r;

	if (atomic_load(&object->deleted)) {
		make_stale(object);
		return -ESTALE;
	}
	r = session->directory->open(session, object, &request, reason, sizeof reason);
	if (r == 0 && object->token_origin == origin)
		return 0;
	if (r == 0)
		session->directory->close(session, object);
	if (r == 0 || r == -ENOENT || r == -EEXIST) {
		object->token_origin = origin;
		make_stale(object);
		return -ESTALE;
	}
	adopt(object);
	return r;
}

/* Open one handle again. Returns 0, also where it is stale, or an error after which the others need
 * not be tried. */
static int renew_handle(struct object *object, report *each, void *context)
{
	bool was_stale = atomic_load(&object->deleted), held;
	struct dso_loss loss = {.type = (enum dso_type)object->type};
	int r;

	memcpy(loss.name, object->name, sizeof loss.name);
	held = lose(object, &loss);
	r = reopen(object);
	loss.status = r == -ESTALE ? -ESTALE : 0;
	if (each && (held || (r == -ESTALE && !was_stale)))
		each(&loss, context);
	return r == -ESTALE ? 0 : r;
}

static int renew_handles(struct dso_session *session, struct object *list, report *each,
			 void *context)
{
	struct object *next;
	int r = 0;

	for (struct object *object = list; object; object = next) {
		next = object->next;
		forget_links(object);
		if (r == 0)
			r = atomic_load(&session->health);
		if (r == 0)
			r = renew_handle(object, each, context);
		else
			adopt(object);
	}
	return r;
}

/* ---- all of it ---- */

/* storaged may have ended the session while this process was frozen: only an answer tells. */
static int find_health(struct dso_session *session)
{
	char reason[256] = "";
	int r = atomic_load(&session->health);

	if (r == 0)
		r = session->directory->ping(session, reason, sizeof reason);
	return r ? atomic_load(&session->health) : 0;
}

static int fail(struct dso_session *session, int r, const char *reason)
{
	return session_fail(session, r, "cannot renew the session at %s: %s", session->url,
			    *reason ? reason : error_sentence(r));
}

/* The new session cannot be used: a handle that was not opened again would reach whatever lies at
 * its place now. Say goodbye, if possible; the next dso_renew() begins another session. */
static int give_up(struct dso_session *session, int r)
{
	give_back(session);
	session_lose(session, -ENOTCONN, "the session could not be renewed");
	return fail(session, r, "");
}

static int renew(struct dso_session *session, report *each, void *context)
{
	struct object *list = session->objects;
	char reason[900] = "";
	int r;

	session_drain(session);
	give_back(session);
	session->objects = NULL;
	r = begin(session, reason, sizeof reason);
	if (r) {
		session->objects = list;
		return fail(session, r, reason);
	}
	r = renew_handles(session, list, each, context);
	if (r == 0)
		r = session_join_poll(session);
	return r ? give_up(session, r) : 0;
}

int dso_renew(struct dso_session *session, report *each, void *context)
{
	INSIDE(session);
	int r;

	if (fork_is_inherited(session))
		return fail(session, -ENOTCONN, "it belongs to the process that forked");
	if (find_health(session) == 0)
		return 0;
	/* If another thread forks meanwhile, the child inherits nothing of it. */
	fork_forget(session);
	r = renew(session, each, context);
	fork_remember(session);
	return r;
}

static bool holds_anything(const struct dso_session *session)
{
	struct object *object = session->objects;

	while (object && !lose(object, NULL))
		object = object->next;
	return object;
}

bool renew_after(struct dso_session *session, int r)
{
	if (r != -ENOTCONN && r != -ESHUTDOWN && r != -ECONNRESET)
		return false;
	/* The caller has to learn what the session has lost. */
	return atomic_load(&session->health) && !holds_anything(session) &&
	       dso_renew(session, NULL, NULL) == 0;
}
