/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of what a session can hold, which are opened, taken and given back alike. */
#ifndef TESTS_KINDS_H
#define TESTS_KINDS_H

#include <dso/dso.h>

struct kind {
	const char *name;
	void *(*open)(struct dso_session *session, const char *name);
	int (*take)(void *object, int64_t timeout);
	int (*give)(void *object);
	void (*close)(void *object);
};

extern const struct kind kind_mutex, kind_reader, kind_writer, kind_once;
extern const struct kind kind_permit; /* the only one of a semaphore */

#endif
