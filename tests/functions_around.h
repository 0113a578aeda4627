/* SPDX-License-Identifier: Apache-2.0 */
/* Around a test of functions: a storaged, a session, an executor of processes, or of threads where
 * the store is embedded. */
#ifndef TESTS_FUNCTIONS_AROUND_H
#define TESTS_FUNCTIONS_AROUND_H

#include "lib/include/dso/dso.h"
#include "tests/daemon.h"

#include <check.h>
#include <stdbool.h>

extern struct daemon_process storaged;
extern struct dso_session *session;
extern struct dso_executor *executor;
extern const char *transport; /* of this run; "embedded" has no processes */

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, dso_error(session))

bool has_processes(void);
void open_session(struct dso_session **ret_session);
/* Of "process:" where there are any. */
void open_executor(const struct dso_executor_params *params);

/* A call of @executor, and its outcome. */
struct dso_thread *create(dso_function function, const void *argument, size_t bytes);
int join(struct dso_thread *thread);

/* With two workers. */
void set_up(void);
void tear_down(void);

/* In a function: add one to the counter @name. Returns 0 or an error. */
int add_to_counter(struct dso_session *worker, const char *name);

/* In the driver: of the counter @name. */
int64_t value_of(const char *name);

/* Let those go on that wait at "latch". */
void open_latch(void);

/* The tests of @everywhere, and of @of_processes where there are any; NULL ends both. */
Suite *functions_suite(const char *name, SFun begin, SFun end, const TTest *const *everywhere,
		       const TTest *const *of_processes);

#define OBJECTS 3 /* of an executor without stored arguments and results */

/* The names of the executors' objects, which begin with "run/", that end with @end. */
struct search {
	const char *end;
	unsigned count;
	char name[DSO_NAME_BYTES_MAX + 1];
};

struct search objects_of_run(const char *end);

#endif
