/* SPDX-License-Identifier: Apache-2.0 */
/* HELLO: a session begins. */
#include "storaged/control/handlers.h"

#include <ctype.h>
#include <stdio.h>

/* @name for a sentence: only printable ASCII is repeated. */
static const char *printable(const char *name)
{
	for (const char *at = name; *at; at++)
		if (!isascii(*at) || !isprint(*at))
			return "of that name";
	return name;
}

static void welcome_of(const struct context *context, const struct session *session,
		       struct control_welcome *welcome)
{
	const struct name_space *space = session->space;
	const struct unix_socket *unix_socket = &context->listeners->unix_socket;
	const struct listener *named;

	*welcome = (struct control_welcome){
		.version = le16_of(CONTROL_VERSION),
		.domain = (uint8_t)space->domain,
		.transports = context_transports(context, space),
		.ttl_ms = le32_of((uint32_t)(context->settings->ttl_ns / 1000000)),
		.features = le64_of(session->features),
		.session = le64_of(session->id),
		.region_bytes = le64_of(store_region_bytes(space->store)),
	};
	memcpy(welcome->cookie, session->cookie, sizeof welcome->cookie);
	memcpy(welcome->host, context->boot_id, sizeof welcome->host);
	memcpy(welcome->unix_path, unix_socket->path, sizeof welcome->unix_path);
	welcome->unix_device = le64_of(unix_socket->device);
	welcome->unix_inode = le64_of(unix_socket->inode);
	named = listener_named(context->listeners, welcome->tcp_ip);
	if (named)
		welcome->tcp_port = le16_of(named->port);
	if (space->region) {
		const char *address = verbs_device_address(context->device);

		welcome->region_address = le64_of((uint64_t)(uintptr_t)store_base(space->store));
		welcome->region_rkey = le32_of(verbs_region_rkey(space->region));
		if (context->verbs_accept->listener)
			welcome->verbs_port =
				le16_of(verbs_listener_port(context->verbs_accept->listener));
		memcpy(welcome->verbs_address, address,
		       strnlen(address, sizeof welcome->verbs_address - 1));
	}
}

/* Whether the client and storaged have a version in common; if not, the client was told. */
static bool may_begin(struct control *control, const struct control_header *header,
		      const struct control_hello *hello)
{
	unsigned version_min = le16_get(hello->version_min),
		 version_max = le16_get(hello->version_max);
	uint64_t unknown = le64_get(hello->features_required) & ~CONTROL_FEATURES;

	if (control->context->is_draining)
		control_refuse(control, header, WIRE_DRAINING, NULL);
	else if (version_min > CONTROL_VERSION || version_max < CONTROL_VERSION)
		control_refuse(
			control, header, WIRE_VERSION,
			"storaged %s speaks version %d of the protocol, this client %u to %u",
			DSO_VERSION, CONTROL_VERSION, version_min, version_max);
	else if (unknown)
		control_refuse(control, header, WIRE_FEATURE,
			       "storaged %s lacks a feature that this client requires (bits %#llx)",
			       DSO_VERSION, (unsigned long long)unknown);
	else
		return true;
	return false;
}

/* Whether there may be one more session from @origin; if not, the client was told. */
static bool has_room(struct control *control, const struct control_header *header,
		     const struct origin *origin)
{
	const struct sessions *sessions = control->context->sessions;
	uint32_t count = origin_counts_get(&sessions->origin_counts, origin);

	if (sessions_too_many_remains(sessions, origin))
		control_refuse(
			control, header, WIRE_SESSIONS_MAX,
			"as many sessions of this process as may be (%d) are over and what they "
			"hold cannot be taken back yet: they linger, or have the memory mapped",
			SESSION_REMAINS_MAX);
	else if (count >= sessions_share(sessions))
		control_refuse(
			control, header, WIRE_SESSIONS_MAX,
			"this %s has %u sessions, those counted that are over and not taken back "
			"yet: as many as one may have, half of storaged's setting sessions-max "
			"(%u)",
			origin_kind(origin), count, sessions->max);
	else
		return true;
	return false;
}

static struct session *begin(struct control *control, const struct control_header *header,
			     const struct control_hello *hello)
{
	const struct context *context = control->context;
	const char *name = (const char *)hello->name_space;
	struct name_space *space = namespaces_find(context->namespaces, name);
	uint64_t linger_ns = le32_get(hello->linger_ms) * UINT64_C(1000000);
	uint64_t asked = le64_get(hello->features_offered) | le64_get(hello->features_required);
	char who[ORIGIN_WHO_BYTES];
	struct origin origin;
	struct session *session;

	if (!space) {
		control_refuse(control, header, WIRE_NO_NAMESPACE, "there is no namespace %s",
			       printable(name));
		return NULL;
	}
	if (linger_ns > context->settings->linger_max_ns) {
		control_refuse(control, header, WIRE_PARAMETERS,
			       "a linger of %u ms is more than this storaged allows (%llu ms, its "
			       "setting linger-max)",
			       le32_get(hello->linger_ms),
			       (unsigned long long)(context->settings->linger_max_ns / 1000000));
		return NULL;
	}
	origin_find(control->source.fd, control->is_unix, &origin, who);
	if (!has_room(control, header, &origin))
		return NULL;
	session = session_begin(context->sessions, space, &control->client, &origin,
				(int64_t)linger_ns);
	if (!session) {
		control_refuse(
			control, header, WIRE_SESSIONS_MAX,
			"storaged has %u sessions, as many as it may (its setting sessions-max)",
			context->sessions->max);
		return NULL;
	}
	memcpy(session->who, who, sizeof session->who);
	session->features = asked & CONTROL_FEATURES;
	return session;
}

void handle_hello(struct control *control, const struct control_header *header, const uint8_t *body)
{
	const struct control_hello *hello = (const void *)body;
	struct control_welcome welcome;

	if (may_begin(control, header, hello))
		control->session = begin(control, header, hello);
	if (!control->session) {
		control_finish(control);
		return;
	}
	control->state = CONTROL_LIVE;
	peer_timer_end(&control->controls->hellos, &control->hello);
	welcome_of(control->context, control->session, &welcome);
	control_reply(control, header, &welcome, sizeof welcome);
}
