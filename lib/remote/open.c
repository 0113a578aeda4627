/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning a session: connecting, the greeting, and the choice of a transport. */
#include "lib/core/clock.h"
#include "lib/core/process_barrier.h"
#include "lib/remote/dial.h"
#include "lib/client/gone.h"
#include "lib/remote/remote.h"
#include "lib/roce/path.h"
#include "lib/client/trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The transports, best first, and why storaged may not offer one, by the region's domain. */
static const struct {
	const char *name;
	int (*connect)(const struct attachment *attachment, struct transport **ret_transport);
	uint8_t bit;
	const char *absent_cpu, *absent_device;
} transports[] = {
	{"shm", transport_shm_connect, CONTROL_SHM,
	 "storaged was told not to offer it, or has no unix socket",
	 "storaged's RDMA device executes this region's atomics, no CPU may"},
	{"verbs", transport_verbs_connect, CONTROL_VERBS,
	 "storaged serves this region by its CPU: it uses no RDMA device (dsoctl stat says why)",
	 "storaged was told not to offer it"},
	{"roce", transport_roce_connect, CONTROL_ROCE,
	 "storaged was told not to offer it, listens at no address, or has no sockets for it",
	 "storaged was told not to offer it"},
	{"tcp", transport_tcp_connect, CONTROL_TCP, "storaged was told not to offer it",
	 "storaged was told not to offer it"},
};

_Static_assert(sizeof transports / sizeof *transports == TRANSPORT_COUNT, "all of the list");

/* Try the transport at @index. Returns 0 or a negative errno with *why filled. */
static int try_transport(unsigned index, const struct attachment *attachment,
			 struct transport **ret_transport)
{
	const struct control_welcome *welcome = attachment->welcome;
	int r;

	*attachment->reason = 0;
	if (!(welcome->transports & transports[index].bit)) {
		snprintf(attachment->reason, attachment->reason_bytes, "%s",
			 welcome->domain == CONTROL_DOMAIN_DEVICE ? transports[index].absent_device
								  : transports[index].absent_cpu);
		return -EOPNOTSUPP;
	}
	r = transports[index].connect(attachment, ret_transport);
	if (r && *attachment->reason == 0)
		snprintf(attachment->reason, attachment->reason_bytes, "%s", strerror(-r));
	return r;
}

/* Ask storaged something that may take its time, for example because a neighbour of the device
 * answers late. Only the deadline ends the wait, and a late reply is ignored. */
static int ask(const struct attachment *attachment, uint16_t type, const void *body,
	       uint32_t body_bytes, void *reply, uint32_t reply_bytes)
{
	struct remote *remote = attachment->asker;
	struct dso_session *session = remote->session;
	int r;

	pthread_mutex_lock(&session->lock);
	r = remote_begin(remote, type, body, body_bytes, NULL);
	while (r == 0 && !remote->replied && (r = atomic_load(&session->health)) == 0) {
		if (clock_now_ns() >= attachment->connect_deadline_ns)
			r = -ETIMEDOUT;
		else
			remote_listen(remote, attachment->connect_deadline_ns);
	}
	remote->request = 0;
	if (r)
		snprintf(attachment->reason, attachment->reason_bytes, "%s",
			 r == -ETIMEDOUT ? "storaged did not answer in time"
					 : session->lost_reason);
	else
		r = remote_reply_error(remote, attachment->reason, attachment->reason_bytes);
	if (r == 0 && remote->reply_bytes != reply_bytes)
		r = -EPROTO;
	if (r == 0)
		memcpy(reply, remote->reply.body, reply_bytes);
	pthread_mutex_unlock(&session->lock);
	return r;
}

/* Whether to try the transport at @index: the settings allow it and storaged offers it. */
static bool is_candidate(const struct remote *remote, const struct session_settings *settings,
			 unsigned index)
{
	return remote->welcome.transports & transports[index].bit &&
	       (!strcmp(settings->transport, "auto") ||
		!strcmp(settings->transport, transports[index].name));
}

/* Until when the transport at @index may try: it has a share of the time that is left, so that
 * those after it get their turn even where its path is silent. */
static int64_t share_of(const struct remote *remote, const struct session_settings *settings,
			unsigned index)
{
	int64_t now_ns = clock_now_ns();
	unsigned count = 0;

	for (unsigned i = index; i < TRANSPORT_COUNT; i++)
		count += is_candidate(remote, settings, i);
	return now_ns + (settings->deadline_ns - now_ns) / (count ? count : 1);
}

/* Say why no transport works, from the reports: "transport shm: ...; roce: ...". */
static void explain(const struct dso_session *session, bool automatic, const char *asked,
		    char *reason, size_t reason_bytes)
{
	size_t fill = 0;

	for (unsigned i = 0; i < session->report_count && fill < reason_bytes; i++) {
		const struct dso_transport_report *report = &session->reports[i];

		if (!automatic && strcmp(report->name, asked))
			continue;
		fill += (size_t)snprintf(reason + fill, reason_bytes - fill, "%s%s: %s",
					 fill ? "; " : "transport ", report->name, report->reason);
	}
}

/* Where to send packets: to the address at which storaged was reached. Over a unix socket, only a
 * client that asks for roce uses the address that storaged names, since tcp over that socket needs
 * no network. Returns NULL: nowhere. */
static const char *host_for_packets(struct remote *remote, const struct url *url, bool is_asked_for)
{
	struct roce_address named;

	if (url->kind == URL_TCP)
		return remote->host;
	if (!is_asked_for || le16_get(remote->welcome.tcp_port) == 0)
		return NULL;
	memcpy(named.ip, remote->welcome.tcp_ip, sizeof named.ip);
	return roce_address_text(&named, remote->host, sizeof remote->host);
}

/* What dso_open() returns where the last transport that was tried failed with @error. Those that it
 * does not name mean that the transport cannot be used here, which the sentence explains. */
static int opening_error(int error)
{
	switch (-error) {
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EACCES:
	case ETIMEDOUT:
	case EPROTO:
	case EMFILE:
	case ENOMEM:
		return error;
	case ENOTCONN:
	case ESHUTDOWN:
		return -ECONNRESET; /* the session ended meanwhile */
	default:
		return -EOPNOTSUPP;
	}
}

/* From here on the end of this transport is the end of the session; what was tried before does not
 * count. */
static void use(struct remote *remote, uint8_t transport)
{
	struct control_use use = {.transport = transport};

	pthread_mutex_lock(&remote->session->lock);
	remote_put(remote, CONTROL_USE, 0, &use, sizeof use, NULL, 0);
	pthread_mutex_unlock(&remote->session->lock);
}

static int attach(struct remote *remote, const struct url *url,
		  const struct session_settings *settings, char *reason, size_t reason_bytes)
{
	struct dso_session *session = remote->session;
	bool automatic = !strcmp(settings->transport, "auto");
	char why[160];
	struct attachment attachment = {
		.welcome = &remote->welcome,
		.ask = ask,
		.asker = remote,
		.host = host_for_packets(remote, url, !strcmp(settings->transport, "roce")),
		.port = (uint16_t)atoi(url->port),
		.unix_path = url->kind == URL_UNIX ? url->path : NULL,
		.device = settings->device,
		.io = settings->io,
		.poll = settings->poll,
		.timeout_ns = session->timeout_ns,
		.health = &session->health,
		.breakage = {remote_path_broke, remote},
		.reason = why,
		.reason_bytes = sizeof why,
	};
	int r = -EOPNOTSUPP;

	for (unsigned i = 0; i < TRANSPORT_COUNT; i++) {
		const char *name = transports[i].name;

		if (!automatic && strcmp(settings->transport, name)) {
			session_report(session, name, false, "%s was asked for",
				       settings->transport);
		} else if (session->transport && remote->welcome.transports & transports[i].bit) {
			session_report(session, name, false, "%s works and is better",
				       dso_transport(session));
		} else {
			int s;

			attachment.connect_deadline_ns = share_of(remote, settings, i);
			s = try_transport(i, &attachment, &session->transport);
			session_report(session, name, s == 0, "%s",
				       s           ? why
				       : automatic ? "the best one that works"
						   : "it was asked for");
			r = session->transport ? 0 : s;
			if (s == 0)
				use(remote, transports[i].bit);
		}
	}
	if (r == 0)
		return 0;
	explain(session, automatic, settings->transport, reason, reason_bytes);
	return opening_error(r);
}

/* Rounded up, so that it is not less than was asked for. */
static uint32_t ms_of(int64_t ns)
{
	return (uint32_t)((ns + DSO_MILLISECOND - 1) / DSO_MILLISECOND);
}

static int greet(struct remote *remote, const struct url *url, int64_t linger_ns,
		 int64_t deadline_ns, char *reason, size_t reason_bytes)
{
	struct control_hello hello = {.version_min = le16_of(CONTROL_VERSION),
				      .version_max = le16_of(CONTROL_VERSION),
				      .linger_ms = le32_of(ms_of(linger_ns)),
				      .features_offered = le64_of(CONTROL_FEATURES)};
	int r;

	memcpy(hello.magic, CONTROL_MAGIC, sizeof hello.magic);
	memcpy(hello.name_space, url->name_space, strlen(url->name_space));
	r = dial_exchange(remote->client.fd, CONTROL_HELLO, &hello, sizeof hello, &remote->welcome,
			  sizeof remote->welcome, NULL, 0, deadline_ns, reason, reason_bytes);
	if (r)
		return r;
	if (le16_get(remote->welcome.version) != CONTROL_VERSION ||
	    (le64_get(remote->welcome.session) & UINT16_MAX) == 0 ||
	    le32_get(remote->welcome.ttl_ms) == 0) {
		snprintf(reason, reason_bytes, "storaged's welcome makes no sense");
		return -EPROTO;
	}
	return 0;
}

static int dial(struct remote *remote, const struct url *url,
		const struct session_settings *settings, char *reason, size_t reason_bytes)
{
	int fd, r;

	if (url->kind == URL_UNIX) {
		fd = dial_unix(url->path, settings->deadline_ns, reason, reason_bytes);
		r = fd >= 0 && settings->by_default
			    ? trust_peer(fd, url->path, reason, reason_bytes)
			    : 0;
		if (r == 0)
			return fd;
		close(fd);
		return r;
	}
	return dial_tcp(url->host, url->port, settings->deadline_ns, remote->host,
			sizeof remote->host, reason, reason_bytes);
}

/*
 * How long storaged may be silent. A storaged that hears nothing for its TTL gives the session's
 * holds to others, and a storaged that is started after a loss of power waits no longer than that.
 * So the session has to be over here before. The storaged before may have lived until the last
 * heartbeat that it answered; the next heartbeat is sent an interval later, and its answer is
 * waited for.
 */
static int64_t timeout_ns_of(int64_t asked_ns, int64_t ttl_ns)
{
	int64_t longest_ns = ttl_ns - ttl_ns / REMOTE_HEARTBEATS_IN_TTL;

	return asked_ns < longest_ns ? asked_ns : longest_ns;
}

/* End a session that storaged has begun and this process cannot have, so that it does not count as
 * lost. */
static void say_goodbye(int fd)
{
	struct control_header goodbye = control_header_of(CONTROL_GOODBYE, 0, REMOTE_NOBODY, 0);

	(void)send(fd, &goodbye, sizeof goodbye, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* From here on heartbeats are sent, so that the session lives however long the choice of a
 * transport takes. */
static int begin(struct remote *remote, int64_t timeout_ns)
{
	struct dso_session *session = remote->session;
	int r;

	session->directory_data = remote;
	pthread_mutex_lock(&session->interrupt_lock);
	session->directory = &remote_ops;
	pthread_mutex_unlock(&session->interrupt_lock);
	session->owner = (uint16_t)le64_get(remote->welcome.session);
	session->ttl_ns = le32_get(remote->welcome.ttl_ms) * DSO_MILLISECOND;
	session->timeout_ns = timeout_ns_of(timeout_ns, session->ttl_ns);
	remote->attaching = true;
	process_barrier_register();
	r = heartbeat_add(&remote->client);
	if (r)
		say_goodbye(remote->client.fd);
	return r;
}

static void attached(struct remote *remote)
{
	pthread_mutex_lock(&remote->session->lock);
	remote->attaching = false;
	if (remote->ping_sent_ns)
		heartbeat_timeout_begin(&remote->pong, remote->session->timeout_ns);
	pthread_mutex_unlock(&remote->session->lock);
}

int remote_open(struct dso_session *session, const struct url *url,
		const struct session_settings *settings, char *reason, size_t reason_bytes)
{
	struct remote *remote = calloc(1, sizeof *remote);
	int r;

	if (!remote)
		return -ENOMEM;
	remote->session = session;
	remote_prepare(remote);

	r = remote->client.fd = dial(remote, url, settings, reason, reason_bytes);
	if (r >= 0)
		r = greet(remote, url, settings->linger_ns, settings->deadline_ns, reason,
			  reason_bytes);
	if (r == 0)
		r = begin(remote, settings->timeout_ns);
	if (r) {
		gone_take_directory(session);
		session->directory_data = NULL;
		if (remote->client.fd >= 0)
			close(remote->client.fd);
		free(remote->buckets);
		free(remote);
		return r;
	}
	r = attach(remote, url, settings, reason, reason_bytes);
	if (r) {
		gone_take_directory(session)->leave(session);
		session->directory_data = NULL;
	} else {
		attached(remote);
	}
	return r;
}
