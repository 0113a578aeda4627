/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions that the session's directory answers. */
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/objects/object.h"
#include "lib/client/renew.h"
#include "lib/client/sentences.h"

#include <errno.h>
#include <string.h>

/* The session is over. */
static int fail_lost(struct dso_session *session, int error, const char *verb)
{
	pthread_mutex_lock(&session->lock);
	session_fail(session, error, "cannot %s at %s: %s. Why: %s", verb, session->url,
		     error_sentence(error), session->lost_reason);
	pthread_mutex_unlock(&session->lock);
	return error;
}

/* Check the name (NULL: the verb takes none), and that the session lives, before asking. */
static int begin(struct dso_session *session, const char *verb, const char *name)
{
	size_t bytes = name ? strlen(name) : 1;
	int r = atomic_load(&session->health);

	if (bytes == 0)
		return session_fail(session, -EINVAL, "cannot %s: the name is empty", verb);
	if (bytes > DSO_NAME_BYTES_MAX)
		return session_fail(session, -ENAMETOOLONG,
				    "cannot %s: the name has %zu bytes, %d are the most", verb,
				    bytes, DSO_NAME_BYTES_MAX);
	return r ? fail_lost(session, r, verb) : 0;
}

/* The same before a call that is safe to repeat: it renews a session that is over, if it may. */
static int begin_safely(struct dso_session *session, const char *verb, const char *name)
{
	renewed(session, atomic_load(&session->health));
	return begin(session, verb, name);
}

static int end(struct dso_session *session, int r, const char *verb, const char *name,
	       const char *reason)
{
	return r ? session_fail(session, r, "cannot %s%s%s at %s: %s", verb, name ? " " : "",
				name ? name : "", session->url, *reason ? reason : strerror(-r))
		 : 0;
}

int dso_object_delete(struct dso_session *session, const char *name)
{
	INSIDE(session);
	char reason[256] = "";
	int r = begin(session, "delete", name ? name : "");

	if (r)
		return r;
	r = session->directory->delete (session, name, reason, sizeof reason);
	return end(session, r, "delete", name, reason);
}

int dso_delete_prefix(struct dso_session *session, const char *prefix, uint64_t *ret_count)
{
	INSIDE(session);
	char reason[256] = "";
	uint32_t cursor = 0, count;
	uint64_t total = 0;
	int r = begin(session, "delete by prefix", prefix ? prefix : "");

	if (r)
		return r;
	do {
		r = session->directory->delete_prefix(session, prefix, &cursor, &count, reason,
						      sizeof reason);
		total += r ? 0 : count;
	} while (r == 0 && cursor);
	if (r == 0 && ret_count)
		*ret_count = total;
	return end(session, r, "delete by prefix", prefix, reason);
}

int dso_object_stat(struct dso_session *session, const char *name, struct dso_stat *ret_stat)
{
	INSIDE(session);
	char reason[256] = "";
	struct dso_stat stat;
	int r = begin_safely(session, "stat", name ? name : "");

	if (r)
		return r;
	ret_stat = ret_stat ? ret_stat : &stat;
	r = session->directory->stat(session, name, ret_stat, reason, sizeof reason);
	if (renewed(session, r))
		r = session->directory->stat(session, name, ret_stat, reason, sizeof reason);
	return end(session, r, "stat", name, reason);
}

int dso_list(struct dso_session *session, int (*each)(const struct dso_stat *stat, void *context),
	     void *context)
{
	INSIDE(session);
	struct dso_stat page[DIRECTORY_PAGE_MAX];
	char reason[256] = "";
	uint32_t cursor = 0;
	unsigned count;
	int r = begin_safely(session, "list", NULL);

	if (r)
		return r;
	do {
		r = session->directory->list(session, &cursor, page, DIRECTORY_PAGE_MAX, &count,
					     reason, sizeof reason);
		if (renewed(session, r))
			r = session->directory->list(session, &cursor, page, DIRECTORY_PAGE_MAX,
						     &count, reason, sizeof reason);
		if (r)
			return end(session, r, "list", NULL, reason);
		for (unsigned i = 0; i < count; i++) {
			r = each(&page[i], context);
			if (r)
				return r;
		}
	} while (cursor);
	return 0;
}

int dso_holds(struct dso_session *session, int (*each)(const struct dso_hold *hold, void *context),
	      void *context)
{
	INSIDE(session);
	struct dso_hold page[DIRECTORY_PAGE_MAX];
	char reason[256] = "";
	uint64_t cursor = 0;
	unsigned count;
	int r = begin_safely(session, "list the holds", NULL);

	if (r)
		return r;
	do {
		r = session->directory->holds(session, &cursor, page, DIRECTORY_PAGE_MAX, &count,
					      reason, sizeof reason);
		if (renewed(session, r))
			r = session->directory->holds(session, &cursor, page, DIRECTORY_PAGE_MAX,
						      &count, reason, sizeof reason);
		if (r)
			return end(session, r, "list the holds", NULL, reason);
		for (unsigned i = 0; i < count; i++) {
			r = each(&page[i], context);
			if (r)
				return r;
		}
	} while (cursor);
	return 0;
}

int dso_server_stat(struct dso_session *session, struct dso_server_stat *ret_stat)
{
	INSIDE(session);
	struct dso_server_stat stat = {0};
	char reason[256] = "";
	int r = begin_safely(session, "ask storaged for its figures", NULL);

	if (r)
		return r;
	r = session->directory->server_stat(session, &stat, reason, sizeof reason);
	if (renewed(session, r))
		r = session->directory->server_stat(session, &stat, reason, sizeof reason);
	if (r == 0 && ret_stat)
		*ret_stat = stat;
	return end(session, r, "ask storaged for its figures", NULL, reason);
}

static int take_figures(struct dso_session *session, struct dso_figure *figures, size_t count_max,
			size_t *ret_count, char *reason, size_t reason_bytes)
{
	const struct transport_ops *transport = transport_ops(session->transport);
	size_t count = 0, here;
	int r = 0;

	if (transport->figures)
		transport->figures(session->transport, figures, count_max, &count);
	here = count;
	if (session->directory->figures)
		r = session->directory->figures(session, figures, count_max, &count, reason,
						reason_bytes);
	for (size_t i = here; i < count; i++)
		figures[i].at_storaged = 1;
	*ret_count = count;
	return r;
}

int dso_transport_stat(struct dso_session *session, struct dso_figure *figures, size_t count_max,
		       size_t *ret_count)
{
	INSIDE(session);
	char reason[256] = "";
	size_t count = 0;
	int r = begin_safely(session, "ask for figures", NULL);

	if (r)
		return r;
	r = take_figures(session, figures, count_max, &count, reason, sizeof reason);
	if (renewed(session, r))
		r = take_figures(session, figures, count_max, &count, reason, sizeof reason);
	if (r == 0 && ret_count)
		*ret_count = count;
	return end(session, r, "ask for figures", NULL, reason);
}

int dso_ping(struct dso_session *session, int64_t *ret_round_trip)
{
	INSIDE(session);
	char reason[256] = "";
	int64_t begin_ns;
	int r = begin_safely(session, "ping", NULL);

	if (r)
		return r;
	begin_ns = clock_now_ns();
	r = session->directory->ping(session, reason, sizeof reason);
	if (renewed(session, r)) {
		begin_ns = clock_now_ns();
		r = session->directory->ping(session, reason, sizeof reason);
	}
	if (r == 0 && ret_round_trip)
		*ret_round_trip = clock_now_ns() - begin_ns;
	return end(session, r, "ping", NULL, reason);
}
