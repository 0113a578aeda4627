/* SPDX-License-Identifier: Apache-2.0 */
/* A namespace: a store, and what executes the atomics in it. */
#ifndef STORAGED_NAMESPACE_H
#define STORAGED_NAMESPACE_H

#include "lib/store/store.h"
#include "lib/verbs/host/host.h"
#include "storaged/settings.h"

#define REASON_BYTES 256

struct name_space {
	const char *name;
	struct store *store;
	enum control_domain domain;
	char domain_reason[REASON_BYTES];
	/* NULL in the domain cpu */
	struct verbs_region *region;
	/* the main thread's own transport to the words */
	struct transport *transport;
};

struct namespaces {
	struct name_space table[SETTINGS_ITEMS_MAX];
	unsigned count;
};

/* The one called @name; NULL: there is none. */
struct name_space *namespaces_find(struct namespaces *namespaces, const char *name);
/* The place of @space in the table. */
static inline unsigned namespaces_place(const struct namespaces *namespaces,
					const struct name_space *space)
{
	return (unsigned)(space - namespaces->table);
}

/*
 * Make the namespace @name, with all pages of its arena if @is_reserved. @device NULL (with
 * @no_device, the sentence why): the domain is cpu. Returns 0 or a negative errno, with *reason
 * filled.
 */
int namespace_open(struct name_space *space, const char *name, const struct settings *settings,
		   bool is_reserved, struct verbs_device *device, const char *no_device,
		   char *reason, size_t reason_bytes);
void namespace_close(struct name_space *space);

/* Another transport to the words, for a worker. Returns 0 or a negative errno with *reason
 * filled. */
int namespace_transport(const struct name_space *space, enum transport_poll poll,
			struct transport **ret_transport, char *reason, size_t reason_bytes);

/* Why such a transport broke, the last one that did; any thread may ask. Empty: none has. */
void namespace_last_breakage(char text[REASON_BYTES]);

#endif
