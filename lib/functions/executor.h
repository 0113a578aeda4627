/* SPDX-License-Identifier: Apache-2.0 */
/* An executor, at its driver: two queues, the threads that are not joined, and workers. */
#ifndef LIB_FUNCTIONS_EXECUTOR_H
#define LIB_FUNCTIONS_EXECUTOR_H

#include "lib/functions/state.h"

#include <stdbool.h>

struct workers; /* begins with struct workers_base */

/* What starts workers needs to know. The strings outlive the workers. */
struct workers_request {
	struct dso_session *session;
	const char *url;
	const char *prefix;
	unsigned count;
};

/* A kind of workers: a row for each scheme of an executor's URL. */
struct workers_ops {
	const char *scheme; /* "process:" */
	/* Have workers start. Does not wait for them. Returns 0, -EOPNOTSUPP, -EAGAIN, -EMFILE,
	 * -ENOMEM, with a sentence in @why of SENTENCE_BYTES_MAX + 1. */
	int (*start)(const struct workers_request *request, struct workers **ret_workers,
		     char *why);
	/* Whether no worker can be started any more: a sentence, or NULL. When that comes to be,
	 * the workers interrupt the session. Any thread may call it. */
	const char *(*broken)(struct workers *workers);
	/* So many calls have no result now: called by the driver whenever that changes, so it does
	 * not block. NULL where workers stay. */
	void (*wanted)(struct workers *workers, unsigned waiting);
	/* End them, and free. The queue of calls is shut down. Blocks until they have ended. */
	void (*stop)(struct workers *workers);
};

struct workers_base {
	const struct workers_ops *ops;
};

extern const struct workers_ops workers_of_processes, workers_of_threads;

struct dso_thread {
	struct dso_executor *executor;
	const struct dso_definition *definition;
	uint64_t number;
	enum outcome outcome; /* 0: not known yet */
	int error;
	bool is_detached;
	/* futures of these exist */
	bool has_stored_argument, has_stored_result;
	size_t bytes;
	void *value; /* the result, or a sentence without its zero; NULL where there are no bytes */
};

struct dso_executor {
	struct dso_session *session;
	struct dso_queue *calls, *results;
	struct state state;
	struct workers *workers;
	/* threads[i] has the number first + i; NULL: it is freed */
	struct dso_thread **threads;
	uint64_t first, next;
	size_t threads_max;
	unsigned waiting; /* calls without a result */
	/* a result that was taken in, and not acknowledged */
	bool has_leased;
	uint64_t leased;
	uint32_t attempts;
	uint8_t build[MESSAGE_BUILD_BYTES];
	char prefix[PREFIX_BYTES_MAX];
	uint8_t call[MESSAGE_BYTES];
	uint8_t result[MESSAGE_BYTES];
};

/* Whether dso_function_main() was called, as "process:" needs it. */
bool function_main_was_called(void);

/* Wait for a result, and take it in. Returns 0 or an error, which is told. */
int executor_take_result(struct dso_executor *executor, int64_t timeout);

/* Free the threads that are left; what they have in the store is gone. */
void executor_forget_threads(struct dso_executor *executor);

#endif
