/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONFORMANCE_H
#define TESTS_CONFORMANCE_H

#include <check.h>
#include <dso/dso.h>
#include <stdbool.h>

/* A session over the transport under test. */
struct dso_session *conformance_open(void);
/* The same without an assertion, for a forked child: another thread may have had the lock of
 * these. */
int conformance_dial(struct dso_session **ret_session);
/* A session with another timeout than the default. */
struct dso_session *conformance_open_patient(int64_t timeout);
/* A session at the same time as that one, maybe over another transport. */
struct dso_session *conformance_open_another(void);
/* The same without an assertion, for a forked child. */
int conformance_dial_another(struct dso_session **ret_session);

/* A name that no object has; valid until the next call. */
const char *conformance_name(void);

/* Whether the transport under test is called so. */
bool conformance_is(const char *name);

/* The memory of the store under test, from behind; where it cannot be found the test program ends.
 * To be given back with conformance_region_end(). */
uint8_t *conformance_region(void);
void conformance_region_end(uint8_t *region);
/* The word at @offset of the object @name, in that memory. */
uint64_t *conformance_word(uint8_t *region, struct dso_session *session, const char *name,
			   uint64_t offset);

/* The sentence of the session when a call that must succeed fails. */
#define OK(session, call)                                                                          \
	do {                                                                                       \
		int ok_result = (call);                                                            \
		ck_assert_msg(ok_result == 0, "%s: %d, %s", #call, ok_result, dso_error(session)); \
	} while (0)

Suite *conformance_counter_suite(void);
Suite *conformance_register_suite(void);
Suite *conformance_memory_suite(void);
Suite *conformance_async_suite(void);
Suite *conformance_names_suite(void);
Suite *conformance_wait_suite(void);
Suite *conformance_locks_suite(void);
Suite *conformance_admission_suite(void);
Suite *conformance_holds_suite(void);
Suite *conformance_wake_suite(void);
Suite *conformance_fairness_suite(void);
Suite *conformance_handles_suite(void);
Suite *conformance_tokens_suite(void);
Suite *conformance_deletion_suite(void);
Suite *conformance_failures_suite(void);
Suite *conformance_fork_suite(void);
Suite *conformance_future_suite(void);
Suite *conformance_order_suite(void);
Suite *conformance_outputs_suite(void);
Suite *conformance_threads_suite(void);
Suite *conformance_late_suite(void);
Suite *conformance_unlock_suite(void);
Suite *conformance_timeouts_suite(void);

#endif
