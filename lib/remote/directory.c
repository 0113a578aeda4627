/* SPDX-License-Identifier: Apache-2.0 */
/* The directory that storaged keeps, asked over the control connection. */
#include "lib/remote/remote.h"
#include "lib/remote/wait.h"
#include "lib/store/types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A future's further memory, where it has any. */
static bool annex_holds(uint64_t region_bytes, const struct object *object)
{
	uint64_t annex = object->parameters[FUTURE_PARAMETER_ANNEX];
	uint64_t capacity = object->parameters[FUTURE_PARAMETER_CAPACITY];

	return object->type != OBJECT_FUTURE ||
	       (annex ? annex <= region_bytes && capacity <= region_bytes - annex
		      : capacity <= object->parameters[FUTURE_PARAMETER_ROOM]);
}

/* Whether a reference lies in the region and is what its type asks for. */
static bool reference_holds(const struct remote *remote, const struct object *object)
{
	uint64_t region_bytes = le64_get(remote->welcome.region_bytes);
	const struct object_type_entry *type = type_entry(object->type);

	return type && type_has_room(type, object->parameters, object->length_bytes) &&
	       annex_holds(region_bytes, object) && object->offset % LAYOUT_LINE_BYTES == 0 &&
	       object->offset <= region_bytes &&
	       object->length_bytes <= region_bytes - object->offset;
}

/* Whether storaged has the feature; if not, *reason says so. */
static bool remote_knows(const struct remote *remote, uint64_t feature, char *reason,
			 size_t reason_bytes)
{
	if (le64_get(remote->welcome.features) & feature)
		return true;
	snprintf(reason, reason_bytes, "this storaged is too old to know");
	return false;
}

static int remote_open_object(struct dso_session *session, struct object *object,
			      const struct open_request *open, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_open body = {
		.type = le16_of(open->type),
		.flags = directory_open_flags(open),
		.name_bytes = (uint8_t)strlen(object->name),
	};
	struct control_opened opened;
	int r;

	if (open->ephemeral &&
	    !remote_knows(remote, CONTROL_FEATURE_EPHEMERAL, reason, reason_bytes))
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < 4; i++)
		body.parameters.parameter[i] = le64_of(open->parameters[i]);
	pthread_mutex_lock(&session->lock);
	r = remote_request(remote, CONTROL_OPEN, &body, sizeof body, object->name, sizeof opened,
			   reason, reason_bytes);
	if (r == 0) {
		memcpy(&opened, remote->reply.body, sizeof opened);
		object->handle = le32_get(opened.handle);
		object->generation = le32_get(opened.generation);
		object->offset = le64_get(opened.offset);
		object->length_bytes = le64_get(opened.length_bytes);
		object->token_origin = le64_get(opened.token_origin);
		for (unsigned i = 0; i < 4; i++)
			object->parameters[i] = le64_get(opened.parameters.parameter[i]);
		if (reference_holds(remote, object)) {
			remote_link(remote, object);
			if (remote->opened_deleted)
				remote_mark_deleted(remote, object);
			remote_settle(remote);
		} else {
			remote_lose(remote, -ENOTCONN,
				    "storaged sent a reference outside its region");
			snprintf(reason, reason_bytes, "%s", session->lost_reason);
			r = -EPROTO;
		}
	}
	remote->opened_handle = 0;
	remote->opened_deleted = false;
	pthread_mutex_unlock(&session->lock);
	return r;
}

static void remote_adopt(struct dso_session *session, struct object *object)
{
	pthread_mutex_lock(&session->lock);
	object->handle = 0; /* a number that storaged gives to no handle */
	remote_link(remote_of(session), object);
	pthread_mutex_unlock(&session->lock);
}

static void remote_close_object(struct dso_session *session, struct object *object)
{
	struct remote *remote = remote_of(session);

	pthread_mutex_lock(&session->lock);
	if (!object->acknowledged)
		remote_make_room(remote);
	remote_unlink(remote, object);
	if (!object->acknowledged && atomic_load(&session->health) == 0) {
		remote_acknowledge(remote, object);
		remote_send(remote);
	}
	pthread_mutex_unlock(&session->lock);
}

/* Take the entries of a reply to GROW. Returns 0, or what a broken reply is. */
static int take_extents(struct remote *remote, uint64_t bytes, struct directory_extent *extents,
			unsigned *ret_count, char *reason, size_t reason_bytes)
{
	uint64_t region_bytes = le64_get(remote->welcome.region_bytes);
	struct control_grown head;
	struct control_extent entry;

	memcpy(&head, remote->reply.body, sizeof head);
	*ret_count = le32_get(head.count);
	if (*ret_count > CONTROL_GROWN_MAX || (*ret_count == 0 && bytes) ||
	    remote->reply_bytes - sizeof head != *ret_count * sizeof entry)
		return remote_reply_is_broken(remote, reason, reason_bytes);
	for (unsigned i = 0; i < *ret_count; i++) {
		struct directory_extent *extent = &extents[i];

		memcpy(&entry, remote->reply.body + sizeof head + i * sizeof entry, sizeof entry);
		*extent = (struct directory_extent){le64_get(entry.offset), le64_get(entry.bytes)};
		if (extent->offset % LAYOUT_LINE_BYTES || extent->offset > region_bytes ||
		    extent->bytes > region_bytes - extent->offset || extent->bytes == 0)
			return remote_reply_is_broken(remote, reason, reason_bytes);
	}
	return 0;
}

static int remote_grow(struct dso_session *session, struct object *object, unsigned number,
		       uint64_t bytes, struct directory_extent *extents, unsigned *ret_count,
		       char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_grow body = {.handle = le32_of(object->handle),
				    .extent = le16_of((uint16_t)number),
				    .bytes = le64_of(bytes)};
	int r;

	if (!(le64_get(remote->welcome.features) & CONTROL_FEATURE_GROW)) {
		snprintf(reason, reason_bytes, "this storaged is too old to let objects grow");
		return -EOPNOTSUPP;
	}
	pthread_mutex_lock(&session->lock);
	r = atomic_load(&object->deleted)
		    ? -ESTALE
		    : remote_request(remote, CONTROL_GROW, &body, sizeof body, NULL,
				     sizeof(struct control_grown), reason, reason_bytes);
	if (r == 0)
		r = take_extents(remote, bytes, extents, ret_count, reason, reason_bytes);
	pthread_mutex_unlock(&session->lock);
	return r;
}

static int remote_delete(struct dso_session *session, const char *name, char *reason,
			 size_t reason_bytes)
{
	struct control_name body = {.name_bytes = (uint8_t)strlen(name)};
	int r;

	pthread_mutex_lock(&session->lock);
	r = remote_request(remote_of(session), CONTROL_DELETE, &body, sizeof body, name, 0, reason,
			   reason_bytes);
	pthread_mutex_unlock(&session->lock);
	return r;
}

static int remote_delete_prefix(struct dso_session *session, const char *prefix, uint32_t *cursor,
				uint32_t *ret_count, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_delete_prefix body = {.cursor = le32_of(*cursor),
					     .name_bytes = (uint8_t)strlen(prefix)};
	struct control_deleted_prefix deleted;
	int r;

	if (!remote_knows(remote, CONTROL_FEATURE_PREFIX, reason, reason_bytes))
		return -EOPNOTSUPP;
	pthread_mutex_lock(&session->lock);
	r = remote_request(remote, CONTROL_DELETE_PREFIX, &body, sizeof body, prefix,
			   sizeof deleted, reason, reason_bytes);
	if (r == 0) {
		memcpy(&deleted, remote->reply.body, sizeof deleted);
		/* As in remote_list. */
		if (le32_get(deleted.cursor) && le32_get(deleted.cursor) <= *cursor)
			r = remote_reply_is_broken(remote, reason, reason_bytes);
	}
	if (r == 0) {
		*cursor = le32_get(deleted.cursor);
		*ret_count = le32_get(deleted.count);
	}
	pthread_mutex_unlock(&session->lock);
	return r;
}

static void stat_of(const struct control_entry *entry, const uint8_t *name, struct dso_stat *stat)
{
	*stat = (struct dso_stat){
		.type = (enum dso_type)entry->type,
		.generation = le32_get(entry->generation),
		.offset = le64_get(entry->offset),
		.length_bytes = le64_get(entry->length_bytes),
		.opens = le32_get(entry->opens),
		.extents = entry->extents,
		.extent_bytes = (uint64_t)le32_get(entry->extent_units) * CONTROL_EXTENT_UNIT_BYTES,
		.ephemeral = (entry->flags & CONTROL_OPEN_EPHEMERAL) != 0,
	};
	for (unsigned i = 0; i < 4; i++)
		stat->parameters[i] = le64_get(entry->parameters.parameter[i]);
	memcpy(stat->name, name, entry->name_bytes);
}

/* Take an entry and its name at *at, of @left bytes. Returns the bytes taken, 0 when it is not
 * whole. */
static size_t take_entry(const uint8_t *at, size_t left, void *stat)
{
	struct control_entry entry;

	if (left < sizeof entry)
		return 0;
	memcpy(&entry, at, sizeof entry);
	if (left - sizeof entry < entry.name_bytes)
		return 0;
	stat_of(&entry, at + sizeof entry, stat);
	return sizeof entry + entry.name_bytes;
}

static int remote_stat(struct dso_session *session, const char *name, struct dso_stat *ret_stat,
		       char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_name body = {.name_bytes = (uint8_t)strlen(name)};
	int r;

	pthread_mutex_lock(&session->lock);
	r = remote_request(remote, CONTROL_STAT, &body, sizeof body, name,
			   sizeof(struct control_entry), reason, reason_bytes);
	if (r == 0 && take_entry(remote->reply.body, remote->reply_bytes, ret_stat) == 0)
		r = remote_reply_is_broken(remote, reason, reason_bytes);
	pthread_mutex_unlock(&session->lock);
	return r;
}

/* Take the @count entries of a page that follow its head. Returns 0, or what a broken reply is. */
static int take_page(struct remote *remote, size_t head_bytes, uint32_t count, unsigned count_max,
		     size_t (*take)(const uint8_t *at, size_t left, void *entry), void *entries,
		     size_t entry_bytes, char *reason, size_t reason_bytes)
{
	size_t at = head_bytes;

	if (count > count_max)
		return remote_reply_is_broken(remote, reason, reason_bytes);
	for (uint32_t i = 0; i < count; i++) {
		size_t taken = take(remote->reply.body + at, remote->reply_bytes - at,
				    (uint8_t *)entries + i * entry_bytes);

		if (taken == 0)
			return remote_reply_is_broken(remote, reason, reason_bytes);
		at += taken;
	}
	return 0;
}

static int remote_list(struct dso_session *session, uint32_t *cursor, struct dso_stat *entries,
		       unsigned count_max, unsigned *ret_count, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_list body = {.cursor = le32_of(*cursor)};
	struct control_page page;
	int r;

	pthread_mutex_lock(&session->lock);
	r = remote_request(remote, CONTROL_LIST, &body, sizeof body, NULL, sizeof page, reason,
			   reason_bytes);
	if (r == 0) {
		memcpy(&page, remote->reply.body, sizeof page);
		r = take_page(remote, sizeof page, le32_get(page.count), count_max, take_entry,
			      entries, sizeof *entries, reason, reason_bytes);
	}
	/* It only ever goes on: no storaged keeps anybody asking for ever. */
	if (r == 0 && le32_get(page.cursor) && le32_get(page.cursor) <= *cursor)
		r = remote_reply_is_broken(remote, reason, reason_bytes);
	if (r == 0) {
		*cursor = le32_get(page.cursor);
		*ret_count = le32_get(page.count);
	}
	pthread_mutex_unlock(&session->lock);
	return r;
}

/* A zero-filled field of the wire as a string. */
static void text_of(char *to, size_t to_bytes, const uint8_t *from, size_t from_bytes)
{
	snprintf(to, to_bytes, "%.*s", (int)from_bytes, (const char *)from);
}

static void hold_of(const struct control_hold *from, const uint8_t *name, struct dso_hold *to)
{
	uint64_t min_ns = le64_get(from->held_min_ns), max_ns = le64_get(from->held_max_ns);

	*to = (struct dso_hold){
		.type = (enum dso_type)le16_get(from->type),
		.role = (enum dso_role)from->role,
		.generation = le32_get(from->generation),
		.owner = le32_get(from->owner),
		.count = le32_get(from->count),
		.token = le64_get(from->token),
		.held_min = min_ns > INT64_MAX ? INT64_MAX : (int64_t)min_ns,
		.held_max = max_ns > INT64_MAX ? DSO_FOREVER : (int64_t)max_ns,
	};
	text_of(to->who, sizeof to->who, from->who, sizeof from->who);
	memcpy(to->name, name, from->name_bytes);
}

/* As take_entry. */
static size_t take_hold(const uint8_t *at, size_t left, void *hold)
{
	struct control_hold entry;

	if (left < sizeof entry)
		return 0;
	memcpy(&entry, at, sizeof entry);
	if (left - sizeof entry < entry.name_bytes)
		return 0;
	hold_of(&entry, at + sizeof entry, hold);
	return sizeof entry + entry.name_bytes;
}

static int remote_holds(struct dso_session *session, uint64_t *cursor, struct dso_hold *holds,
			unsigned count_max, unsigned *ret_count, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_held body = {.cursor = le64_of(*cursor)};
	struct control_holds page;
	int r;

	if (!remote_knows(remote, CONTROL_FEATURE_HELD, reason, reason_bytes))
		return -EOPNOTSUPP;
	pthread_mutex_lock(&session->lock);
	r = remote_request(remote, CONTROL_HELD, &body, sizeof body, NULL, sizeof page, reason,
			   reason_bytes);
	if (r == 0) {
		memcpy(&page, remote->reply.body, sizeof page);
		r = take_page(remote, sizeof page, le32_get(page.count), count_max, take_hold,
			      holds, sizeof *holds, reason, reason_bytes);
	}
	/* As in remote_list. */
	if (r == 0 && le64_get(page.cursor) && le64_get(page.cursor) <= *cursor)
		r = remote_reply_is_broken(remote, reason, reason_bytes);
	if (r == 0) {
		*cursor = le64_get(page.cursor);
		*ret_count = le32_get(page.count);
	}
	pthread_mutex_unlock(&session->lock);
	return r;
}

static int remote_server_stat(struct dso_session *session, struct dso_server_stat *stat,
			      char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_server_stat wire;
	int r;

	pthread_mutex_lock(&session->lock);
	r = remote_request(remote, CONTROL_SERVER_STAT, NULL, 0, NULL, sizeof wire, reason,
			   reason_bytes);
	if (r == 0)
		memcpy(&wire, remote->reply.body, sizeof wire);
	pthread_mutex_unlock(&session->lock);
	if (r)
		return r;
	*stat = (struct dso_server_stat){
		.uptime = le64_get(wire.uptime_ns),
		.region_bytes = le64_get(wire.region_bytes),
		.region_used_bytes = le64_get(wire.region_used_bytes),
		.objects = le64_get(wire.objects),
		.objects_max = le64_get(wire.objects_max),
		.sessions = le64_get(wire.sessions),
		.sessions_max = le64_get(wire.sessions_max),
		.sessions_begun = le64_get(wire.sessions_begun),
		.sessions_fenced = le64_get(wire.sessions_fenced),
		.sessions_lost = le64_get(wire.sessions_lost),
		.protocol_errors = le64_get(wire.protocol_errors),
		.operations = le64_get(wire.operations),
		.session_ttl = session->ttl_ns,
	};
	snprintf(stat->domain, sizeof stat->domain, "%s",
		 wire.domain == CONTROL_DOMAIN_DEVICE ? "device" : "cpu");
	text_of(stat->domain_reason, sizeof stat->domain_reason, wire.domain_reason,
		sizeof wire.domain_reason);
	text_of(stat->io, sizeof stat->io, wire.io, sizeof wire.io);
	text_of(stat->device, sizeof stat->device, wire.device, sizeof wire.device);
	text_of(stat->version, sizeof stat->version, wire.version, sizeof wire.version);
	return 0;
}

static int remote_figures(struct dso_session *session, struct dso_figure *figures, size_t count_max,
			  size_t *count, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_figures head;
	struct control_figure entry;
	int r;

	pthread_mutex_lock(&session->lock);
	r = remote_request(remote, CONTROL_FIGURES, NULL, 0, NULL, sizeof head, reason,
			   reason_bytes);
	if (r == 0) {
		memcpy(&head, remote->reply.body, sizeof head);
		if (le32_get(head.count) != (remote->reply_bytes - sizeof head) / sizeof entry)
			r = remote_reply_is_broken(remote, reason, reason_bytes);
	}
	for (uint32_t i = 0; r == 0 && i < le32_get(head.count); i++) {
		memcpy(&entry, remote->reply.body + sizeof head + i * sizeof entry, sizeof entry);
		figure_append(figures, count_max, count, (const char *)entry.name,
			      sizeof entry.name, le64_get(entry.value));
	}
	pthread_mutex_unlock(&session->lock);
	return r;
}

static int remote_ping(struct dso_session *session, char *reason, size_t reason_bytes)
{
	int r;

	pthread_mutex_lock(&session->lock);
	r = remote_request(remote_of(session), CONTROL_PING, NULL, 0, NULL, 0, reason,
			   reason_bytes);
	pthread_mutex_unlock(&session->lock);
	return r;
}

static void remote_leave(struct dso_session *session)
{
	struct remote *remote = remote_of(session);
	char reason[sizeof session->lost_reason];

	pthread_mutex_lock(&session->lock);
	/* A client that closed without waiting for the answer would make storaged lose what it has
	 * not read yet. A session whose opening failed has nothing to lose. */
	if (atomic_load(&session->health) == 0 && !session->transport)
		remote_put(remote, CONTROL_GOODBYE, REMOTE_NOBODY, NULL, 0, NULL, 0);
	else if (atomic_load(&session->health) == 0)
		remote_request(remote, CONTROL_GOODBYE, NULL, 0, NULL, 0, reason, sizeof reason);
	pthread_mutex_unlock(&session->lock);
	heartbeat_remove(&remote->client);
	if (remote->client.fd >= 0)
		close(remote->client.fd);
	free(remote->buckets);
	free(remote);
}

/* The heartbeat thread has closed the descriptor. */
static void remote_forget(struct dso_session *session)
{
	free(remote_of(session));
}

const struct directory_ops remote_ops = {
	.open = remote_open_object,
	.adopt = remote_adopt,
	.close = remote_close_object,
	.grow = remote_grow,
	.delete = remote_delete,
	.delete_prefix = remote_delete_prefix,
	.stat = remote_stat,
	.list = remote_list,
	.holds = remote_holds,
	.server_stat = remote_server_stat,
	.figures = remote_figures,
	.ping = remote_ping,
	.wait = remote_wait,
	.interrupt = remote_interrupt,
	.wake = remote_wake,
	.reduce = remote_reduce,
	.leave = remote_leave,
	.forget = remote_forget,
};
