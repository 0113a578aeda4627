/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a session: its options and environment, and where storaged is to be found. */
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/client/fork.h"
#include "lib/client/handles.h"
#include "lib/client/trust.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_NS_DEFAULT (3 * DSO_SECOND)
#define LINGER_NS_MAX      3600000000000

#define OPEN_TIMEOUT_NS_DEFAULT (10 * DSO_SECOND)
#define OPEN_TIMEOUTS           10                       /* and at most this many timeouts */
#define DURATION_NS_LONGEST     (3600 * 24 * DSO_SECOND) /* longer ones are as long as this */

/* What the last dso_open() in this thread that failed has left. */
static _Thread_local char open_error[1024] = "";
static _Thread_local struct dso_transport_report open_reports[TRANSPORT_REPORTS_MAX];
static _Thread_local unsigned open_report_count;

__attribute__((format(printf, 2, 3))) static int open_fail(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(open_error, sizeof open_error, format, arguments);
	va_end(arguments);
	return error;
}

/* ---- settings ---- */

static int choose(const char *what, const char *text, const char *const *names, unsigned count,
		  unsigned *ret_choice)
{
	char list[64] = "";

	for (unsigned i = 0; i < count; i++) {
		if (!strcmp(text, names[i])) {
			*ret_choice = i;
			return 0;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		strncat(list, i ? ", " : "", sizeof list - strlen(list) - 1);
		strncat(list, names[i], sizeof list - strlen(list) - 1);
	}
	return open_fail(-EINVAL, "%s \"%s\" is not one of %s", what, text, list);
}

/* The option, else the environment variable, else the default. */
static const char *pick(const char *option, const char *variable, const char *otherwise)
{
	const char *value = option ? option : getenv(variable);

	return value && *value ? value : otherwise;
}

/* A duration from an option, else from the environment variable @variable, in ms; 0: from
 * neither. */
static int find_duration(const char *what, int64_t option, const char *variable, int64_t *ret_ns)
{
	const char *text = getenv(variable);
	char *end;
	long ms;

	*ret_ns = 0;
	if (option < 0)
		return open_fail(-EINVAL, "the %s is negative", what);
	if (option > 0) {
		*ret_ns = option < DURATION_NS_LONGEST ? option : DURATION_NS_LONGEST;
	} else if (text && *text) {
		ms = strtol(text, &end, 10);
		if (*end || ms < 1 || ms > 3600000)
			return open_fail(-EINVAL, "%s \"%s\" is not 1 to 3600000", variable, text);
		*ret_ns = ms * DSO_MILLISECOND;
	}
	return 0;
}

/* How long dso_open may take by default. */
static int64_t open_timeout_ns(int64_t timeout_ns)
{
	if (timeout_ns > OPEN_TIMEOUT_NS_DEFAULT)
		return timeout_ns;
	return timeout_ns * OPEN_TIMEOUTS < OPEN_TIMEOUT_NS_DEFAULT ? timeout_ns * OPEN_TIMEOUTS
								    : OPEN_TIMEOUT_NS_DEFAULT;
}

static int find_times(const struct dso_options *options, struct session_settings *settings)
{
	int64_t open_ns;
	int r = find_duration("timeout", options->timeout, "DSO_TIMEOUT_MS", &settings->timeout_ns);

	if (r == 0)
		r = find_duration("time to open", options->open_timeout, "DSO_OPEN_TIMEOUT_MS",
				  &open_ns);
	if (r)
		return r;
	if (settings->timeout_ns == 0)
		settings->timeout_ns = TIMEOUT_NS_DEFAULT;
	if (open_ns == 0)
		open_ns = open_timeout_ns(settings->timeout_ns);
	settings->open_ns = open_ns;
	settings->deadline_ns = clock_now_ns() + open_ns;
	return 0;
}

static int find_settings(const struct dso_options *options, struct session_settings *settings)
{
	static const char *const transports[] = {"auto", TRANSPORT_NAMES};
	static const char *const polls[] = {"adaptive", "busy", "block"};
	static const char *const ios[] = {"auto", "io_uring", "poll"};
	static const struct dso_options none;
	unsigned choice = 0;
	int r;

	options = options ? options : &none;
	for (size_t i = 0; i < sizeof options->reserved / sizeof *options->reserved; i++)
		if (options->reserved[i])
			return open_fail(-EINVAL, "a reserved option is not zero");
	settings->transport = pick(options->transport, "DSO_TRANSPORT", "auto");
	settings->device = pick(options->device, "DSO_DEVICE", NULL);
	settings->io = pick(options->io, "DSO_IO", "auto");
	r = choose("the transport", settings->transport, transports, TRANSPORT_COUNT + 1, &choice);
	if (r == 0)
		r = choose("the I/O engine", settings->io, ios, 3, &choice);
	if (r == 0)
		r = choose("the poll policy", pick(options->poll, "DSO_POLL", "adaptive"), polls, 3,
			   &choice);
	if (r)
		return r;
	settings->poll = (enum transport_poll)choice;
	if (options->linger < 0 || options->linger > LINGER_NS_MAX)
		return open_fail(-EINVAL, "the linger is negative or longer than an hour");
	settings->linger_ns = options->linger;
	if (options->renew > 1)
		return open_fail(-EINVAL, "the option renew is 0 or 1");
	settings->renew = options->renew;
	return find_times(options, settings);
}

static const char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* Copy the settings: options and environment may have changed by the time the session is
 * renewed. */
static bool keep_settings(struct dso_session *session, const struct session_settings *settings,
			  const char *url)
{
	struct session_settings *own = &session->settings;

	*own = *settings;
	own->url = copy(url);
	own->transport = copy(settings->transport);
	own->device = copy(settings->device);
	own->io = copy(settings->io);
	return own->url && own->transport && own->io && (own->device || !settings->device);
}

static void free_settings(struct session_settings *own)
{
	free((char *)own->url);
	free((char *)own->transport);
	free((char *)own->device);
	free((char *)own->io);
}

static struct dso_session *session_new(const struct session_settings *settings, const char *url)
{
	struct dso_session *session = calloc(1, sizeof *session);

	if (!session)
		return NULL;
	session->submitted = reallocarray(NULL, DSO_OUTSTANDING_MAX, sizeof *session->submitted);
	if (!keep_settings(session, settings, url) || !session->submitted) {
		free_settings(&session->settings);
		free(session->submitted);
		free(session);
		return NULL;
	}
	pthread_mutex_init(&session->lock, NULL);
	pthread_mutex_init(&session->interrupt_lock, NULL);
	session->poll_fd = session->ready_fd = -1;
	session->timeout_ns = settings->timeout_ns;
	session->poll = settings->poll;
	return session;
}

static void session_free(struct dso_session *session)
{
	session_close_poll(session);
	pthread_mutex_destroy(&session->lock);
	pthread_mutex_destroy(&session->interrupt_lock);
	free_settings(&session->settings);
	free(session->submitted);
	free(session);
}

static int open_url(const char *text, const struct session_settings *settings,
		    struct dso_session **ret_session)
{
	struct dso_session *session;
	char reason[900] = "";
	struct url url;
	int r = url_parse(text, &url, reason, sizeof reason);

	if (r)
		return open_fail(r, "the URL \"%s\" is malformed: %s", text, reason);
	session = session_new(settings, text);
	if (!session)
		return open_fail(-ENOMEM, "cannot open %s: out of memory", text);
	snprintf(session->url, sizeof session->url, "%s", text);
	r = url.kind == URL_EMBEDDED ? embedded_open(session, &url, settings, reason, sizeof reason)
				     : remote_open(session, &url, settings, reason, sizeof reason);
	if (r) {
		open_report_count = session->report_count;
		memcpy(open_reports, session->reports, sizeof open_reports);
		session_free(session);
		return open_fail(r, "cannot open %s: %s", text, *reason ? reason : strerror(-r));
	}
	fork_remember(session);
	*ret_session = session;
	return 0;
}

/* Whether to try the default address as well after the failure @r of the unix socket. */
static bool is_elsewhere(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -EACCES;
}

/* Open storaged's default unix socket, and return its @path. -ENOENT: there is none. */
static int open_default_socket(struct session_settings *settings, char *path, size_t path_bytes,
			       struct dso_session **ret_session)
{
	char text[128], reason[400];
	int r;

	url_default_unix_path(path, path_bytes);
	if (access(path, F_OK))
		return -ENOENT;
	r = trust_socket(path, reason, sizeof reason);
	if (r)
		return open_fail(r, "%s", reason);
	snprintf(text, sizeof text, "dso+unix://%s", path);
	settings->by_default = true;
	return open_url(text, settings, ret_session);
}

/* Open the default address, after the unix socket at @path, whose failure is in open_error. */
static int open_default_address(struct session_settings *settings, const char *path,
				struct dso_session **ret_session)
{
	char before[400];
	int r;

	snprintf(before, sizeof before, "%s", open_error);
	settings->by_default = false;
	r = open_url("dso://127.0.0.1:7471/default", settings, ret_session);
	if (r != -ECONNREFUSED)
		return r;
	return open_fail(
		r,
		"no storaged answers at %s or 127.0.0.1:7471: start one (storaged), or say "
		"where it is with DSO_URL%s%s",
		path, *before ? "; " : "", before);
}

int dso_open(const char *url, const struct dso_options *options, struct dso_session **ret_session)
{
	struct session_settings settings = {0};
	char path[108];
	int r;

	open_report_count = 0;
	open_error[0] = 0;
	check_read_environment();
	if (!ret_session)
		return open_fail(-EINVAL, "there is nowhere to put the session");
	r = find_settings(options, &settings);
	if (r)
		return r;
	url = pick(url, "DSO_URL", NULL);
	if (url)
		return open_url(url, &settings, ret_session);
	r = open_default_socket(&settings, path, sizeof path, ret_session);
	return r == 0 || !is_elsewhere(r) ? r : open_default_address(&settings, path, ret_session);
}

void dso_close(struct dso_session *session)
{
	const struct transport_ops *transport;

	if (!session)
		return;
	check_enter(session, __func__);
	fork_forget(session);
	transport = transport_ops(session->transport);
	/* Once storaged is told that the session is over, nothing of it may act any more. Queue
	 * pairs and data connections are left to storaged: their end before the goodbye would count
	 * as a loss. */
	if (transport->detach)
		transport->detach(session->transport);
	session->directory->leave(session);
	transport->close(session->transport);
	while (session->objects) {
		struct object *object = session->objects;

		session->objects = object->next;
		object_free(object);
	}
	session_free(session);
}

/* ---- what opening says of itself ---- */

const char *dso_error(const struct dso_session *session)
{
	return session ? session->error : open_error;
}

size_t dso_transports(const struct dso_session *session, struct dso_transport_report *reports,
		      size_t count_max)
{
	const struct dso_transport_report *from = session ? session->reports : open_reports;
	size_t all = session ? session->report_count : open_report_count;

	for (size_t i = 0; i < all && i < count_max; i++)
		reports[i] = from[i];
	return all;
}
