/* SPDX-License-Identifier: Apache-2.0 */
/* Where a session goes: the parsed form of a URL. */
#ifndef LIB_REMOTE_URL_H
#define LIB_REMOTE_URL_H

#include "proto/control.h"

#include <stddef.h>

enum url_kind { URL_TCP, URL_UNIX, URL_EMBEDDED };

/* Every text is followed by zero bytes up to the end of its field, as the wire has it. */
struct url {
	enum url_kind kind;
	char host[256]; /* TCP: a name or a numeric address, without brackets */
	char port[6];   /* TCP: decimal */
	char path[108]; /* unix: of the socket; embedded: the store's name, maybe empty */
	char name_space[CONTROL_NAMESPACE_BYTES_MAX + 1];
};

/*
 * Parse @text into *ret_url. Returns 0, or -EINVAL with what is wrong with it in @reason (a
 * sentence without a full stop).
 */
int url_parse(const char *text, struct url *ret_url, char *reason, size_t reason_bytes);

/* Storaged's default unix socket for this user, into @path. The same rule as storaged's. */
void url_default_unix_path(char *path, size_t path_bytes);

#endif
