/* SPDX-License-Identifier: Apache-2.0 */
/* Around the tests of functions on a gateway: a storaged, a session, the gateway, an executor. */
#ifndef TESTS_FUNCTIONS_GATEWAY_H
#define TESTS_FUNCTIONS_GATEWAY_H

#include "lib/include/dso/dso.h"
#include "tests/gateway/gateway.h"

#include <check.h>
#include <stdbool.h>

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, dso_error(session))
#define CALLS    24

extern struct gateway gateway;
extern struct dso_session *session;
extern struct dso_executor *executor; /* closed behind the test, unless it is NULL */

/* Which platform this run is about. */
bool is_kind(const char *name);
/* Whether the driver ends what it has started there. */
bool has_ends(void);

/* As gateway_url(). */
const char *url_of(const char *name, const char *options);
void open_executor_of(unsigned workers, const char *name, const char *faults, const char *options);

/* Have one number squared, or many; each adds one to the counter "runs". */
struct dso_thread *create_square(void);
int64_t join(struct dso_thread *thread);
void check_squares(int calls);

/* It fails, with @sentence in its sentence. Returns its error. */
int join_broken(struct dso_thread *thread, const char *sentence);

/* The answer of each invocation has come, or what it had started is deleted: no worker is there. */
void await_leaving(void);

int64_t value_of(const char *counter);
/* How many objects executors have in the store. */
unsigned objects_of_runs(void);

void add_tests(TCase *tests, const TTest *const *list, size_t count);
/* Of URLs that are refused. */
void add_refusal_tests(TCase *tests);
/* Of a platform where the driver creates, waits for and deletes containers. */
void add_container_tests(TCase *tests);

#endif
