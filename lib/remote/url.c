/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/remote/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refuse(char *reason, size_t reason_bytes, const char *why)
{
	snprintf(reason, reason_bytes, "%s", why);
	return -EINVAL;
}

/* Copy @bytes of @from into @to and clear the rest of it. False: they do not fit with a zero
 * byte. */
static bool copy(char *to, size_t to_bytes, const char *from, size_t bytes)
{
	if (bytes >= to_bytes)
		return false;
	memcpy(to, from, bytes);
	memset(to + bytes, 0, to_bytes - bytes);
	return true;
}

static int parse_port(const char *text, size_t bytes, char *port)
{
	unsigned long number;
	char *end;

	if (bytes == 0 || bytes > 5 || strspn(text, "0123456789") < bytes)
		return -EINVAL;
	copy(port, 6, text, bytes);
	number = strtoul(port, &end, 10);
	return number >= 1 && number <= 65535 ? 0 : -EINVAL;
}

static int parse_namespace(const char *text, struct url *url, char *reason, size_t reason_bytes)
{
	size_t bytes = strlen(text);

	if (bytes == 0)
		return 0;
	if (strchr(text, '/') || !copy(url->name_space, sizeof url->name_space, text, bytes))
		return refuse(reason, reason_bytes,
			      "a namespace has at most 63 bytes and no slash");
	return 0;
}

/* HOST[:PORT][/NAMESPACE], where HOST may be [IPv6]. */
static int parse_tcp(const char *text, struct url *url, char *reason, size_t reason_bytes)
{
	size_t host_bytes = strcspn(text, *text == '[' ? "]" : ":/");
	const char *rest = text + host_bytes;

	if (*text == '[') {
		if (*rest != ']')
			return refuse(reason, reason_bytes,
				      "the address lacks its closing bracket");
		text++, host_bytes--, rest++;
	}
	if (host_bytes == 0 || !copy(url->host, sizeof url->host, text, host_bytes))
		return refuse(reason, reason_bytes, "a host name has 1 to 255 bytes");
	if (*rest == ':') {
		size_t port_bytes = strcspn(++rest, "/");

		if (parse_port(rest, port_bytes, url->port))
			return refuse(reason, reason_bytes, "a port is a number from 1 to 65535");
		rest += port_bytes;
	}
	if (*rest == 0)
		return 0;
	if (*rest != '/')
		return refuse(reason, reason_bytes,
			      "a port or a slash is expected behind the host");
	return parse_namespace(rest + 1, url, reason, reason_bytes);
}

/* PATH[?namespace=NAME] */
static int parse_unix(const char *text, struct url *url, char *reason, size_t reason_bytes)
{
	static const char key[] = "?namespace=";
	size_t path_bytes = strcspn(text, "?");

	if (*text != '/' || !copy(url->path, sizeof url->path, text, path_bytes))
		return refuse(reason, reason_bytes,
			      "the path of a unix socket is absolute and has at most 107 bytes");
	text += path_bytes;
	if (*text == 0)
		return 0;
	if (strncmp(text, key, sizeof key - 1))
		return refuse(reason, reason_bytes, "only ?namespace=NAME may follow the path");
	return parse_namespace(text + sizeof key - 1, url, reason, reason_bytes);
}

int url_parse(const char *text, struct url *ret_url, char *reason, size_t reason_bytes)
{
	static const struct {
		const char *scheme;
		enum url_kind kind;
	} schemes[] = {{"dso://", URL_TCP}, {"dso+unix://", URL_UNIX}, {"embedded:", URL_EMBEDDED}};
	struct url url = {.port = "7471", .name_space = "default"};
	int r;

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t bytes = strlen(schemes[i].scheme);

		if (strncmp(text, schemes[i].scheme, bytes))
			continue;
		url.kind = schemes[i].kind;
		text += bytes;
		if (url.kind == URL_TCP)
			r = parse_tcp(text, &url, reason, reason_bytes);
		else if (url.kind == URL_UNIX)
			r = parse_unix(text, &url, reason, reason_bytes);
		else if (!copy(url.path, sizeof url.path, text, strlen(text)))
			r = refuse(reason, reason_bytes,
				   "an embedded store's name has at most 107 bytes");
		else
			r = 0;
		if (r == 0)
			*ret_url = url;
		return r;
	}
	return refuse(reason, reason_bytes,
		      "a URL is dso://HOST[:PORT][/NAMESPACE], dso+unix://PATH or embedded:[NAME]");
}

void url_default_unix_path(char *path, size_t path_bytes)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 || access("/run/dso/storaged.sock", F_OK) == 0)
		snprintf(path, path_bytes, "/run/dso/storaged.sock");
	else if (runtime && *runtime == '/')
		snprintf(path, path_bytes, "%s/dso/storaged.sock", runtime);
	else
		snprintf(path, path_bytes, "/tmp/dso-%u/storaged.sock", (unsigned)geteuid());
}
