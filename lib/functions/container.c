/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/container.h"

#include "lib/functions/entry.h"
#include "lib/functions/platform.h"
#include "lib/remote/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns whether there was memory for both, and text of UTF-8. */
static bool set(json_t *object, const char *key, json_t *value)
{
	return jansson.object_set_new(object, key, value) == 0;
}

static bool append(json_t *array, json_t *value)
{
	return jansson.array_append_new(array, value) == 0;
}

/* ---- options ---- */

/* "host", "none", "container:NAME", or what @otherwise makes of it. */
static json_t *write_namespace(const char *value)
{
	static const char container[] = "container:";
	const char *name = value + sizeof container - 1;

	if (strcmp(value, "host") == 0 || strcmp(value, "none") == 0)
		return jansson.pack("{s:s}", "nsmode", value);
	if (strncmp(value, container, sizeof container - 1) == 0 && *name)
		return jansson.pack("{s:s, s:s}", "nsmode", "container", "value", name);
	return NULL;
}

static bool take_network(struct container *container, const char *value)
{
	json_t *known = write_namespace(value);

	container->has_network = true;
	if (known)
		return set(container->specification, "netns", known);
	return !strchr(value, ':') && *value &&
	       set(container->specification, "netns", jansson.pack("{s:s}", "nsmode", "bridge")) &&
	       set(container->specification, "networks", jansson.pack("{s:{}}", value));
}

static bool take_processes(struct container *container, const char *value)
{
	return strcmp(value, "none") != 0 &&
	       set(container->specification, "pidns", write_namespace(value));
}

static bool take_user(struct container *container, const char *value)
{
	return *value && set(container->specification, "user", jansson.pack("s", value));
}

/* NAME=VALUE, or NAME with the driver's value. */
static bool take_variable(struct container *container, const char *text)
{
	size_t length = strcspn(text, "=");
	char name[128];
	const char *value;

	if (length == 0 || length >= sizeof name)
		return false;
	memcpy(name, text, length);
	name[length] = 0;
	value = text[length] ? text + length + 1 : getenv(name);
	container->has_url |= strcmp(name, "DSO_URL") == 0;
	return value && set(container->environment, name, jansson.pack("s", value));
}

static json_t *write_bind(const char *source, const char *destination, const char *mode)
{
	return jansson.pack("{s:s, s:s, s:s, s:[s, s]}", "type", "bind", "source", source,
			    "destination", destination, "options", "rbind", mode);
}

/* SOURCE:DESTINATION[:ro|:rw]: a path of the host's, or the name of a volume of the engine's. */
static bool take_volume(struct container *container, const char *value)
{
	char source[512], *destination, *colon;
	const char *mode = "rw";

	if (!platform_copy(source, sizeof source, value))
		return false;
	destination = strchr(source, ':');
	if (!destination || destination == source || destination[1] != '/')
		return false;
	*destination++ = 0;
	colon = strchr(destination, ':');
	if (colon) {
		*colon = 0;
		mode = colon + 1;
	}
	if (strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0)
		return false;
	container->has_volume = true;
	return *source == '/' ? append(container->mounts, write_bind(source, destination, mode))
			      : append(container->volumes,
				       jansson.pack("{s:s, s:s, s:[s]}", "Name", source, "Dest",
						    destination, "Options", mode));
}

bool container_take_option(struct container *container, const char *key, const char *value)
{
	static const struct {
		const char *key;
		bool (*take)(struct container *, const char *);
	} options[] = {{"network", take_network},
		       {"pid", take_processes},
		       {"user", take_user},
		       {"env", take_variable},
		       {"volume", take_volume}};

	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (strcmp(key, options[i].key) == 0)
			return options[i].take(container, value);
	return false;
}

/* ---- what the driver has ---- */

/* How a session is opened, but where: as workers of this host have it. */
static bool copy_variables(struct container *container)
{
	static const char *const names[] = {
		"DSO_TRANSPORT", "DSO_DEVICE",     "DSO_POLL",           "DSO_IO",
		"DSO_CHECK",     "DSO_TIMEOUT_MS", "DSO_OPEN_TIMEOUT_MS"};
	json_t *known;
	json_error_t error;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (getenv(names[i]) &&
		    jansson.unpack_ex(container->environment, &error, 0, "{s:o}", names[i],
				      &known) &&
		    !take_variable(container, names[i]))
			return false;
	return true;
}

/* Where the driver reaches storaged by a unix socket, so does a container, by the same path. */
static bool mount_socket(struct container *container, const char *text)
{
	char why[200];
	struct url url;

	if (container->has_url || container->has_volume || url_parse(text, &url, why, sizeof why) ||
	    url.kind != URL_UNIX)
		return true;
	return append(container->mounts, write_bind(url.path, url.path, "ro"));
}

/* Shared memory needs no network; else storaged may be at an address that only this host has. */
static bool choose_network(struct container *container, struct dso_session *session)
{
	bool is_shared = strcmp(dso_transport(session), "shm") == 0;

	return container->has_network || take_network(container, is_shared ? "none" : "host");
}

/* ---- from the URL to JSON ---- */

int container_open(struct container *container, const char *image, char *why)
{
	json_error_t error;

	container->specification = jansson.pack(
		"{s:s, s:{}, s:b, s:[s], s:b, s:{s:s}, s:{s:s, s:i}, s:[], s:[{s:s, s:s, s:s, "
		"s:[s, s]}]}",
		"image", image, "env", "read_only_filesystem", 1, "cap_drop", "ALL",
		"no_new_privileges", 1, "labels", "dso-rdma", "worker", "log_configuration",
		"driver", "k8s-file", "size", CONTAINER_LOG_BYTES, "volumes", "mounts", "type",
		"tmpfs", "source", "tmpfs", "destination", "/tmp", "options", "nosuid", "nodev");
	if (!container->specification ||
	    jansson.unpack_ex(container->specification, &error, 0, "{s:o, s:o, s:o}", "env",
			      &container->environment, "volumes", &container->volumes, "mounts",
			      &container->mounts))
		return platform_refuse(why, "the name of the image is no UTF-8");
	return 0;
}

int container_complete(struct container *container, const struct workers_request *request,
		       int64_t timeout_ms, char *why)
{
	if (copy_variables(container) && mount_socket(container, request->url) &&
	    choose_network(container, request->session) &&
	    set(container->specification, "timeout",
		jansson.pack("I", (json_int_t)(timeout_ms + 999) / 1000)))
		return 0;
	return platform_refuse(why, "the environment, or the URL of the session, is no UTF-8");
}

char *container_write(struct container *container, const char *name, const char *payload)
{
	if (!set(container->specification, "name", jansson.pack("s", name)) ||
	    !set(container->environment, ENTRY_PAYLOAD_VARIABLE, jansson.pack("s", payload)))
		return NULL;
	return jansson.dumps(container->specification, JSON_COMPACT);
}

void container_free(struct container *container)
{
	if (container->specification)
		jansson.delete(container->specification);
}
