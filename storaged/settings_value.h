/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of values that settings have, and how each is written. */
#ifndef STORAGED_SETTINGS_VALUE_H
#define STORAGED_SETTINGS_VALUE_H

#include <stddef.h>
#include <stdint.h>

#define SETTINGS_ITEMS_MAX 16 /* listen addresses; namespaces */

struct settings;

struct settings_list {
	const char *item[SETTINGS_ITEMS_MAX];
	unsigned count;
};

enum settings_kind {
	SETTINGS_TEXT, /* const char *, min to max bytes long */
	/* struct settings_list: texts separated by commas, added to those before */
	SETTINGS_LIST,
	SETTINGS_NUMBER, /* uint64_t, min to max; so are all below */
	SETTINGS_OCTAL,
	SETTINGS_SIZE,     /* bytes: 4096, 64KiB, 25% of the memory available */
	SETTINGS_DURATION, /* ns: 500ms, 10s, 2m */
	SETTINGS_FLAG,     /* yes or no */
	SETTINGS_CHOICE,   /* the index of a choice */
	SETTINGS_SET,      /* a bit 1 << index for each of the choices, separated by commas */
};

struct settings_value {
	enum settings_kind kind;
	size_t field; /* offset in struct settings */
	uint64_t min, max;
	const char *const *choices; /* ends with NULL */
};

/* Parse @text, which comes from @origin, into its field. Returns 0, -EINVAL or -ENOMEM, with
 * *reason. */
int settings_value_parse(const struct settings_value *value, struct settings *settings,
			 const char *text, const char *origin, char *reason, size_t reason_bytes);

/* Free the memory of a text or a list, and leave it empty. */
void settings_value_free(const struct settings_value *value, struct settings *settings);

#endif
