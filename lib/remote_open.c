/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning a session: connecting, the greeting, and the choice of a transport. */
#include "lib/clock.h"
#include "lib/dial.h"
#include "lib/remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* It takes resolvers, drivers and new processes: it may take so many timeouts. */
#define CONNECT_TIMEOUTS 10

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

static int attach(struct remote *remote, const struct url *url,
		  const struct session_settings *settings, int64_t deadline_ns, char *reason,
		  size_t reason_bytes)
{
	struct dso_session *session = remote->session;
	bool automatic = !strcmp(settings->transport, "auto");
	char why[160];
	struct attachment attachment = {
		.welcome = &remote->welcome,
		.control_fd = remote->client.fd,
		.host = url->kind == URL_TCP ? remote->host : NULL,
		.port = (uint16_t)atoi(url->port),
		.unix_path = url->kind == URL_UNIX ? url->path : NULL,
		.device = settings->device,
		.io = settings->io,
		.poll = settings->poll,
		.connect_deadline_ns = deadline_ns,
		.timeout_ns = settings->timeout_ns,
		.health = &session->health,
		.reason = why,
		.reason_bytes = sizeof why,
	};
	int r = -EOPNOTSUPP;

	for (unsigned i = 0; i < sizeof transports / sizeof *transports; i++) {
		const char *name = transports[i].name;

		if (!automatic && strcmp(settings->transport, name)) {
			session_report(session, name, false, "%s was asked for",
				       settings->transport);
		} else if (session->transport && remote->welcome.transports & transports[i].bit) {
			session_report(session, name, false, "%s works and is better",
				       dso_transport(session));
		} else {
			int s = try_transport(i, &attachment, &session->transport);

			session_report(session, name, s == 0, "%s",
				       s           ? why
				       : automatic ? "the best one that works"
						   : "it was asked for");
			if (s)
				snprintf(reason, reason_bytes, "transport %s: %s", name, why);
			r = session->transport ? 0 : s;
		}
	}
	return r;
}

static int greet(struct remote *remote, const struct url *url, int64_t deadline_ns, char *reason,
		 size_t reason_bytes)
{
	struct control_hello hello = {.version_min = le16_of(CONTROL_VERSION),
				      .version_max = le16_of(CONTROL_VERSION),
				      .features_offered = le64_of(CONTROL_FEATURES)};
	int r;

	memcpy(hello.magic, CONTROL_MAGIC, sizeof hello.magic);
	memcpy(hello.name_space, url->name_space, strlen(url->name_space));
	r = dial_exchange(remote->client.fd, CONTROL_HELLO, &hello, sizeof hello, &remote->welcome,
			  sizeof remote->welcome, NULL, deadline_ns, reason, reason_bytes);
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

int remote_open(struct dso_session *session, const struct url *url,
		const struct session_settings *settings, char *reason, size_t reason_bytes)
{
	int64_t deadline_ns = clock_now_ns() + CONNECT_TIMEOUTS * settings->timeout_ns;
	struct remote *remote = calloc(1, sizeof *remote);
	int r;

	if (!remote)
		return -ENOMEM;
	remote->session = session;
	remote_prepare(remote);

	r = remote->client.fd = url->kind == URL_UNIX
					? dial_unix(url->path, deadline_ns, reason, reason_bytes)
					: dial_tcp(url->host, url->port, deadline_ns, remote->host,
						   sizeof remote->host, reason, reason_bytes);
	if (r < 0)
		goto failed;
	r = greet(remote, url, deadline_ns, reason, reason_bytes);
	if (r)
		goto failed;
	session->directory = &remote_ops;
	session->directory_data = remote;
	session->owner = (uint16_t)le64_get(remote->welcome.session);
	session->ttl_ns = le32_get(remote->welcome.ttl_ms) * DSO_MILLISECOND;
	r = attach(remote, url, settings, deadline_ns, reason, reason_bytes);
	if (r)
		goto failed;
	r = keeper_add(&remote->client);
	if (r) {
		transport_ops(session->transport)->close(session->transport);
		goto failed;
	}
	return 0;
failed:
	if (remote->client.fd >= 0)
		close(remote->client.fd);
	free(remote);
	return r;
}
