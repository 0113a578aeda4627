/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONFORMANCE_H
#define TESTS_CONFORMANCE_H

#include <check.h>
#include <dso/dso.h>
#include <stdbool.h>
#include <stdint.h>

/* A session over the transport under test. */
struct dso_session *conformance_open(void);
/* The same without an assertion, for a forked child: another thread may have had the lock of
 * these. */
int conformance_dial(struct dso_session **ret_session);
/* A session with another timeout than the default. */
struct dso_session *conformance_open_with_timeout(int64_t timeout);
/* A session at the same time as that one, maybe over another transport. */
struct dso_session *conformance_open_another(void);
/* The same without an assertion, for a forked child. */
int conformance_dial_another(struct dso_session **ret_session);

/* How many sessions are parked, and wait until @count are. A session of its own asks. */
uint64_t conformance_parked(void);
void conformance_until_parked(uint64_t count);
/* How often the turn of a waiter went to the next since the store began (tests/parked.h). */
uint64_t conformance_grants_missed(void);

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

/* The tag of cases that take long where a machine is emulated, though no data path does more in
 * them than in others: tests/rdma/guest leaves them out. */
#define SAME_ON_EACH_PATH "same-on-each-path"

/* The sentence of the session when a call that must succeed fails. */
#define OK(session, call)                                                                          \
	do {                                                                                       \
		int ok_result = (call);                                                            \
		ck_assert_msg(ok_result == 0, "%s: %d, %s", #call, ok_result, dso_error(session)); \
	} while (0)

/* X(suite, whether it is run) */
#define CONFORMANCE_SUITES(X)                                                       \
	X(counter, true)                                                            \
	X(register, true)                                                           \
	X(memory, true)                                                             \
	X(async, true)                                                              \
	X(deletion, true)                                                           \
	X(failures, true)                                                           \
	X(fork, true)                                                               \
	X(future, true)                                                             \
	X(order, true)                                                              \
	X(outputs, true)                                                            \
	X(threads, checks)                                                          \
	X(late, true)                                                               \
	X(unlock, true)                                                             \
	X(timeouts, true)                                                           \
	X(names, true)                                                              \
	X(wait, true)                                                               \
	X(value, true)                                                              \
	X(going, true)                                                              \
	X(locks, true)                                                              \
	X(admission, true)                                                          \
	X(handles, true)                                                            \
	X(holds, true)                                                              \
	X(wake, true)                                                               \
	/* Of a storaged that was here before nothing but its services is known. */ \
	X(tokens, knows_the_store)                                                  \
	X(fairness, knows_the_store)                                                \
	X(damage, knows_the_store)                                                  \
	X(check, knows_the_store)                                                   \
	X(queue, knows_the_store)                                                   \
	X(aggregator, knows_the_store)                                              \
	X(map, knows_the_store)

#define X(name, condition) Suite *conformance_##name##_suite(void);
CONFORMANCE_SUITES(X)
#undef X

#endif
