/* SPDX-License-Identifier: Apache-2.0 */
/* How sessions end: what the parts of tests/ends share. */
#ifndef TESTS_ENDS_H
#define TESTS_ENDS_H

#include "tests/daemon.h"

#include <check.h>
#include <dso/dso.h>
#include <stdbool.h>

/* A limit that only a hang reaches. */
#define ENDS_HANG_TIMEOUT (120 * DSO_SECOND)

extern struct daemon_process storage;

void ends_start(const char *const *arguments);
void ends_stop(void);
/* The same where it was told to stop before. */
void ends_reap(void);

/* A session over @transport that nothing ends but what the test does. */
struct dso_session *ends_open(const char *transport, int64_t linger);
/* A name of its own. */
const char *ends_name(void);
struct dso_mutex *ends_mutex(struct dso_session *session, const char *name);
/* Wait until @holds; a limit that only a hang reaches. */
void ends_until(bool (*holds)(void *context), void *context, const char *what);
/* Wait until storaged has @count sessions. */
void ends_until_sessions(struct dso_session *observer, uint64_t count);
/* How many sessions ended for one of @reasons, names with spaces between; "" for any. */
uint64_t ends_counted(struct dso_session *observer, const char *reasons);
/* Who holds the mutex called @name, as storaged says it; "" nobody. */
const char *ends_holder(struct dso_session *observer, const char *name);
/* Wait until that ends with @note. */
void ends_until_noted(struct dso_session *observer, const char *name, const char *note);

Suite *ends_linger_suite(void);
Suite *ends_paths_suite(void);
Suite *ends_mapping_suite(void);
Suite *ends_waits_suite(void);
Suite *ends_table_suite(void);

#endif
